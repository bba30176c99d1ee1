import Logging
import Testing

@testable import Raft

@Suite("The receiver of forwarded writes")
struct ForwardReceiverTests {
    /// The way back, and what was sent on it.
    private final class Way: ReplyPath {
        private let sent = Lock<[PeerReply]>([])
        func send(_ reply: PeerReply) { sent.withLock { $0.append(reply) } }
        var results: [Result<[UInt8], RaftError>] {
            sent.withLock { $0 }.compactMap { if case .forward(let reply) = $0 { reply.result } else { nil } }
        }
        var error: RaftError? { if case .failure(let error)? = results.first { error } else { nil } }
    }

    private final class Stage {
        let loop = ManualLoop()
        let mailbox: Mailbox<Message>
        let notes = Lock<[String]>([])
        let way = Way()
        private(set) var receiver: ForwardReceiver

        init(maximumCount: Int = 8) {
            mailbox = Mailbox(loop: loop, maximumCount: maximumCount)
            let store = MemoryLogStore()
            let applier = Applier<Counter>(
                machine: Counter(), loop: loop, node: mailbox, reader: LogReader(store: store, loop: loop),
                maximumBytes: 1 << 20)
            receiver = ForwardReceiver(
                settings: Configuration(id: 1, cluster: "test"), mailbox: mailbox, applier: applier,
                deadlines: Deadlines(loop: loop),
                refusal: { _, caller in caller?.identity == "stranger" ? "who is that" : nil },
                logger: .silent, note: { [notes] note in notes.withLock { $0.append(note.text) } })
        }

        func receive(
            _ payload: [UInt8]? = nil, _ kind: ForwardRequest.Kind = .command, from sender: NodeID = 2,
            timeout: Duration? = nil, identity: String = "app", isMember: Bool = true
        ) {
            receiver.receive(
                ForwardRequest(
                    sender: sender, id: 5, kind: kind, onlyInTerm: 4, timeout: timeout,
                    caller: ForwardedCaller(identity: identity, method: "put"),
                    payload: payload ?? Self.add(7)),
                isMember: isMember, reply: way)
        }

        static func add(_ amount: Int64) -> [UInt8] {
            var bytes: [UInt8] = []
            Counter.Add(amount).encode(into: &bytes)
            return bytes
        }

        func takeProposal() -> Proposal? {
            var messages: [Message] = []
            mailbox.takeAll(into: &messages)
            guard messages.count == 1, case .propose(let proposal) = messages[0] else { return nil }
            return proposal
        }
    }

    @Test("A write becomes a proposal like any other, for the same term, and is never passed on again")
    func proposes() throws {
        let stage = Stage()
        stage.receive()
        let proposal = try #require(stage.takeProposal())
        #expect(proposal.kind == .command && proposal.payload == Stage.add(7) && proposal.term == 4)
        #expect(proposal.forward == nil, "one hop")
        try #require(proposal.ticket as? OutputTicket<Int64>).succeed(3)
        #expect(stage.way.results == [.success([3, 0, 0, 0, 0, 0, 0, 0])])
    }

    @Test("The log names the member and the caller, once for each pair")
    func logged() {
        let stage = Stage(maximumCount: 1000)
        for sender in [2, 2, 3] as [NodeID] {
            for caller in ["app", "app", "other"] { stage.receive(from: sender, identity: caller) }
        }
        #expect(
            stage.notes.withLock { $0 }
                == [2, 3].flatMap { node in
                    ["app", "other"].map { "node \(node) passes on writes of \($0)" }
                })
        for number in 0..<300 { stage.receive(identity: "app \(number)") }
        #expect(stage.notes.withLock { $0.count } == 304)
    }

    @Test("Who does not lead says so, and who does: one hop")
    func oneHop() throws {
        let stage = Stage()
        stage.receive()
        let proposal = try #require(stage.takeProposal())
        let desk = Desk(FollowerRules(), log: [1], leader: 3)
        #expect(desk.turn([.propose(proposal)]).acts == [.fail(1, .notLeader)])
        proposal.ticket.fail(RaftError(.notLeader, "ask node 3", leader: LeaderHint(id: 3, address: "c")))
        #expect(stage.way.error?.code == .notLeader && stage.way.error?.leader?.id == 3)
    }

    @Test("Who is no member passes nothing on, and nobody gets by a member what the leader would not give them")
    func refused() {
        let outsider = Stage()
        outsider.receive(isMember: false)
        // Not the caller's fault, who may go elsewhere.
        #expect(outsider.way.error?.code == .notLeader && outsider.takeProposal() == nil)
        let stranger = Stage()
        stranger.receive(identity: "stranger")
        #expect(stranger.way.error?.code == .notAuthorized && stranger.way.error?.outcome == .nothingHappened)
        #expect(stranger.takeProposal() == nil)
        let note = stranger.notes.withLock { $0.first } ?? ""
        #expect(note.contains("node 2") && note.contains("stranger (put)") && note.contains("who is that"))
    }

    @Test("Bytes that the machine could not apply never come into the log: every member would stop at them")
    func poison() {
        for (payload, kind) in [
            ([1, 2, 3], ForwardRequest.Kind.command), ([], .command),
            ([UInt8](repeating: 0, count: 23), .sessionCommand),
            ([UInt8](repeating: 0, count: 25), .sessionCommand), ([99], .session), ([], .session),
            (SessionOrder.expire(SessionID(3), unheardSince: 9).encoded, .session),
        ] as [([UInt8], ForwardRequest.Kind)] {
            let stage = Stage()
            stage.receive(payload, kind)
            #expect(stage.way.error?.outcome == .nothingHappened, "\(kind) \(payload)")
            #expect(stage.takeProposal() == nil && stage.notes.withLock { $0.count } == 1)
        }
    }

    @Test("What is left of the caller's time counts here, too; when none is left nothing happens")
    func deadline() throws {
        let late = Stage()
        late.receive(timeout: .zero)
        #expect(late.way.error?.code == .deadlineExceeded && late.way.error?.outcome == .nothingHappened)
        #expect(late.takeProposal() == nil)
        let stage = Stage()
        stage.receive(timeout: .milliseconds(50))
        stage.loop.advance(.milliseconds(50))
        #expect(stage.way.error?.code == .deadlineExceeded && stage.way.error?.outcome == .unknown)
        try #require(stage.takeProposal()?.ticket as? OutputTicket<Int64>).succeed(3)
        #expect(stage.way.results.count == 1)
    }

    @Test("A node with too much to do, or none left, says so: nothing happened")
    func full() {
        let stage = Stage(maximumCount: 0)
        stage.receive()
        #expect(stage.way.error?.code == .overloaded && stage.way.error?.outcome == .nothingHappened)
        let ended = Stage()
        _ = ended.mailbox.close()
        ended.receive()
        #expect(ended.way.error?.code == .stopped && ended.way.error?.outcome == .nothingHappened)
    }
}
