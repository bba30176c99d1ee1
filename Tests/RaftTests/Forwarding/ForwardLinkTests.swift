import Testing

@testable import Raft

@Suite("A link for forwarded writes")
struct ForwardLinkTests {
    @Test("Until the link stands nothing is sent; then everything, in order, with what is left of its time")
    func early() {
        let stage = ForwardStage()
        stage.transport.setOpens(false)
        stage.forward(1, deadline: .milliseconds(100))
        let given = stage.forward(2)
        stage.forward(3, kind: .sessionCommand)
        #expect(stage.sent().isEmpty)
        given.ticket.fail(RaftError(.cancelled, "given up meanwhile"))
        stage.loop.advance(.milliseconds(40))
        stage.transport.links[0].observer.linkOpened(Incarnation(rawValue: 2))
        let sent = stage.sent()
        #expect(sent.map(\.payload.count) == [1, 3], "nobody waits for the second")
        #expect(sent.map(\.timeout) == [.milliseconds(60), nil])
        #expect(sent.map(\.kind) == [.command, .sessionCommand])
    }

    @Test("The link breaks: unknown for what was sent")
    func broken() {
        let stage = ForwardStage()
        let write = stage.forward()
        stage.transport.links[0].observer.linkClosed(LinkFailure("connection reset"))
        #expect(write.error?.code == .outcomeUnknown && write.error?.outcome == .unknown)
        #expect(write.error?.message.contains("connection reset") == true)
        #expect(write.results.count == 1)
        // The next one goes on another link.
        stage.forward()
        #expect(stage.transport.links.count == 2)
    }

    @Test("The link cannot be opened: nothing happened, and the caller is told where the leader is")
    func refused() {
        let stage = ForwardStage()
        stage.transport.setOpens(false)
        let write = stage.forward()
        stage.transport.links[0].observer.linkClosed(LinkFailure("connection refused"))
        #expect(write.error?.code == .notLeader && write.error?.outcome == .nothingHappened)
        #expect(write.error?.leader == LeaderHint(id: 2, address: "node-2"))
        #expect(stage.sent().isEmpty)
    }

    @Test("A result that is none: the command was applied, so its outcome is not called nothing")
    func unreadable() {
        let stage = ForwardStage()
        let write = stage.forward()
        stage.answer(stage.sent()[0].id, .success([1, 2]))
        #expect(write.error?.code == .outcomeUnknown && write.error?.outcome == .unknown)
    }

    @Test("What a node proposes only of its own is never sent")
    func ownKinds() {
        #expect(ForwardRequest.Kind(.blank) == nil && ForwardRequest.Kind(.configuration) == nil)
        #expect(ForwardRequest.Kind(.session) == .session)
    }
}
