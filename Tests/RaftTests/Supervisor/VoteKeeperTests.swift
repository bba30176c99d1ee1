import Testing

@testable import Raft

@Suite("The vote keeper")
struct VoteKeeperTests {
    final class Stage {
        let loop = ManualLoop()
        let transport: StageTransport
        let mailbox: Mailbox<Message>
        let keeper: VoteKeeper
        let counted = Lock(true)
        init(incarnation: Incarnation = Incarnation(rawValue: 7)) {
            transport = StageTransport(incarnation: incarnation)
            mailbox = Mailbox(loop: loop)
            keeper = VoteKeeper(
                loop: loop, mailbox: mailbox, transport: transport, address: { $0 == 9 ? nil : "node-\($0)" },
                isVoter: { [counted] _, _ in counted.withLock { $0 } })
        }
        func ask(_ voters: [NodeID], round: UInt64) {
            let request = VoteRequest(phase: .vote, term: 1, candidate: 1, lastLog: .zero, round: round)
            keeper.assumeIsolated { $0.ask(voters, request) }
        }
        func sent(to peer: NodeID) -> [UInt64] {
            transport.takeSent(to: peer).compactMap { if case .vote(let vote) = $0 { vote.round } else { nil } }
        }
    }

    @Test("One link for each voter, kept from round to round; answers go to the node")
    func asks() {
        let stage = Stage()
        stage.ask([2, 3, 9], round: 1)
        stage.ask([2, 3], round: 2)
        #expect(stage.transport.links.map(\.peer) == [2, 3])
        #expect(stage.sent(to: 2) == [1, 2] && stage.sent(to: 3) == [1, 2])
        stage.transport.reply(.vote(VoteReply(phase: .vote, round: 2, term: 1, isGranted: true)), from: 2)
        #expect(stage.mailbox.close().count == 1)
    }

    @Test("Until the link stands only the newest question waits")
    func newest() {
        let stage = Stage()
        stage.transport.setOpens(false)
        stage.ask([2], round: 1)
        stage.ask([2], round: 2)
        #expect(stage.sent(to: 2) == [])
        stage.transport.links[0].observer.linkOpened(Incarnation(rawValue: 2))
        #expect(stage.sent(to: 2) == [2])
    }

    @Test("A broken link is replaced when there is something to ask, and all are closed at the end")
    func replaced() {
        let stage = Stage()
        stage.ask([2], round: 1)
        stage.transport.links[0].observer.linkClosed(LinkFailure("test"))
        #expect(stage.transport.links.count == 1)
        stage.ask([2], round: 2)
        #expect(stage.transport.links.count == 2 && stage.sent(to: 2) == [1, 2])
        stage.keeper.assumeIsolated { $0.closeAll() }
        #expect(stage.transport.links[1].isClosed)
    }

    @Test("A link to a life of a voter that does not count any more is not asked; nor is one to who is no voter")
    func otherLife() {
        let stage = Stage()
        stage.ask([2, 3], round: 1)
        stage.counted.withLock { $0 = false }
        stage.ask([2], round: 2)
        let links = stage.transport.links
        #expect(links.map(\.peer) == [2, 3, 2] && links[0].isClosed && links[1].isClosed && !links[2].isClosed)
        #expect(stage.sent(to: 2) == [1], "the life that was admitted now is not the one that votes")
    }

    @Test("A leader is looked for where the configuration says that it is, and nobody elsewhere")
    func probes() {
        let stage = Stage()
        for leader: NodeID in [2, 9] {
            stage.keeper.assumeIsolated { $0.probe(Suspicion(leader: leader, term: 3, since: .zero)) }
        }
        #expect(stage.transport.probed.withLock { $0 } == ["node-2"])
        guard case .found(let suspicion)? = stage.mailbox.close().first else {
            Issue.record("the node was not told")
            return
        }
        #expect(suspicion == Suspicion(leader: 2, term: 3, since: .zero))
    }

    @Test("Where the transport tells no lives a link is kept")
    func noLives() {
        let stage = Stage(incarnation: Incarnation(rawValue: 0))
        stage.ask([2], round: 1)
        stage.counted.withLock { $0 = false }
        stage.ask([2], round: 2)
        #expect(stage.transport.links.count == 1 && stage.sent(to: 2) == [1, 2])
    }

    @Test("A voter that says that this node was removed is believed: the node hears of it")
    func removal() {
        let stage = Stage()
        stage.ask([2], round: 1)
        stage.transport.links[0].observer.linkClosed(LinkFailure("gone", isRemoval: true))
        let told = stage.mailbox.close()
        guard told.count == 1, case .removed(by: 2) = told[0] else {
            Issue.record("told \(told)")
            return
        }
    }
}
