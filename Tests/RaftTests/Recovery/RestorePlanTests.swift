import Raft
import Testing

@Suite("How a member begins with a saved snapshot")
struct RestorePlanTests {
    private static let old = try! ClusterConfiguration(
        voterSets: [[1, 2, 3], [1, 3, 4]],
        members: [1, 2, 3, 4].map {
            .init(
                id: NodeID($0), address: "old\($0):1", incarnation: Incarnation(rawValue: 100 + $0),
                preference: $0 == 1 ? .preferred : .ordinary)
        }, leaving: [2], removed: [.init(id: 9, incarnation: nil)], leaseWindow: .seconds(1))
    private static let source = SnapshotManifest(
        id: SnapshotID(builder: Incarnation(rawValue: 101), number: 8), last: LogID(term: 4, index: 20),
        configuration: old, configurationID: LogID(term: 3, index: 9), bootstrap: 5, byteCount: 10, checksum: 6,
        sessionBytes: 4)

    private static func list(_ ids: UInt64..., host: String = "new") throws -> ClusterConfiguration {
        try ClusterConfiguration(voters: ids.map { .init(id: NodeID($0), address: "\(host)\($0):1") })
    }

    private static func plan(
        _ source: SnapshotManifest = source, node: NodeID = 1, members: ClusterConfiguration? = nil,
        cluster: String = "test", life: UInt64 = 201
    ) throws -> RestorePlan {
        try RestorePlan(
            of: source, cluster: cluster, node: node, members: try members ?? list(1, 2, 3),
            incarnation: Incarnation(rawValue: life))
    }

    @Test("The log goes on behind the snapshot, in a new term, with the state and the sessions and the listed members")
    func begins() throws {
        let plan = try Self.plan()
        #expect(plan.id == LogID(term: 5, index: 21) && plan.hardState == HardState(currentTerm: 5))
        let manifest = plan.manifest
        #expect(manifest.last == plan.id && manifest.configurationID == plan.id)
        #expect(manifest.byteCount == 10 && manifest.checksum == 6 && manifest.sessionBytes == 4)
        #expect(manifest.id == SnapshotID(builder: Incarnation(rawValue: 201), number: 1))
        // Nothing is left of who belonged to the old cluster.
        #expect(try manifest.configuration == Self.list(1, 2, 3))
        #expect(manifest.bootstrap == plan.mark && plan.mark != 5)
    }

    @Test("Each member's own start is of one cluster: all but the life is the same on each")
    func identical() throws {
        let plans = try [1, 2, 3].map { try Self.plan(node: NodeID($0), life: 200 + $0) }
        #expect(Set(plans.map(\.mark)).count == 1 && Set(plans.map(\.id)).count == 1)
        #expect(Set(plans.map(\.configuration)).count == 1 && Set(plans.map(\.incarnation)).count == 3)
    }

    @Test("Another file, another list or another name is another cluster")
    func marks() throws {
        var marks: Set<UInt64> = [try Self.plan().mark, 5]
        func expectAnother(_ plan: RestorePlan) { #expect(marks.insert(plan.mark).inserted) }
        var other = Self.source
        other.id = SnapshotID(builder: other.id.builder, number: 9)
        expectAnother(try Self.plan(other))
        other = Self.source
        other.checksum = 7
        expectAnother(try Self.plan(other))
        other = Self.source
        other.bootstrap = 6
        expectAnother(try Self.plan(other))
        expectAnother(try Self.plan(members: Self.list(1, 2)))
        expectAnother(try Self.plan(members: Self.list(1, 2, 3, 4)))
        expectAnother(try Self.plan(members: Self.list(1, 2, 3, host: "old")))
        expectAnother(try Self.plan(cluster: "tests"))
        expectAnother(try Self.plan(cluster: "tes"))
        // A bootstrap with the same list, too.
        #expect(try marks.insert(Self.list(1, 2, 3).bootstrapMark).inserted)
    }

    @Test("It is refused for a node that is not listed, for members that do not vote, and where nothing can follow")
    func refused() throws {
        func expectRefusal(_ reason: String, _ plan: () throws -> RestorePlan) throws {
            let error = #expect(throws: RaftError.self) { try plan() }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        }
        try expectRefusal("do not name node 4") { try Self.plan(node: 4) }
        try expectRefusal("more than a list of voters") { try Self.plan(members: Self.old) }
        let members = try Self.list(1, 2, 3).members
        let learner = try ClusterConfiguration(voterSets: [[1, 2]], members: members)
        try expectRefusal("more than a list of voters") { try Self.plan(members: learner) }
        var last = Self.source
        last.last = LogID(term: 4, index: LogIndex(.max - 2))
        try expectRefusal("nothing can come behind") { try Self.plan(last) }
        last.last = LogID(term: Term(.max - 1), index: 20)
        try expectRefusal("nothing can come behind") { try Self.plan(last) }
        try expectRefusal("must not be 0") { try Self.plan(life: 0) }
    }
}
