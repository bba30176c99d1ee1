import Raft
import Testing

@Suite("Sessions of a node, as a program sees them", .timeLimit(.minutes(1)))
struct RaftNodeSessionsTests {
    /// Calls until a leader takes it, wherever that is.
    private func atLeader<Value>(
        _ cluster: LocalCluster, _ body: (RaftNode<Counter>) async throws -> Value
    ) async throws -> Value {
        while true {
            for id in cluster.nodes.keys.sorted() {
                do { return try await body(cluster.nodes[id]!) } catch let error as RaftError {
                    guard error.code == .notLeader else { throw error }
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        }
    }

    @Test("A command that is proposed again at the next leader is applied once, and gets the first output")
    func nextLeader() async throws {
        let cluster = try await LocalCluster([1, 2, 3])
        let session = try await atLeader(cluster) { try await $0.sessions.register() }
        var numbers = SessionNumbers(session)
        let request = numbers.next()
        #expect(try await atLeader(cluster) { try await $0.propose(.init(5), in: request) } == 5)
        #expect(try await cluster.propose(100) == 105)
        try await atLeader(cluster) { try await $0.leadership.transfer() }
        #expect(try await atLeader(cluster) { try await $0.propose(.init(5), in: request) } == 5)
        #expect(try await cluster.propose(0) == 105)
        await cluster.stop()
    }

    @Test("A session that was closed refuses its commands; acknowledged ones are refused before that")
    func closed() async throws {
        let cluster = try await LocalCluster([1])
        let session = try await atLeader(cluster) { try await $0.sessions.register() }
        let node = try #require(cluster.nodes[1])
        var numbers = SessionNumbers(session)
        let first = numbers.next()
        _ = try await node.propose(.init(1), in: first)
        numbers.answered(1)
        try await node.sessions.keepAlive(session, lowestUnanswered: numbers.lowestUnanswered)
        let again = await #expect(throws: RaftError.self) { try await node.propose(.init(1), in: first) }
        #expect(again?.code == .replyDropped)
        let listed = await withCheckedContinuation { done in node.sessions.list { done.resume(returning: $0) } }
        #expect(listed.map(\.id) == [session] && listed[0].lowestUnanswered == 2 && listed[0].replyCount == 0)
        #expect(node.status.sessions.sessions == 1)
        try await node.sessions.close(session)
        try await node.sessions.close(session)
        let late = numbers.next()
        let error = await #expect(throws: RaftError.self) { try await node.propose(.init(1), in: late) }
        #expect(error?.code == .sessionExpired && error?.outcome == .unknown)
        #expect(try await node.read { $0.total } == 1)
        await cluster.stop()
    }
}
