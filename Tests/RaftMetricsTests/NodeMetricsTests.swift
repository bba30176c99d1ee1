import CoreMetrics
import MetricsTestKit
import Testing

@testable import Raft
@testable import RaftMetrics

@Suite("A node's metrics")
struct NodeMetricsTests {
    private let backend = TestMetrics()

    private func value(_ name: String, _ dimensions: [(String, String)] = []) throws -> Double? {
        try backend.expectMeter("raft_" + name, dimensions).lastValue
    }

    @Test("Each gauge shows what the status says, and what only a leader knows is not a number elsewhere")
    func gauges() throws {
        let metrics = NodeMetrics(factory: backend)
        var status = NodeStatus(notStarted: 1, cluster: "test")
        metrics.report(status)
        #expect(try value("role", [("role", "stopped")]) == 1 && value("role", [("role", "leader")]) == 0)
        #expect(try value("leader") == 0 && value("snapshot_bytes") == 0)
        #expect(try value("peers")?.isNaN == true && value("peers_reachable")?.isNaN == true)
        #expect(try value("failure_tolerance")?.isNaN == true)
        status.role = .leader
        status.currentTerm = 9
        status.last = LogID(term: 9, index: 21)
        (status.durableIndex, status.commitIndex, status.lastApplied, status.purged) = (20, 19, 18, 7)
        status.failureTolerance = -1
        status.logShortage = RaftError(.outOfSpace, "full")
        status.sessions.sessions = 4
        metrics.report(status)
        #expect(try value("role", [("role", "stopped")]) == 0 && value("role", [("role", "leader")]) == 1)
        let expected: [(String, Double)] = [
            ("term", 9), ("last_index", 21), ("durable_index", 20), ("commit_index", 19), ("applied_index", 18),
            ("purged_index", 7), ("failure_tolerance", -1), ("log_is_full", 1), ("sessions", 4), ("peers", 0),
            ("peers_reachable", 0),
        ]
        for (name, number) in expected { #expect(try value(name) == number, "\(name)") }
    }

    @Test("The largest terms, indices and ids there can be are shown, and trap nothing")
    func largest() throws {
        let metrics = NodeMetrics(factory: backend)
        var status = NodeStatus(notStarted: NodeID(.max), cluster: "test")
        status.currentTerm = Term(rawValue: .max)
        status.last = LogID(term: status.currentTerm, index: LogIndex(rawValue: .max))
        status.leader = LeaderHint(id: NodeID(.max), address: nil)
        metrics.report(status)
        let largest = Double(UInt64.max)
        #expect(try value("term") == largest && value("last_index") == largest && value("leader") == largest)
    }

    /// Counts what it is told.
    private struct Tally: StateMachine {
        struct Add: ReplicatedCommand {
            func encode(into bytes: inout [UInt8]) { bytes.append(1) }
            init() {}
            init(decoding bytes: ArraySlice<UInt8>) {}
        }
        private(set) var total = 0
        mutating func apply(_ command: Add, at id: LogID) -> Int {
            total += 1
            return total
        }
    }

    @Test("While it runs, they follow the node; they end with it")
    func follows() async throws {
        let network = LocalNetwork()
        let loops = NodeLoops.threads()
        let node = try RaftNode(
            configuration: .init(id: 1), machine: Tally(), store: MemoryLogStore(),
            transport: network.transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: ClusterConfiguration(voters: [.init(id: 1, address: "local:1")]))
        let metrics = NodeMetrics(factory: backend)
        async let reported: Void = metrics.run(node)
        try await node.start()
        _ = try await node.untilLeader(within: .seconds(30))
        let total = try await node.propose(.init())
        #expect(total == 1)
        let end = Double(node.status.commitIndex.rawValue)
        while try value("commit_index") ?? 0 < end { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try value("role", [("role", "leader")]) == 1 && value("leader") == 1)
        await node.stop()
        await reported
        #expect(try value("role", [("role", "leader")]) == 0)
    }
}
