import Logging
import Testing

@testable import Raft

/// Nodes of one process, with what they refuse to take from each other.
private struct ForwardingCluster {
    let network = LocalNetwork()
    let nodes: [RaftNode<Counter>]
    /// Whom each write that was passed on was for, as its receiver saw it.
    let seen = Lock<[(from: NodeID, caller: ForwardedCaller?)]>([])

    init(_ change: (inout Configuration) -> Void = { _ in }) async throws {
        var nodes: [RaftNode<Counter>] = []
        for id in 1...3 as ClosedRange<UInt64> {
            var configuration = LocalCluster.configuration(NodeID(id))
            change(&configuration)
            let loops = NodeLoops.threads(name: "forwarding-\(id)")
            nodes.append(
                try RaftNode(
                    configuration: configuration, machine: Counter(), store: MemoryLogStore(),
                    transport: network.transport(for: NodeID(id), on: loops.loop), loops: loops,
                    bootstrap: LocalCluster.members([1, 2, 3]),
                    refusesForwarded: { [seen] from, caller in
                        seen.withLock { $0.append((from, caller)) }
                        return caller?.identity == "stranger" ? "nobody here knows it" : nil
                    }, logger: .silent))
        }
        self.nodes = nodes
        for node in nodes { try await node.start() }
    }

    /// A leader, and somebody who follows it.
    func roles() async throws -> (leader: RaftNode<Counter>, follower: RaftNode<Counter>) {
        while true {
            let leader = try await nodes[0].untilLeader().id
            if let leading = nodes.first(where: { $0.status.id == leader && $0.status.role == .leader }),
                let follower = nodes.first(where: { $0.status.role == .follower && $0.status.leader?.id == leader })
            {
                return (leading, follower)
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    func stop() async { for node in nodes { await node.stop() } }
}

@Suite("Writes that a node passes on to its leader", .timeLimit(.minutes(1)))
struct ForwardingTests {
    private let app = ForwardedCaller(identity: "raft://test/client/app", method: "put")

    /// Makes a call until it is served: there may be an election at any time.
    private func served<Value>(
        _ cluster: ForwardingCluster, _ body: (RaftNode<Counter>) async throws -> Value
    ) async throws -> Value {
        while true {
            do { return try await body(try await cluster.roles().follower) } catch let error as RaftError {
                guard error.outcome == .nothingHappened, error.code == .notLeader else { throw error }
            }
        }
    }

    @Test("A follower passes a write on, and gives its caller the leader's result; the caller's name travels along")
    func passesOn() async throws {
        let cluster = try await ForwardingCluster()
        let first = try await served(cluster) {
            try await $0.propose(.init(4), forwarding: .toLeader(for: app), within: .seconds(30))
        }
        #expect(first == 4)
        #expect(try await served(cluster) { try await $0.propose(.init(3), forwarding: .toLeader()) } == 7)
        let seen = cluster.seen.withLock { $0 }
        #expect(seen.contains { $0.caller == app } && seen.contains { $0.caller == nil })
        let leader = try await cluster.roles().leader
        #expect(try await leader.read { $0.history } == [4, 3])
        // At the leader it is a write like any other.
        let count = cluster.seen.withLock { $0.count }
        #expect(try await leader.propose(.init(1), forwarding: .toLeader(for: app)) == 8)
        #expect(cluster.seen.withLock { $0.count } == count)
        await cluster.stop()
    }

    @Test("Without being asked to, a follower names the leader and passes nothing on")
    func never() async throws {
        let cluster = try await ForwardingCluster()
        let (_, follower) = try await cluster.roles()
        let error = await #expect(throws: RaftError.self) { try await follower.propose(.init(1), forwarding: .never) }
        #expect(error?.code == .notLeader && error?.outcome == .nothingHappened)
        #expect(cluster.seen.withLock { $0.isEmpty })
        await cluster.stop()
    }

    @Test("A session's numbers work at any node: begun, used and ended at a follower, each command applied once")
    func sessions() async throws {
        let cluster = try await ForwardingCluster()
        let session = try await served(cluster) { try await $0.sessions.register(forwarding: .toLeader(for: app)) }
        let request = SessionRequest(session: session, sequence: 1, lowestUnanswered: 1)
        for _ in 0..<3 {
            let output = try await served(cluster) {
                try await $0.propose(.init(5), in: request, forwarding: .toLeader(for: app), within: .seconds(30))
            }
            #expect(output == 5)
        }
        try await served(cluster) {
            try await $0.sessions.keepAlive(session, lowestUnanswered: 2, forwarding: .toLeader(for: app))
        }
        try await served(cluster) { try await $0.sessions.close(session, forwarding: .toLeader(for: app)) }
        let error = await #expect(throws: RaftError.self) {
            _ = try await served(cluster) {
                try await $0.propose(.init(5), in: request, forwarding: .toLeader(for: app))
            }
        }
        #expect(error?.code == .sessionExpired)
        let leader = try await cluster.roles().leader
        #expect(try await leader.read { $0.history } == [5])
        await cluster.stop()
    }

    @Test("Nobody gains by a member what the leader refuses them")
    func refused() async throws {
        let cluster = try await ForwardingCluster()
        let error = await #expect(throws: RaftError.self) {
            _ = try await served(cluster) {
                try await $0.propose(
                    .init(1), forwarding: .toLeader(for: ForwardedCaller(identity: "stranger", method: "put")))
            }
        }
        #expect(error?.code == .notAuthorized && error?.outcome == .nothingHappened)
        await cluster.stop()
    }

    @Test("For one term only: the leader holds the command to it, wherever it came from")
    func onlyInTerm() async throws {
        let cluster = try await ForwardingCluster()
        let (leader, _) = try await cluster.roles()
        let term = leader.status.currentTerm
        let error = await #expect(throws: RaftError.self) {
            _ = try await served(cluster) {
                try await $0.propose(.init(1), onlyInTerm: Term(0), forwarding: .toLeader())
            }
        }
        #expect(error?.code == .leaderChanged, "it is term \(term)")
        await cluster.stop()
    }

    @Test("Followers and learners pass on what may be passed on; without a leader, or without leave, it is refused")
    func rules() {
        func proposal(_ mayForward: Bool) -> Message {
            .propose(
                Proposal(
                    payload: [1], ticket: Ticket(),
                    forward: mayForward ? ForwardCall(app, deadline: nil) { _ in } : nil))
        }
        let follower = Desk(FollowerRules(), log: [1], leader: 3)
        #expect(follower.turn([proposal(true)]).acts == [.forward(3)])
        #expect(follower.turn([proposal(false)]).acts == [.fail(1, .notLeader)])
        #expect(Desk(FollowerRules(), log: [1]).turn([proposal(true)]).acts == [.fail(1, .notLeader)])
        #expect(Desk(FollowerRules(), log: [1], leader: 9).turn([proposal(true)]).acts == [.fail(1, .notLeader)])
        let learner = Desk(LearnerRules(), log: [1], voters: [2, 3], learners: [1], leader: 2)
        #expect(learner.turn([proposal(true)]).acts == [.forward(2)])
        let candidate = Desk(CandidateRules(), log: [1])
        candidate.begin()
        #expect(candidate.turn([proposal(true)]).acts == [.fail(1, .notLeader)])
    }

    @Test("A name that cannot be passed on as it is becomes nobody's, and then stays as it is")
    func names() {
        for name in [String(repeating: "ä", count: 128), "admin\u{0}x", "admin\n", "\u{7F}"] {
            let caller = ForwardedCaller(identity: name, method: name)
            #expect(caller.identity.contains("not passed on") && caller.method == caller.identity)
            #expect(ForwardedCaller(identity: caller.identity, method: caller.method) == caller)
        }
        #expect("\(ForwardedCaller(identity: "a", method: "b"))" == "a (b)")
        #expect(ForwardedCaller(identity: "ä", method: "").identity == "ä")
    }

    @Test("A text that is too long is cut, never inside of a character, and then stays as it is")
    func cut() {
        let long = String(repeating: "ä", count: 200)
        #expect(long.cut(toBytes: 255).utf8.count == 254 && long.hasPrefix(long.cut(toBytes: 255)))
        #expect("abc".cut(toBytes: 3) == "abc" && "abc".cut(toBytes: 0).isEmpty)
    }
}
