import Testing

@testable import Raft

@Suite("The applier, with sessions of clients")
struct ApplierSessionsTests {
    typealias Stage = ApplierTests.Stage

    private func batch(_ entries: [(EntryKind, [UInt8])], from first: LogIndex, term: Term = 1) -> EntryBatch {
        SessionRunTests.batch(entries, from: first, term: term)
    }

    private func apply(
        _ stage: Stage, _ entries: [(EntryKind, [UInt8])], from first: LogIndex,
        tickets: [(index: LogIndex, ticket: Ticket)] = []
    ) {
        let batch = batch(entries, from: first)
        stage.applier.apply(
            ApplyOrder(first: first, through: batch.lastIndex, entries: [batch], tickets: tickets))
        stage.loop.run()
    }

    private final class Answers: Sendable {
        let list = Lock<[String]>([])
        func ticket() -> OutputTicket<Int> {
            OutputTicket { result in self.list.withLock { $0.append(Self.text(result.map { "\($0)" })) } }
        }
        func session() -> SessionTicket {
            SessionTicket { result in self.list.withLock { $0.append(Self.text(result.map { "session \($0)" })) } }
        }
        static func text(_ result: Result<String, RaftError>) -> String {
            switch result {
            case .success(let text): text
            case .failure(let error): "\(error.code)"
            }
        }
        var all: [String] { list.withLock { $0 } }
    }

    private func words(_ stage: Stage) -> [String] {
        let (_, seen) = ApplierTests().read(stage.applier, at: 0)
        stage.loop.run()
        return seen.withLock { $0 }
    }

    private var register: (EntryKind, [UInt8]) { (.session, SessionOrder.register(sessionLimits()).encoded) }

    @Test("A command that comes twice is applied once, and both callers get the first output")
    func twice() {
        let stage = Stage()
        _ = stage.open()
        let answers = Answers()
        let command = SessionRunTests.command(1, 1, "a")
        apply(stage, [register], from: 1, tickets: [(1, answers.session())])
        apply(stage, [(.sessionCommand, command)], from: 2, tickets: [(2, answers.ticket())])
        apply(stage, [(.command, Array("b".utf8))], from: 3)
        apply(
            stage, [(.sessionCommand, command), (.command, Array("c".utf8))], from: 4,
            tickets: [(4, answers.ticket()), (5, answers.ticket())])
        #expect(answers.all == ["session 1", "1", "1", "3"])
        #expect(words(stage) == ["a", "b", "c"])
        let counts = stage.applier.sessionCounts
        #expect(counts.sessions == 1 && counts.replies == 1 && counts.replyBytes == 8 && counts.repeated == 1)
    }

    @Test("A command that comes twice in one run is applied once, and both callers get its output")
    func twiceInOneRun() {
        let stage = Stage()
        _ = stage.open()
        let answers = Answers()
        let command = SessionRunTests.command(1, 1, "a")
        apply(
            stage,
            [register, (.command, Array("x".utf8)), (.sessionCommand, command), (.sessionCommand, command)], from: 1,
            tickets: [(1, answers.session()), (2, answers.ticket()), (3, answers.ticket()), (4, answers.ticket())])
        #expect(answers.all == ["session 1", "1", "2", "2"])
        #expect(words(stage) == ["x", "a"])
    }

    @Test("What is expired, acknowledged or of no session is refused with its reason, and not applied")
    func refused() {
        let stage = Stage()
        _ = stage.open()
        let answers = Answers()
        apply(
            stage,
            [
                register, (.sessionCommand, SessionRunTests.command(1, 1, "a")),
                (.session, SessionOrder.keepAlive(SessionID(1), lowestUnanswered: 2).encoded),
                (.sessionCommand, SessionRunTests.command(1, 1, "a")),
                (.session, SessionOrder.expire(SessionID(1), unheardSince: 4).encoded),
                (.sessionCommand, SessionRunTests.command(1, 2, "b")),
                (.session, SessionOrder.keepAlive(SessionID(1), lowestUnanswered: 2).encoded),
                (.session, SessionOrder.close(SessionID(1)).encoded),
            ], from: 1,
            tickets: [
                (4, answers.ticket()), (6, answers.ticket()), (7, answers.session()), (8, answers.session()),
            ])
        #expect(answers.all == ["replyDropped", "sessionExpired", "sessionExpired", "session 1"])
        #expect(words(stage) == ["a"])
        #expect(stage.applier.sessionCounts.refused == 3 && stage.applier.sessionCounts.expired == 1)
    }

    @Test("An entry of a session that nobody knows stops the node with the reason")
    func unknown() {
        let stage = Stage()
        _ = stage.open()
        apply(stage, [(.session, [99])], from: 1)
        #expect(stage.told() == ["failed stateMachine"])
    }

    @Test("A machine with files of its own that does not keep the sessions is not used")
    func notKept() {
        var machine = ApplierTests.Recorder()
        machine.held = LogID(3, 1)
        guard case .failure(let error)? = Stage(machine).open() else { return #expect(Bool(false), "accepted") }
        #expect(error.code == .stateMachine && error.message.contains(".kept"))
    }

    @Test("A sweep proposes the end of what was silent since the last one, as far back as it saw it silent")
    func sweep() {
        let stage = Stage()
        _ = stage.open()
        apply(stage, [register, register], from: 1)
        stage.applier.sweepSessions()
        stage.loop.run()
        #expect(stage.told() == ["applied 2"])
        apply(stage, [(.session, SessionOrder.keepAlive(SessionID(2), lowestUnanswered: 1).encoded)], from: 3)
        stage.loop.advance(.seconds(3600))
        stage.applier.sweepSessions()
        stage.loop.run()
        var messages: [Message] = []
        stage.node.takeAll(into: &messages)
        let proposed = messages.compactMap { message -> SessionOrder? in
            guard case .propose(let proposal) = message, proposal.kind == .session else { return nil }
            return try? SessionOrder(decoding: proposal.payload[...])
        }
        #expect(proposed == [.expire(SessionID(1), unheardSince: 1)])
    }
}
