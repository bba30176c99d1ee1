import Logging
import Testing

@testable import Raft

/// Whole nodes in one process, on their own threads.
private final class Members: Sendable {
    let network = LocalNetwork()
    private let nodes = Lock<[NodeID: RaftNode<Counter>]>([:])
    private typealias Disk = (store: MemoryLogStore, snapshots: MemorySnapshotStore, peers: MemoryPeerMemory)
    private let stores = Lock<[NodeID: Disk]>([:])

    subscript(id: NodeID) -> RaftNode<Counter> { nodes.withLock { $0[id]! } }
    func status(_ id: NodeID) -> NodeStatus { self[id].status }

    /// - Parameter initial: bootstraps with these members; nil joins.
    func start(_ id: NodeID, initial: [NodeID]? = nil, isEmpty: Bool = false) async throws {
        var settings = Configuration(id: id, cluster: "test")
        settings.electionTimeout = .milliseconds(150)...(.milliseconds(300))
        settings.heartbeatInterval = .milliseconds(30)
        settings.snapshotPolicy = .manual
        settings.maximumKeptEntries = 0
        settings.snapshotPieceBytes = 24
        var logger = Logger(label: "test")
        logger.handler = SwiftLogNoOpLogHandler()
        let disk = stores.withLock { stores in
            if isEmpty { stores[id] = nil }
            let disk = stores[id] ?? (MemoryLogStore(), MemorySnapshotStore(), MemoryPeerMemory())
            stores[id] = disk
            return disk
        }
        let loops = NodeLoops.threads()
        let node = try RaftNode(
            configuration: settings, machine: Counter(), store: disk.store,
            transport: network.transport(for: id, on: loops.loop), loops: loops,
            bootstrap: try initial.map { ids in
                try ClusterConfiguration(voters: ids.map { .init(id: $0, address: "local:\($0)") })
            }, snapshots: disk.snapshots, peers: disk.peers, logger: logger)
        try await node.start()
        nodes.withLock { $0[id] = node }
    }

    func stop(_ id: NodeID) async {
        let node = nodes.withLock { $0.removeValue(forKey: id) }
        await node?.stop()
    }

    func stopAll() async {
        for id in nodes.withLock({ $0.keys.sorted() }) { await stop(id) }
    }

    /// Asks whoever leads until somebody has done it. A refusal that a changing cluster gives is no reason to give up.
    func lead<Value: Sendable>(
        _ body: @Sendable (RaftNode<Counter>) async throws -> Value
    ) async throws -> Value {
        let passing: [RaftError.Code] = [
            .notLeader, .notCommittedInTerm, .changeInProgress, .outcomeUnknown, .learnerLags, .stopped,
        ]
        for _ in 0..<1000 {
            let leader = nodes.withLock { nodes in
                nodes.values.filter { $0.status.role == .leader }.max { $0.status.currentTerm < $1.status.currentTerm }
            }
            if let leader {
                do { return try await body(leader) } catch let error as RaftError where passing.contains(error.code) {}
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw RaftError(.deadlineExceeded, "nobody did it: \(nodes.withLock { $0.values.map(\.status) })")
    }

    func eventually(_ what: String, _ condition: @Sendable () -> Bool) async throws {
        for _ in 0..<1000 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
        #expect(condition(), "\(what): \(nodes.withLock { $0.values.map(\.status) })")
    }

    func add(_ id: NodeID) async throws {
        try await start(id)
        try await lead { try await $0.membership.add(id, at: "local:\(id)", blocking: true, timeout: .seconds(5)) }
    }
}

@Suite("A cluster of nodes changes its members")
struct RaftNodeMembershipTests {
    @Test("49, M11: a cluster grows from one to three and shrinks to one, and every write is there")
    func growAndShrink() async throws {
        let members = Members()
        try await members.start(1, initial: [1])
        _ = try await members.lead { try await $0.propose(.init(1)) }
        for id in [2, 3] as [NodeID] {
            try await members.add(id)
            try await members.lead { try await $0.membership.promote(id, timeout: .seconds(5)) }
            _ = try await members.lead { try await $0.propose(.init(1)) }
        }
        #expect(members.status(1).configuration?.voters == [1, 2, 3])
        #expect(members.status(1).configuration?.members.allSatisfy { $0.incarnation != nil } == true)
        try await members.lead { try await $0.membership.remove(1, timeout: .seconds(5)) }
        try await members.eventually("node 1 knows that it is out") { members.status(1).isRemoved }
        try await members.lead { leader in
            let other: NodeID = leader.status.id == 2 ? 3 : 2
            try await leader.membership.remove(other, timeout: .seconds(5))
        }
        let total = try await members.lead { try await $0.propose(.init(1)) }
        #expect(total == 4)
        await members.stopAll()
    }

    @Test("52, M3: all members are replaced at once, the leader too, and the others know that they are out")
    func replaceAll() async throws {
        let members = Members()
        for id in [1, 2, 3] as [NodeID] { try await members.start(id, initial: [1, 2, 3]) }
        _ = try await members.lead { try await $0.propose(.init(7)) }
        for id in [4, 5, 6] as [NodeID] { try await members.add(id) }
        try await members.lead { try await $0.membership.replaceVoters(with: [4, 5, 6], timeout: .seconds(5)) }
        for id in [1, 2, 3] as [NodeID] {
            try await members.eventually("node \(id) is out") {
                // One that missed it is told by those whose votes it asks for, and stays what it was, without campaigning.
                members.status(id).isRemoved && [.learner, .follower].contains(members.status(id).role)
            }
        }
        #expect(try await members.lead { try await $0.propose(.init(1)) } == 8)
        let leader = try await members.lead { $0.status.id }
        #expect([4, 5, 6].contains(leader))
        for id in [1, 2, 3] as [NodeID] { await members.stop(id) }
        #expect(try await members.lead { try await $0.propose(.init(1)) } == 9)
        await members.stopAll()
    }

    @Test("M9: a member that missed its removal is told by those it asks for votes, and campaigns no more")
    func missedRemoval() async throws {
        let members = Members()
        for id in [1, 2, 3] as [NodeID] { try await members.start(id, initial: [1, 2, 3]) }
        _ = try await members.lead { try await $0.propose(.init(7)) }
        let leader = try await members.lead { $0.status.id }
        let victim: NodeID = leader == 3 ? 2 : 3
        // It must be bound first, or nobody would know which life was removed.
        try await members.eventually("everybody is bound") {
            members.status(leader).configuration?.members.allSatisfy { $0.incarnation != nil } == true
                && members.status(leader).commitIndex >= members.status(leader).configurationID.index
        }
        await members.stop(victim)
        try await members.lead { try await $0.membership.remove(victim, timeout: .seconds(5)) }
        let term = try await members.lead { $0.status.currentTerm }
        try await members.start(victim)
        try await members.eventually("the removed node knows") { members.status(victim).isRemoved }
        #expect(members.status(victim).role != .candidate)
        #expect(try await members.lead { $0.status.currentTerm } == term, "it disturbed nobody")
        await members.stopAll()
    }

    @Test("58, R27: a member that was removed and comes back empty under its id joins as another life, and never alone")
    func emptyDisk() async throws {
        let members = Members()
        // Node 1 began the cluster alone: whoever replays the log from its first entry was its sole voter once.
        try await members.start(1, initial: [1])
        for id in [2, 3] as [NodeID] {
            try await members.add(id)
            try await members.lead { try await $0.membership.promote(id, timeout: .seconds(5)) }
        }
        try await members.lead { try await $0.membership.remove(1, timeout: .seconds(5)) }
        await members.stop(1)
        for amount in 1...20 as ClosedRange<Int64> {
            _ = try await members.lead { try await $0.propose(.init(amount)) }
        }
        try await members.start(1, isEmpty: true)
        try await members.lead { try await $0.membership.add(1, at: "local:1", blocking: true, timeout: .seconds(5)) }
        #expect(members.status(1).role == .learner && !members.status(1).isRemoved)
        try await members.lead { try await $0.membership.promote(1, timeout: .seconds(5)) }
        try await members.eventually("node 1 votes again") { members.status(1).role == .follower }
        #expect(try await members.lead { try await $0.propose(.init(0)) } == 210)
        await members.stopAll()
    }

    @Test("A member moves to another address: its stream follows")
    func moves() async throws {
        let members = Members()
        for id in [1, 2, 3] as [NodeID] { try await members.start(id, initial: [1, 2, 3]) }
        try await members.lead { try await $0.membership.changeAddress(of: 2, to: "elsewhere:2", timeout: .seconds(5)) }
        let index = try await members.lead { node -> LogIndex in
            _ = try await node.propose(.init(1))
            return node.status.commitIndex
        }
        try await members.eventually("node 2 goes on following") {
            members.status(2).lastApplied >= index && members.status(2).configuration?.address(of: 2) == "elsewhere:2"
        }
        await members.stopAll()
    }

    @Test("R54: a node that belongs to no cluster changes nobody's members, and does not stop over it")
    func pristine() async throws {
        let members = Members()
        try await members.start(9)
        await #expect(throws: RaftError.self) { try await members[9].membership.add(1, at: "x:1") }
        #expect(members.status(9).role == .learner && members[9].membership.current == nil)
        await members.stopAll()
    }

    @Test("A learner that is added behind a purged log gets a snapshot, a binding and a vote, and keeps them (R27)")
    func joinsBySnapshot() async throws {
        let members = Members()
        for id in [1, 2, 3] as [NodeID] { try await members.start(id, initial: [1, 2, 3]) }
        for _ in 1...5 { _ = try await members.lead { try await $0.propose(.init(1)) } }
        for id in [1, 2, 3] as [NodeID] {
            try await members.eventually("node \(id) has applied all") { members.status(id).lastApplied >= 5 }
            let built = try await members[id].triggerSnapshot()
            try await members.eventually("node \(id) purges") { members.status(id).purged == built.last.index }
        }
        try await members.add(4)
        #expect(members.status(4).snapshot != nil)
        try await members.lead { try await $0.membership.promote(4, timeout: .seconds(5)) }
        try await members.lead { try await $0.membership.replaceVoters(with: [4], timeout: .seconds(5)) }
        try await members.eventually("node 4 leads") { members.status(4).role == .leader }
        let built = try await members[4].triggerSnapshot()
        #expect(built.configuration.voters == [4])
        #expect(built.configuration.removed.map(\.id).sorted() == [1, 2, 3])
        try await members.eventually("node 4 purges") { members.status(4).purged == built.last.index }
        // All that it knows of its binding is in the snapshot now.
        for id in [1, 2, 3] as [NodeID] { await members.stop(id) }
        await members.stop(4)
        try await members.start(4)
        try await members.eventually("node 4 leads again") { members.status(4).role == .leader }
        #expect(try await members.lead { try await $0.propose(.init(1)) } == 6)
        await members.stopAll()
    }
}
