import Testing

@testable import Raft

/// What a node begins as, from what its disk holds and what it was told.
@Suite("Startup")
struct StartupTests {
    func store(_ operations: [LogOperation]) throws -> WatchedStore {
        let store = WatchedStore()
        try store.write(operations)
        return store
    }

    /// The first entry of a cluster of these voters and learners.
    func first(_ voters: [NodeID], _ nextVoters: [NodeID]? = nil, learners: [NodeID] = []) -> LogOperation {
        var builder = EntryBatch.Builder(first: 1, term: 0)
        builder.append(.configuration, Desk<FollowerRules>.configuration(voters, nextVoters, learners).encoded)
        return .append(builder.finish()!)
    }

    func started(_ operations: [LogOperation]) throws -> (Bench, NodeStatus) {
        let bench = try Bench(members: nil, store: store(operations))
        bench.start()
        #expect(bench.started.error == nil)
        return (bench, bench.node!.status)
    }

    @Test("No log and no configuration: a learner that waits")
    func pristine() throws {
        let (bench, status) = try started([])
        #expect(status.role == .learner && status.currentTerm == 0 && status.configuration == nil)
        bench.loop.advance(.seconds(60))
        #expect(bench.node?.status.role == .learner && bench.node?.status.currentTerm == 0)
    }

    @Test("A voter: a follower, in the term that it had")
    func voter() throws {
        let (bench, status) = try started([.hardState(HardState(currentTerm: 4, votedFor: 3)), first([1, 2, 3])])
        #expect(status.role == .follower && status.currentTerm == 4)
        bench.loop.advance(.ms(999))
        #expect(bench.node?.status.role == .follower)
        bench.loop.advance(.ms(1001))
        #expect(bench.node?.status.role == .candidate && bench.node?.status.currentTerm == 4)
    }

    @Test("Not a voter: a learner, which never campaigns")
    func learner() throws {
        let (bench, status) = try started([.hardState(HardState(currentTerm: 4)), first([2, 3], learners: [1])])
        #expect(status.role == .learner)
        bench.loop.advance(.seconds(60))
        #expect(bench.node?.status.role == .learner)
    }

    @Test("A sole voter: campaigns at once and leads in a new term; in a joint configuration only if both sets are it")
    func soleVoter() throws {
        let sole = try started([.hardState(HardState(currentTerm: 4)), first([1])]).1
        #expect(sole.role == .leader && sole.currentTerm == 5)
        let both = try started([.hardState(HardState(currentTerm: 4)), first([1], [1])]).1
        #expect(both.role == .leader)
        let joint = try started([.hardState(HardState(currentTerm: 4)), first([1], [1, 2])]).1
        #expect(joint.role == .follower && joint.currentTerm == 4)
    }

    @Test("The current term is the greater of the stored one and the log's last, and durable before it is used")
    func term() throws {
        let store = try store([
            .hardState(HardState(currentTerm: 2, votedFor: 3)), first([1, 2, 3]), .append(batch(from: 2, [6])),
        ])
        let bench = try Bench(members: nil, store: store)
        bench.start()
        #expect(bench.node?.status.currentTerm == 6)
        #expect(try store.open().hardState == HardState(currentTerm: 6))
    }

    @Test("What is committed is not remembered: it is learned again, and applied again from where the machine is")
    func volatileCommit() throws {
        let (bench, status) = try started([.hardState(HardState(currentTerm: 1)), first([1, 2, 3])])
        #expect(status.commitIndex == 0 && status.lastApplied == 0)
        let heartbeat = HeartbeatRequest(
            term: 1, leader: 2, stream: StreamID(1), round: 0, commit: 1, leaderCommit: 1)
        bench.transport.receiver?.receive(.heartbeat(heartbeat), reply: Path())
        bench.loop.run()
        #expect(bench.node?.status.commitIndex == 1 && bench.node?.status.lastApplied == 1)
    }
}
