import Logging
import Testing

@testable import Raft

@Suite("A node that is watched", .timeLimit(.minutes(1)))
struct RaftNodeWatchingTests {
    @Test("Its statuses come one after another, the newest at last, and end with it")
    func statuses() async throws {
        let cluster = try await LocalCluster([1])
        let node = try #require(cluster.nodes[1])
        let statuses = node.statuses
        for await status in statuses where status.role == .leader { break }
        let all = node.statuses
        _ = try await cluster.propose(1)
        await cluster.stop()
        var last: NodeStatus?
        for await status in all { last = status }
        #expect(last?.role == .stopped && last?.lastApplied == node.status.lastApplied)
        var late: [NodeRole] = []
        for await status in node.statuses { late.append(status.role) }
        #expect(late == [.stopped])
    }

    @Test("Its events tell an election, the leader, the members, their commit, a snapshot, certificates and the end")
    func events() async throws {
        let loops = NodeLoops.threads(name: "node")
        let node = try RaftNode(
            configuration: LocalCluster.configuration(1), machine: Counter(), store: MemoryLogStore(),
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: LocalCluster.members([1]), snapshots: MemorySnapshotStore(), logger: .silent)
        let events = node.events
        try await node.start()
        try await node.untilLeader()
        _ = try await node.propose(.init(1))
        try await node.triggerSnapshot()
        // Its caller may hear of it before those do who watch.
        try await node.until { $0.snapshot != nil }
        node.announceCertificates("renewed", isUsed: true)
        await node.stop()
        var names: [String] = []
        for await event in events { names.append("\(event)".prefix { $0 != "(" }.description) }
        var wanted = [
            "configuration", "role", "election", "leader", "configurationCommitted", "snapshot", "certificates",
        ][...]
        for name in names where name == wanted.first { wanted.removeFirst() }
        #expect(wanted.isEmpty && names.last == "stopped", "\(names)")
    }

    @Test("Peers are told as they are reached, and the roles of both as leadership is passed on")
    func peers() async throws {
        let cluster = try await LocalCluster([1, 2, 3])
        let leaderID = try await cluster.nodes[1]!.untilLeader().id
        let leader = try #require(cluster.nodes[leaderID])
        try await leader.until { $0.peers.count == 2 && $0.peers.allSatisfy(\.isReachable) }
        let heir = try #require(cluster.nodes[leaderID == 1 ? 2 : 1])
        let events = heir.events
        try await leader.leadership.transfer(to: heir.status.id)
        var reached: Set<NodeID> = []
        for await event in events {
            if case .peer(let id, isReachable: true, _) = event { reached.insert(id) }
            if reached.count == 2 { break }
        }
        #expect(!reached.contains(heir.status.id))
        await cluster.stop()
    }

    @Test("Leadership that goes round is gained and lost by turns at each node, and lost when a node ends")
    func alternation() async throws {
        let cluster = try await LocalCluster([1, 2, 3])
        let changes = Lock<[NodeID: [LeadershipChange]]>([:])
        for (id, node) in cluster.nodes {
            node.onLeadershipChange { change in changes.withLock { $0[id, default: []].append(change) } }
        }
        for round in 0..<4 {
            _ = try await cluster.propose(1)
            let leader = try #require(cluster.nodes.values.first { $0.status.role == .leader })
            let target = NodeID(UInt64((Int(leader.status.id.rawValue) + round % 2) % 3 + 1))
            try await leader.leadership.transfer(to: target)
        }
        _ = try await cluster.propose(1)
        await cluster.stop()
        let all = changes.withLock { $0 }
        #expect(all.values.map(\.count).reduce(0, +) >= 10)
        for (id, changes) in all {
            #expect(changes.count % 2 == 0, "node \(id): \(changes)")
            for (at, change) in changes.enumerated() {
                guard case .gained(let term) = change else { continue }
                #expect(at % 2 == 0 && changes[at + 1] == .lost(term: term), "node \(id): \(changes)")
            }
        }
    }

    @Test("Who has cancelled is told no more, and who comes to a leader is told so at once")
    func observation() async throws {
        let cluster = try await LocalCluster([1])
        let node = try #require(cluster.nodes[1])
        try await node.untilLeader()
        let (early, late) = (Lock<[LeadershipChange]>([]), Lock<[LeadershipChange]>([]))
        let observation = node.onLeadershipChange { change in early.withLock { $0.append(change) } }
        node.onLeadershipChange { change in late.withLock { $0.append(change) } }
        observation.cancel()
        await cluster.stop()
        #expect(early.withLock { $0 } == [.gained(term: 1)])
        #expect(late.withLock { $0 } == [.gained(term: 1), .lost(term: 1)])
    }

    @Test("A wait ends when it is due, at its deadline, with the node, or with its task; each says which")
    func waits() async throws {
        let cluster = try await LocalCluster([1])
        let node = try #require(cluster.nodes[1])
        #expect(try await node.untilLeader(within: .seconds(30)).id == 1)
        _ = try await cluster.propose(1)
        let applied = node.status.lastApplied
        try await node.untilApplied(applied, within: .zero)
        try await node.untilCommitted(configuration: node.membership.currentID, within: .seconds(30))
        let tooFar = applied.advanced(by: 100)
        let late = await #expect(throws: RaftError.self) {
            try await node.untilApplied(tooFar, within: .milliseconds(10))
        }
        #expect(late?.code == .deadlineExceeded && late?.outcome == .nothingHappened)
        let other = await #expect(throws: RaftError.self) {
            try await node.untilCommitted(configuration: LogID(2, 1))
        }
        #expect(other?.code == .membershipChanged)
        let refused = await #expect(throws: RaftError.self) {
            try await node.until { _ in throw RaftError(.unknownNode, "no") }
        }
        #expect(refused?.code == .unknownNode)
        let cancelled = Task { try await node.untilApplied(tooFar) }
        cancelled.cancel()
        let error = await #expect(throws: RaftError.self) { try await cancelled.value }
        #expect(error?.code == .cancelled)
        let waiting = Task { try await node.untilApplied(tooFar) }
        await cluster.stop()
        let stopped = await #expect(throws: RaftError.self) { try await waiting.value }
        #expect(stopped?.code == .stopped)
    }
}
