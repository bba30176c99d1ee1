import Raft
import Testing

@Suite("How a cluster goes on after its quorum is lost")
struct RecoveryPlanTests {
    static func life(_ node: UInt64) -> Incarnation { Incarnation(rawValue: 100 + node) }

    static func survivor(
        _ node: NodeID, last: LogID = LogID(term: 4, index: 20), voters: [UInt64] = [1, 2, 3], bound: Bool = true,
        term: Term = 7, cluster: String = "test"
    ) throws -> Survivor {
        let members = voters.map {
            ClusterConfiguration.Member(
                id: NodeID($0), address: "host\($0):1", incarnation: bound ? life($0) : nil)
        }
        return Survivor(
            cluster: cluster, node: node, incarnation: life(node.rawValue),
            hardState: HardState(currentTerm: term, votedFor: 2), last: last, snapshot: nil,
            configuration: try ClusterConfiguration(voters: members), configurationID: LogID(term: 3, index: 9))
    }

    static func plan(
        _ survivor: Survivor, _ others: [Survivor] = [], address: String? = nil
    ) throws(RaftError) -> RecoveryPlan {
        try RecoveryPlan(
            of: survivor, comparing: others, address: address, incarnation: Incarnation(rawValue: 999), mark: 77)
    }

    private static func expectRefusal(_ reason: String, _ body: () throws(RaftError) -> RecoveryPlan) {
        do throws(RaftError) {
            Issue.record("not refused: \(try body())")
        } catch {
            #expect(error.code == .invalidConfiguration)
            #expect(error.message.contains(reason), "\(error.message)")
        }
    }

    @Test("The survivor alone votes, in a life and a term that nobody has met, behind everything that it holds")
    func alone() throws {
        let plan = try Self.plan(try Self.survivor(1))
        #expect(plan.configuration.voterSets == [[1]])
        #expect(
            plan.configuration.members == [.init(id: 1, address: "host1:1", incarnation: Incarnation(rawValue: 999))])
        #expect(plan.id == LogID(term: 8, index: 21))
        #expect(plan.hardState == HardState(currentTerm: 8))
        // The log may be of a later term than the vote file, and counts then.
        #expect(try Self.plan(try Self.survivor(1, last: LogID(term: 9, index: 20))).id.term == 10)
    }

    @Test("Everybody of the old cluster, the survivor's old life too, is remembered as removed")
    func removed() throws {
        var survivor = try Self.survivor(1)
        #expect(
            try Self.plan(survivor).configuration.removed
                == [1, 2, 3].map { .init(id: NodeID($0), incarnation: Self.life($0)) })
        #expect(try Self.plan(survivor).lost.map(\.id) == [2, 3])
        // As far as anybody knows which life that was: from a directory at hand, else from whoever met it.
        survivor = try Self.survivor(1, voters: [1, 2, 3, 4, 5], bound: false)
        survivor.met = [3: Self.life(3)]
        let plan = try Self.plan(survivor, [try Self.survivor(2, voters: [1, 2, 3, 4, 5], bound: false)])
        #expect(
            plan.configuration.removed
                == [
                    .init(id: 1, incarnation: Self.life(1)), .init(id: 2, incarnation: Self.life(2)),
                    .init(id: 3, incarnation: Self.life(3)), .init(id: 4, incarnation: nil),
                    .init(id: 5, incarnation: nil),
                ])
        // And of those only so many.
        let earlier = (1...1024).map { ClusterConfiguration.Removed(id: NodeID(UInt64($0) + 100), incarnation: nil) }
        survivor.configuration = try ClusterConfiguration(
            voterSets: [[1, 2, 3]], members: survivor.configuration.members, removed: earlier)
        let full = try Self.plan(survivor).configuration.removed
        #expect(full.count == ClusterConfiguration.maximumRemovedCount && full.suffix(5).map(\.id) == [1, 2, 3, 4, 5])
    }

    @Test("A change of members that was under way is over: both sets of voters are the old cluster")
    func joint() throws {
        var survivor = try Self.survivor(1)
        survivor.configurationBefore = survivor.configuration
        let members = survivor.configuration.members + [.init(id: 4, address: "host4:1", incarnation: Self.life(4))]
        survivor.configuration = try ClusterConfiguration(
            voterSets: [[1, 2, 3], [1, 3, 4]], members: members, leaving: [2])
        let plan = try Self.plan(survivor)
        #expect(!plan.configuration.isJoint && plan.lost.map(\.id) == [2, 3, 4])
        // A majority of one set alone decides nothing.
        _ = try Self.plan(survivor, [try Self.survivor(4, last: LogID(term: 4, index: 2))])
        Self.expectRefusal("a majority") {
            () throws(RaftError) in
            do { return try Self.plan(survivor, [try Self.survivor(3)]) } catch { throw error as! RaftError }
        }
    }

    @Test("It is refused when another directory holds more, or a quorum is at hand, or nobody else is needed")
    func refused() throws {
        let five: [UInt64] = [1, 2, 3, 4, 5]
        let one = try Self.survivor(1, voters: five)
        for further in [LogID(term: 4, index: 21), LogID(term: 5, index: 2)] {
            let two = try Self.survivor(2, last: further, voters: five)
            Self.expectRefusal("node 2 holds more") { () throws(RaftError) in try Self.plan(one, [two]) }
        }
        let (two, three) = (try Self.survivor(2, voters: five), try Self.survivor(3, voters: five))
        _ = try Self.plan(one, [two])
        Self.expectRefusal("are a majority") { () throws(RaftError) in try Self.plan(one, [two, three]) }
        Self.expectRefusal("two of the directories") { () throws(RaftError) in try Self.plan(one, [two, two]) }
        Self.expectRefusal("two of the directories") { () throws(RaftError) in try Self.plan(one, [one]) }
        let stranger = try Self.survivor(2, voters: five, cluster: "other")
        Self.expectRefusal("is of cluster other") { () throws(RaftError) in try Self.plan(one, [stranger]) }
        let sole = try Self.survivor(1, voters: [1])
        Self.expectRefusal("the only voter") { () throws(RaftError) in try Self.plan(sole) }
        // Another life of a voter is no voter: node 3 came back without its disk.
        var wiped = three
        wiped.incarnation = Incarnation(rawValue: 5)
        _ = try Self.plan(one, [two, wiped])
    }

    @Test("A removed member's data is not gone on from; one that is no member must say where it listens")
    func strangers() throws {
        var survivor = try Self.survivor(4, voters: [1, 2, 3])
        Self.expectRefusal("give its address") { () throws(RaftError) in try Self.plan(survivor) }
        #expect(try Self.plan(survivor, address: "new:4").configuration.address(of: 4) == "new:4")
        survivor.configuration = try ClusterConfiguration(
            voterSets: [[1, 2, 3]], members: survivor.configuration.members,
            removed: [.init(id: 4, incarnation: Self.life(4))])
        Self.expectRefusal("was removed") { () throws(RaftError) in try Self.plan(survivor, address: "new:4") }
    }

    @Test("The state at the survivor's last entry becomes that of the new cluster's first; any other is refused")
    func manifest() throws {
        let survivor = try Self.survivor(1)
        let plan = try Self.plan(survivor)
        var state = SnapshotManifest(
            id: SnapshotID(builder: Self.life(1), number: 3), last: survivor.last,
            configuration: survivor.configuration, configurationID: survivor.configurationID, bootstrap: 5,
            byteCount: 10, checksum: 6, sessionBytes: 4)
        let manifest = try plan.manifest(of: state)
        #expect(manifest.last == plan.id && manifest.configurationID == plan.id)
        #expect(manifest.configuration == plan.configuration && manifest.bootstrap == 77)
        #expect(manifest.byteCount == 10 && manifest.checksum == 6 && manifest.sessionBytes == 4)
        #expect(manifest.id != state.id)
        state.last = LogID(term: 4, index: 19)
        #expect(throws: RaftError.self) { try plan.manifest(of: state) }
    }
}
