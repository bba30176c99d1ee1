import Logging
import Raft
import Testing

/// Real nodes on real threads that make snapshots, keep nothing behind them, and can be started again.
private final class SnapshotCluster {
    let network = LocalNetwork()
    private(set) var nodes: [NodeID: RaftNode<Counter>] = [:]
    private let ids: [NodeID]
    private let logs: [NodeID: MemoryLogStore]
    private let snapshots: [NodeID: MemorySnapshotStore]
    private let policy: SnapshotPolicy

    init(_ ids: [NodeID], policy: SnapshotPolicy = .manual) async throws {
        self.ids = ids
        self.policy = policy
        logs = Dictionary(uniqueKeysWithValues: ids.map { ($0, MemoryLogStore()) })
        snapshots = Dictionary(uniqueKeysWithValues: ids.map { ($0, MemorySnapshotStore()) })
        for id in ids { try await start(id) }
    }

    func start(_ id: NodeID) async throws {
        let loops = NodeLoops.threads(name: "node-\(id)")
        var configuration = LocalCluster.configuration(id)
        // A leader must not be lost because the machine is busy: a total that is counted on would be in doubt.
        configuration.electionTimeout = .milliseconds(1000)...(.milliseconds(2000))
        configuration.snapshotPolicy = policy
        configuration.maximumKeptEntries = 0
        configuration.snapshotPieceBytes = 24
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let node = try RaftNode(
            configuration: configuration, machine: Counter(), store: logs[id]!,
            transport: network.transport(for: id, on: loops.loop), loops: loops,
            bootstrap: LocalCluster.members(ids), snapshots: snapshots[id]!, logger: logger)
        try await node.start()
        nodes[id] = node
    }

    func stop(_ id: NodeID) async { await nodes.removeValue(forKey: id)?.stop() }
    func stop() async { for id in ids { await stop(id) } }

    func propose(_ amount: Int64) async throws -> Int64 {
        while true {
            for id in nodes.keys.sorted() {
                do { return try await nodes[id]!.propose(.init(amount)) } catch {
                    guard error.code == .notLeader else { throw error }
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        }
    }

    func leader() async throws -> RaftNode<Counter> {
        while true {
            if let node = nodes.values.first(where: { $0.status.role == .leader }) { return node }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    func until(_ id: NodeID, _ condition: (NodeStatus) -> Bool) async throws {
        while !condition(nodes[id]!.status) { try await Task.sleep(for: .milliseconds(5)) }
    }

    func cut(_ isCut: Bool, _ id: NodeID) {
        for other in ids where other != id {
            network.setCut(isCut, from: id, to: other)
            network.setCut(isCut, from: other, to: id)
        }
    }
}

@Suite("Nodes with snapshots, as a program sees them", .timeLimit(.minutes(1)))
struct SnapshotNodeTests {
    @Test("A member that was away while the log was purged catches up by snapshot, without a new write, and goes on")
    func catchUp() async throws {
        let cluster = try await SnapshotCluster([1, 2, 3])
        #expect(try await cluster.propose(1) == 1)
        let leader = try await cluster.leader()
        let away = [1, 2, 3].map { NodeID($0) }.first { $0 != leader.status.id }!
        cluster.cut(true, away)
        for amount in 2...40 { _ = try await cluster.propose(Int64(amount)) }
        let built = try await leader.triggerSnapshot()
        #expect(built.last.index == leader.status.lastApplied)
        try await cluster.until(leader.status.id) { $0.purged == built.last.index && $0.snapshot?.id == built.id }
        cluster.cut(false, away)
        try await cluster.until(away) { $0.lastApplied >= built.last.index }
        #expect(cluster.nodes[away]!.status.snapshot?.id == built.id)
        let history = try await cluster.nodes[away]!.read(.local) { $0.history }
        #expect(history == (1...40).map(Int64.init))
        #expect(try await cluster.propose(100) == 920)
        try await cluster.until(away) { $0.lastApplied > built.last.index }
        await cluster.stop()
    }

    @Test("A member goes on from its snapshot and the log behind it when it is started again")
    func restart() async throws {
        let cluster = try await SnapshotCluster([1, 2, 3], policy: SnapshotPolicy(entryCount: 7, logBytes: nil))
        for amount in 1...30 { _ = try await cluster.propose(Int64(amount)) }
        let before = cluster.nodes[2]!.status
        #expect(before.snapshot != nil)
        await cluster.stop(2)
        #expect(try await cluster.propose(5) == 470)
        try await cluster.start(2)
        #expect(cluster.nodes[2]!.status.snapshot?.last.index ?? 0 >= before.snapshot!.last.index)
        try await cluster.until(2) { $0.lastApplied > before.lastApplied }
        #expect(try await cluster.nodes[2]!.read(.local) { $0.total } == 470)
        await cluster.stop()
        // All of them at once: nobody is left to ask.
        for id in [1, 2, 3] as [NodeID] { try await cluster.start(id) }
        #expect(try await cluster.propose(1) == 471)
        await cluster.stop()
    }

    @Test("A push reaches every member, also those that need none; a follower and a lone node refuse it")
    func push() async throws {
        let cluster = try await SnapshotCluster([1, 2, 3])
        _ = try await cluster.propose(3)
        let leader = try await cluster.leader()
        let pushed = try await leader.pushSnapshot()
        #expect(pushed.last.index == leader.status.snapshot?.last.index)
        let follower = cluster.nodes.values.first { $0.status.role == .follower }!
        let refused = await #expect(throws: RaftError.self) { try await follower.pushSnapshot() }
        #expect(refused?.code == .notLeader)
        #expect(try await follower.triggerSnapshot().last.index == follower.status.lastApplied)
        await cluster.stop()
        let alone = try await SnapshotCluster([1])
        _ = try await alone.propose(1)
        let nobody = await #expect(throws: RaftError.self) { try await alone.leader().pushSnapshot() }
        #expect(nobody?.code == .snapshotFailed)
        await alone.stop()
    }

    @Test("A command of a session stays applied once through a snapshot, an install and a start of all")
    func sessions() async throws {
        let cluster = try await SnapshotCluster([1, 2, 3])
        _ = try await cluster.propose(1)
        let leader = try await cluster.leader()
        let away = [1, 2, 3].map { NodeID($0) }.first { $0 != leader.status.id }!
        cluster.cut(true, away)
        let session = try await leader.sessions.register()
        let request = SessionRequest(session: session, sequence: 1, lowestUnanswered: 1)
        #expect(try await leader.propose(.init(10), in: request) == 11)
        _ = try await cluster.propose(100)
        let built = try await leader.triggerSnapshot()
        #expect(built.sessionBytes > 0)
        try await cluster.until(leader.status.id) { $0.purged == built.last.index }
        cluster.cut(false, away)
        try await cluster.until(away) { $0.lastApplied >= built.last.index }
        #expect(cluster.nodes[away]!.status.sessions.sessions == 1)
        // The one that has it by the snapshot alone answers.
        try await leader.leadership.transfer(to: away)
        try await cluster.until(away) { $0.role == .leader }
        #expect(try await cluster.nodes[away]!.propose(.init(10), in: request) == 11)
        #expect(try await cluster.propose(0) == 111)
        await cluster.stop()
        for id in [1, 2, 3] as [NodeID] { try await cluster.start(id) }
        #expect(try await cluster.propose(0) == 111)
        #expect(try await cluster.leader().propose(.init(10), in: request) == 11)
        #expect(try await cluster.propose(0) == 111)
        await cluster.stop()
    }

    @Test("Writes go on while snapshots are built, sent and installed all the time")
    func busy() async throws {
        let cluster = try await SnapshotCluster([1, 2, 3], policy: SnapshotPolicy(entryCount: 3, logBytes: nil))
        var total: Int64 = 0
        for round in 1...6 {
            let leader = try await cluster.leader()
            let away = [1, 2, 3].map { NodeID($0) }.first { $0 != leader.status.id }!
            cluster.cut(true, away)
            for amount in 1...20 {
                total += Int64(amount)
                #expect(try await cluster.propose(Int64(amount)) == total, "round \(round)")
            }
            cluster.cut(false, away)
            try await cluster.until(away) { $0.lastApplied >= leader.status.commitIndex }
        }
        await cluster.stop()
        #expect(cluster.nodes.isEmpty)
    }
}
