import Testing

@testable import Raft

@Suite("What an entry says")
struct EntryContentTests {
    private static func entry(_ kind: EntryKind, _ payload: [UInt8]) throws -> Entry {
        var builder = EntryBatch.Builder(first: 3, term: 2)
        builder.append(kind, payload)
        let batch = builder.finish()
        return try #require(batch)[0]
    }

    @Test("Each kind is read by its own rule")
    func kinds() throws {
        #expect(try EntryContent(Self.entry(.blank, [])) == .blank)
        #expect(try EntryContent(Self.entry(.command, [1, 2])) == .command([1, 2]))
        let members = try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")])
        #expect(try EntryContent(Self.entry(.configuration, members.encoded)) == .configuration(members))
        let request = SessionRequest(session: SessionID(9), sequence: 4, lowestUnanswered: 2)
        var bytes: [UInt8] = []
        request.encode(into: &bytes)
        #expect(try EntryContent(Self.entry(.sessionCommand, bytes + [7])) == .sessionCommand(request, [7]))
    }

    @Test(
        "What becomes of a session is said in words",
        arguments: [
            (
                SessionOrder.register(SessionLimits(sessions: 3, replies: 5, replyBytes: 7)),
                "a session of at most 5 unanswered commands begins"
            ),
            (.keepAlive(SessionID(9), lowestUnanswered: 4), "session 9 goes on, answered below 4"),
            (.close(SessionID(9)), "session 9 ends"),
            (.expire(SessionID(9), unheardSince: 12), "session 9 ends unless heard of since entry 12"),
        ])
    func sessions(order: SessionOrder, text: String) throws {
        #expect(try EntryContent(Self.entry(.session, order.encoded)) == .session(text))
    }

    @Test("A payload that is not what its kind promises is refused", arguments: [EntryKind.configuration, .session])
    func unreadable(kind: EntryKind) throws {
        let entry = try Self.entry(kind, [99])
        #expect(throws: RaftError.self) { _ = try EntryContent(entry) }
    }
}
