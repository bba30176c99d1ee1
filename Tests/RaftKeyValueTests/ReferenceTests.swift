import Raft
import Testing

@testable import RaftKeyValue

@Suite("The key-value machine does what its commands mean")
struct ReferenceTests {
    /// The reference refuses without a reason.
    private static func bare(_ output: KeyValueOutput) -> KeyValueOutput {
        if case .refused = output { return .refused("") }
        return output
    }

    @Test(
        "Random commands give the same outputs, keys and history as a dictionary, through batches, snapshots and restarts",
        arguments: 0..<24 as Range<UInt64>)
    func random(seed: UInt64) throws {
        let directory = try TemporaryDirectory(isInMemory: true)
        var name = "0"
        var machine = try KeyValueMachine(in: directory, name)
        var source = CommandSource(seed: seed)
        var reference = ReferenceModel()
        var next: UInt64 = 10
        var refusedCount = 0
        for round in 1...60 {
            let count = Int.random(in: 1...12, using: &source.random)
            let commands = (0..<count).map { source.next(next + UInt64($0)) }
            let outputs = try machine.run(from: next, commands).map(Self.bare)
            let expected = commands.enumerated().map { reference.apply($1, at: next + UInt64($0)) }
            #expect(outputs == expected, "seed \(seed), round \(round)")
            refusedCount += expected.count { $0 == .refused("") }
            next += UInt64(count)
            #expect(try machine.dump() == reference.sorted, "seed \(seed), round \(round)")
            #expect(try machine.leases().map(\.id) == reference.leases.sorted(), "seed \(seed), round \(round)")
            let changes = try machine.changes(after: ChangePosition(revision: machine.compacted)).changes
            #expect(changes == reference.changes, "seed \(seed), round \(round)")
            switch Int.random(in: 0..<8, using: &source.random) {
            case 0:
                // A follower that is given the snapshot goes on in its place.
                let last = LogID(term: 1, index: LogIndex(next - 1))
                var contents = SnapshotContents(try machine.snapshot().stored(through: last), pieceBytes: 100)
                name = "\(round)"
                let follower = try KeyValueMachine(in: directory, name)
                try follower.restore(&contents, through: last)
                machine = follower
            case 1:
                try machine.close()
                machine = try KeyValueMachine(in: directory, name)
            default: break
            }
            if outputs != expected { return }
        }
        #expect(refusedCount > 0)
    }
}
