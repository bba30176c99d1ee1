import Raft
import Testing

@Suite("A node's settings")
struct ConfigurationTests {
    func refusal(_ change: (inout Configuration) -> Void) -> String? {
        var configuration = Configuration(id: 1)
        change(&configuration)
        do {
            try configuration.validate()
            return nil
        } catch {
            #expect(error.code == .invalidConfiguration)
            return error.message
        }
    }

    @Test("The defaults work together")
    func defaults() { #expect(refusal { _ in } == nil) }

    @Test("Settings that cannot work together are refused: what, with which values, and what to do")
    func refused() {
        #expect(
            refusal {
                $0.electionTimeout = .milliseconds(150)...(.milliseconds(300))
                $0.heartbeatInterval = .milliseconds(100)
            }
                == "election timeout 0.15 seconds is not above 2 × heartbeat 0.1 seconds; raise electionTimeout or lower heartbeatInterval"
        )
        #expect(refusal { $0.electionTimeout = .seconds(1)...(.seconds(1)) }?.contains("for ever") == true)
        #expect(refusal { $0.id = 0 } == "node id 0; ids begin at 1")
        #expect(refusal { $0.cluster = "" } != nil)
        #expect(refusal { $0.heartbeatInterval = .zero } != nil)
        #expect(refusal { $0.minimumBackoff = .zero } != nil)
        #expect(refusal { $0.maximumBackoff = .milliseconds(1) } != nil)
        #expect(refusal { $0.maximumCommandBytes = 1 << 31 } != nil)
        #expect(refusal { $0.maximumTailBytes = -1 } != nil)
        #expect(refusal { $0.steadyInterval = .zero }?.contains("steadyInterval") == true)
        #expect(refusal { $0.preferenceInterval = .seconds(-1) }?.contains("preferenceInterval") == true)
    }

    @Test("No limit is zero, and none is so large that a batch could not be addressed")
    func limits() {
        let limits: [WritableKeyPath<Configuration, Int>] = [
            \.maximumCommandBytes, \.maximumAppendBytes, \.maximumInflightAppends, \.maximumInflightBytes,
            \.maximumWaitingCalls, \.maximumUncommittedBytes, \.maximumApplyBytes,
            \.maximumReplicationLag, \.maximumSnapshotBytes,
        ]
        for limit in limits { #expect(refusal { $0[keyPath: limit] = 0 }?.contains("must be above zero") == true) }
        for limit in [\.maximumUncommittedBytes, \.maximumInflightBytes, \.maximumAppendBytes]
            as [WritableKeyPath<Configuration, Int>]
        {
            #expect(refusal { $0[keyPath: limit] = 5 << 30 } != nil)
        }
    }
}
