import Testing

@testable import Raft

@Suite("What a directory says of its cluster")
struct SurvivorTests {
    private static let members = Desk<FollowerRules>.configuration([1, 2, 3])

    private static func survivor(
        _ configurations: [(id: LogID, payload: [UInt8])], last: LogID, snapshots: [SnapshotManifest] = [],
        isReadable: Bool = true
    ) throws -> Survivor {
        try Survivor(
            cluster: "test", node: 1,
            recovered: RecoveredLog(
                hardState: HardState(currentTerm: 5), purged: .zero,
                termStarts: last == .zero ? [] : [LogID(1, last.term)], last: last, configurations: configurations,
                incarnation: Incarnation(rawValue: 8)),
            snapshots: snapshots, met: { Incarnation(rawValue: $0.rawValue + 100) }, isReadable: { _ in isReadable })
    }

    @Test("The newest members count, committed or not, and those before them are known, with the lives that were met")
    func members() throws {
        let four = Desk<FollowerRules>.configuration([1, 2, 4])
        let survivor = try Self.survivor(
            [(LogID(1, 3), Self.members.encoded), (LogID(6, 3), four.encoded)], last: LogID(9, 3))
        #expect(survivor.configuration == four && survivor.configurationID == LogID(6, 3))
        #expect(survivor.configurationBefore == Self.members)
        #expect(survivor.last == LogID(9, 3) && survivor.snapshot == nil)
        #expect(survivor.met.keys.sorted() == [2, 3, 4] && survivor.met[4] == Incarnation(rawValue: 104))
        #expect(survivor.address == four.address(of: 1))
    }

    @Test("A snapshot that is further than the log is what it holds; one that cannot be read is not")
    func snapshot() throws {
        let snapshot = manifest(20, 4, configured: LogID(1, 3))
        let configurations = [(id: LogID(1, 3), payload: Self.members.encoded)]
        let further = try Self.survivor(configurations, last: LogID(9, 3), snapshots: [snapshot])
        #expect(further.last == LogID(20, 4) && further.snapshot == LogID(20, 4))
        let unread = try Self.survivor(configurations, last: LogID(9, 3), snapshots: [snapshot], isReadable: false)
        #expect(unread.last == LogID(9, 3) && unread.snapshot == nil)
        #expect(further.isFurther(than: unread) && !unread.isFurther(than: further))
    }

    @Test("A directory that was never told of a cluster has nothing to go on from")
    func stranger() {
        let error = #expect(throws: RaftError.self) { try Self.survivor([], last: .zero) }
        #expect(error?.code == .wrongDirectory)
    }
}
