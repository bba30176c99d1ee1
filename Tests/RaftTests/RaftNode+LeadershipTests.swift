import Logging
import Testing

@testable import Raft

@Suite("A cluster of nodes and who leads it")
struct RaftNodeLeadershipTests {
    @Test("60, M12: leadership goes where it is told, and what cannot be is refused by name")
    func transfers() async throws {
        let cluster = try await LocalCluster([1, 2, 3])
        _ = try await cluster.propose(1)
        func leader() throws -> RaftNode<Counter> {
            try #require(cluster.nodes.values.first { $0.status.role == .leader })
        }
        let first = try leader()
        let (me, target) = (first.status.id, NodeID(first.status.id == 1 ? 2 : 1))
        let itself = await #expect(throws: RaftError.self) { try await first.leadership.transfer(to: me) }
        #expect(itself?.code == .alreadyLeader)
        let stranger = await #expect(throws: RaftError.self) { try await first.leadership.transfer(to: 9) }
        #expect(stranger?.code == .unknownNode)
        let follower = try #require(cluster.nodes[target])
        let elsewhere = await #expect(throws: RaftError.self) { try await follower.leadership.transfer(to: me) }
        #expect(elsewhere?.code == .notLeader)

        try await first.leadership.prefer(target, .never, timeout: .seconds(10))
        #expect(first.leadership.preference(of: target) == .never)
        let banned = await #expect(throws: RaftError.self) { try await first.leadership.transfer(to: target) }
        #expect(banned?.code == .mayNotLead)
        try await first.leadership.prefer(target, .ordinary, timeout: .seconds(10))
        try await first.leadership.transfer(to: target)
        #expect(try await cluster.propose(1) == 2)
        #expect(first.status.role != .leader)
        await cluster.stop()
    }
}
