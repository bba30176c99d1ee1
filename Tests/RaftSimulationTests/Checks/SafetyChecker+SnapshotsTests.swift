import TestTraits
import Testing

@testable import Raft
@testable import RaftSimulation

@Suite("What snapshots and removed members owe", .heavy)
struct SafetyCheckerSnapshotsTests {
    private static let members = try! ClusterConfiguration(
        voters: [1, 2, 3].map { .init(id: NodeID($0), address: "host\($0):1") })
    private let checker = SafetyChecker(
        voters: [1, 2, 3], limits: Configuration(id: 1), tally: MarkTally(seed: 1, isArmed: false))

    /// Node 1 holds three entries, all of them committed.
    private func begin(_ configuration: ClusterConfiguration = members) {
        var builder = EntryBatch.Builder(first: 1, term: 1)
        builder.append(.configuration, configuration.encoded)
        for payload in [2, 3] as [UInt8] { builder.append(.command, [payload]) }
        checker.wrote([.hardState(HardState(currentTerm: 1)), .append(builder.finish()!)], on: 1)
        checker.committed = checker.mirrors[1]!.ids.map { ($0, checker.mirrors[1]!.prefix(at: $0.index)!) }
    }

    private func manifest(through index: LogIndex, number: UInt64 = 1) -> SnapshotManifest {
        SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: 9), number: number), last: LogID(term: 1, index: index),
            configuration: Self.members, configurationID: LogID(term: 1, index: 1), bootstrap: nil, byteCount: 0,
            checksum: 0)
    }

    @Test("A log does not begin anew by a snapshot that was damaged while its node was down")
    func damagedBeforeStart() {
        begin()
        checker.snapshotDurable(manifest(through: 3), on: 2)
        checker.damagedSnapshot(of: 2)
        checker.wrote([.reset(to: LogID(term: 1, index: 3))], on: 2)
        #expect(checker.violation?.invariant == "I21")
    }

    @Test("It does by one that has come since, or where another one ends with the same entry")
    func wholeAgain() {
        begin()
        checker.snapshotDurable(manifest(through: 3), on: 2)
        checker.damagedSnapshot(of: 2)
        checker.snapshotDurable(manifest(through: 3, number: 2), on: 2)
        checker.wrote([.reset(to: LogID(term: 1, index: 3))], on: 2)
        checker.damagedSnapshot(of: 2)
        checker.wrote([.reset(to: LogID(term: 1, index: 3))], on: 2)
        #expect(checker.violation == nil)
    }

    @Test("Nothing is purged that the machine has yet to read")
    func purgedTooEarly() {
        begin()
        checker.snapshotDurable(manifest(through: 3), on: 1)
        checker.wrote([.purge(through: LogID(term: 1, index: 3))], on: 1)
        #expect(checker.violation == nil, "nothing is known of what was applied")
        var status = NodeStatus(notStarted: 1, cluster: "test")
        status.lastApplied = 2
        checker.before[1] = SafetyChecker.Look(status)
        checker.wrote([.purge(through: LogID(term: 1, index: 2))], on: 1)
        #expect(checker.violation == nil)
        checker.wrote([.purge(through: LogID(term: 1, index: 3))], on: 1)
        #expect(checker.violation?.invariant == "I10")
    }

    @Test("A member is removed when the configuration that says so is committed, and begins anew then")
    func removed() throws {
        let fewer = try ClusterConfiguration(
            voterSets: [[1, 2]], members: [1, 2].map { .init(id: NodeID($0), address: "host\($0):1") },
            removed: [.init(id: 3, incarnation: Incarnation(rawValue: 7))])
        begin(fewer)
        #expect(checker.isRemoved(3) && !checker.isRemoved(1) && !checker.isRemoved(4))
        checker.committed = []
        #expect(!checker.isRemoved(3))

        checker.arrived(from: 3, Incarnation(rawValue: 7), at: 1)
        checker.beganAnew(3)
        checker.arrived(from: 3, Incarnation(rawValue: 8), at: 1)
        #expect(checker.violation == nil)
        checker.arrived(from: 3, Incarnation(rawValue: 7), at: 1)
        #expect(checker.violation?.invariant == "I15")
    }

    @Test("A change asked for earlier members is outdated only for a leader that has others now")
    func outdated() throws {
        begin()
        var status = NodeStatus(notStarted: 1, cluster: "test")
        status.role = .leader
        status.configuration = Self.members
        let seen = LogID(term: 1, index: 1)
        #expect(!checker.isOutdated(seen, status))
        status.configuration = try ClusterConfiguration(voters: [.init(id: 1, address: "host1:1")])
        #expect(checker.isOutdated(seen, status) && !checker.isOutdated(LogID(term: 1, index: 2), status))
        status.role = .follower
        #expect(!checker.isOutdated(seen, status))
    }
}
