import Raft
import TestTraits
import Testing

@testable import RaftSimulation

@Suite("The truth after a recovery", .heavy)
struct SafetyCheckerRecoveryTests {
    private static let members = try! ClusterConfiguration(
        voters: [1, 2, 3].map { .init(id: NodeID($0), address: "host\($0):1") })

    private static func batch(_ first: LogID, _ kind: EntryKind = .command, _ payload: [UInt8]) -> LogOperation {
        var builder = EntryBatch.Builder(first: first.index, term: first.term)
        builder.append(kind, payload)
        return .append(builder.finish()!)
    }

    @Test("What the survivor holds is committed, what it does not hold is gone, and nobody of before is in the way")
    func beginsAnew() throws {
        let old = SafetyChecker(
            voters: [1, 2, 3], limits: Configuration(id: 1), tally: MarkTally(seed: 1, isArmed: false))
        for node in [1, 2] as [NodeID] {
            old.wrote(
                [
                    .hardState(HardState(currentTerm: 1)),
                    Self.batch(LogID(term: 0, index: 1), .configuration, Self.members.encoded),
                    Self.batch(LogID(term: 1, index: 2), .command, [2]),
                ], on: node)
        }
        old.wrote([Self.batch(LogID(term: 1, index: 3), .command, [3])], on: 1)
        old.wrote(
            [.hardState(HardState(currentTerm: 2)), Self.batch(LogID(term: 2, index: 3), .command, [4])], on: 2)
        let lost = old.mirrors[2]!
        old.committed = lost.ids.map { ($0, lost.prefix(at: $0.index)!) }
        old.applied(7, at: LogID(term: 1, index: 2), on: 2, state: 70)
        old.applied(8, at: LogID(term: 2, index: 3), on: 2, state: 80)
        old.refused(9)
        #expect(old.violation == nil)

        let last = LogID(term: 1, index: 3)
        let plan = try RecoveryPlan(
            of: Survivor(
                cluster: "test", node: 1, incarnation: Incarnation(rawValue: 5),
                hardState: HardState(currentTerm: 1), last: last, snapshot: nil, configuration: Self.members,
                configurationID: LogID(term: 0, index: 1)), incarnation: Incarnation(rawValue: 6), mark: 7)
        let new = SafetyChecker(after: old, plan, spares: [4])
        #expect(new.committed.map(\.id) == old.mirrors[1]!.ids + [plan.id])
        #expect(new.committed[2].prefix == old.mirrors[1]!.prefix(at: 3))
        #expect(new.appliedIndex(7) == 2 && new.applied[2]?.state == 70)
        #expect(new.appliedIndex(8) == nil && new.applied[3] == nil)
        #expect(new.configurations[plan.id] == plan.configuration)

        // The survivor's new life begins behind the plan's entry, and nowhere else.
        let manifest = SnapshotManifest(
            id: SnapshotID(builder: plan.incarnation, number: 1), last: plan.id, configuration: plan.configuration,
            configurationID: plan.id, bootstrap: 7, byteCount: 0, checksum: 0)
        new.snapshotDurable(manifest, on: 1)
        new.wrote([.reset(to: plan.id)], on: 1)
        // Terms of before may come again.
        new.wrote(
            [.hardState(HardState(currentTerm: 3)), Self.batch(LogID(term: 3, index: 5), .command, [5])], on: 1)
        new.applied(8, at: LogID(term: 1, index: 3), on: 1, state: 81)
        #expect(new.violation == nil)
        var wrong = manifest
        wrong.last = LogID(term: 2, index: 3)
        new.snapshotDurable(wrong, on: 4)
        #expect(new.violation?.invariant == "I7", "what only the lost ones held is no history")
        // Whoever stays behind is held to what was true before.
        old.applied(9, at: LogID(term: 2, index: 3), on: 3, state: 90)
        #expect(old.violation?.invariant == "I5")
    }
}
