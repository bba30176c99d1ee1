import Raft
import RaftSimulation
import Testing

@testable import RaftKeyValue

@Suite("The key-value machine keeps what a node and all members rely on")
struct ConformanceTests {
    static let conformance = StateMachineConformance<KeyValueMachine>(
        command: { random in
            // The keys of both kinds of commands meet.
            let key = random.next() % 3 == 0 ? Array("ab".utf8) : Array("key\(random.next() % 4)".utf8)
            let value = [UInt8](repeating: UInt8(random.next() % 3), count: Int(random.next() % 3))
            switch random.next() % 14 {
            case 10...13:
                var source = CommandSource(seed: random.next())
                return source.next(random.next() % 100 + 5)
            case 0: return .put(key: [], value: value)
            case 1: return .put(key: [UInt8](repeating: 7, count: 600), value: value)
            case 2, 3: return .delete(key: key)
            case 4: return .compareAndSwap(key: key, expectation: .absent, value: value)
            case 5: return .compareAndSwap(key: key, expectation: .value([]), value: value)
            case 6: return .compareAndSwap(key: key, expectation: .revision(random.next() % 100), value: value)
            default: return .put(key: key, value: value)
            }
        },
        state: { machine in
            let front = ChangePosition(revision: machine.compacted)
            let keys = try machine.dump().map {
                "\(String(decoding: $0.key, as: UTF8.self))=\($0.value)@\($0.revision),\($0.created),\($0.version)"
            }
            let changes = try machine.changes(after: front, maximumBytes: .max).changes.map { "\($0.position) \($0)" }
            return keys + changes + ["\(front)"] + (try machine.leases()).map { "\($0)" }
        },
        place: {
            let directory = try TemporaryDirectory(isInMemory: true)
            let starts = Lock(1)
            return .init(crash: { starts.withLock { $0 += 1 } }) {
                try KeyValueMachine(in: directory, bootID: "start \(starts.withLock { $0 })")
            }
        })

    @Test(
        "Every promise of a machine with files of its own", arguments: StateMachineConformance<KeyValueMachine>.checks)
    func conforms(check: StateMachineCheck) {
        #expect(Self.conformance.violation(of: check) == nil)
    }

    @Test("What commands do to the state is what it was: members of two versions must not part")
    func fingerprint() throws {
        let fingerprint = try Self.conformance.fingerprint()
        #expect(fingerprint == 1_722_783_972)
    }
}
