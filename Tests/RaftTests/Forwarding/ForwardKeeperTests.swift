import Testing

@testable import Raft

/// A keeper with leaders that the test plays.
final class ForwardStage {
    let loop = ManualLoop()
    let transport = StageTransport()
    let keeper: ForwardKeeper

    init(_ change: (inout Configuration) -> Void = { _ in }) {
        var settings = Configuration(id: 1, cluster: "test")
        change(&settings)
        keeper = ForwardKeeper(loop: loop, transport: transport, settings: settings)
    }

    @discardableResult
    func forward(
        _ bytes: Int = 3, kind: EntryKind = .command, to leader: NodeID = 2, deadline: Duration? = nil,
        caller: ForwardedCaller? = nil
    ) -> Write {
        let write = Write()
        let call = ForwardCall(caller, deadline: deadline.map { loop.now + $0 }) { [ticket = write.ticket] bytes in
            ticket.succeed(try UInt64(decoding: bytes[...]))
        }
        let proposal = Proposal(
            kind: kind, payload: Array(repeating: 7, count: bytes), term: 4, ticket: write.ticket, forward: call)
        keeper.assumeIsolated {
            $0.forward(proposal, to: LeaderHint(id: leader, address: leader == 9 ? nil : "node-\(leader)"))
        }
        return write
    }

    func sent(to peer: NodeID = 2) -> [ForwardRequest] {
        transport.takeSent(to: peer).compactMap { if case .forward(let request) = $0 { request } else { nil } }
    }

    func answer(_ id: UInt64, _ result: Result<[UInt8], RaftError>, from peer: NodeID = 2) {
        transport.reply(.forward(ForwardReply(id: id, result: result)), from: peer)
    }

    static func output(_ number: UInt8) -> Result<[UInt8], RaftError> { .success([number, 0, 0, 0, 0, 0, 0, 0]) }

    /// One caller's write, and what it was told.
    final class Write: Sendable {
        private let told: Lock<[Result<UInt64, RaftError>]>
        let ticket: OutputTicket<UInt64>
        init() {
            let told = Lock<[Result<UInt64, RaftError>]>([])
            self.told = told
            ticket = OutputTicket { result in told.withLock { $0.append(result) } }
        }
        var results: [Result<UInt64, RaftError>] { told.withLock { $0 } }
        var error: RaftError? { if case .failure(let error)? = results.first { error } else { nil } }
    }
}

@Suite("The forward keeper")
struct ForwardKeeperTests {
    @Test("Writes go to the leader on one link, and each caller gets the answer to its own")
    func answers() {
        let stage = ForwardStage()
        let writes = (1...3).map { stage.forward($0, caller: ForwardedCaller(identity: "me", method: "put \($0)")) }
        let sent = stage.sent()
        #expect(stage.transport.links.map(\.peer) == [2])
        #expect(sent.map(\.payload.count) == [1, 2, 3] && Set(sent.map(\.id)).count == 3)
        #expect(sent.allSatisfy { $0.sender == 1 && $0.kind == .command && $0.onlyInTerm == 4 && $0.timeout == nil })
        #expect(sent.map(\.caller?.method) == ["put 1", "put 2", "put 3"])
        stage.answer(sent[1].id, ForwardStage.output(20))
        stage.answer(sent[0].id, .failure(RaftError(.notLeader, "ask", leader: LeaderHint(id: 3, address: "c"))))
        // An answer that comes twice, or to nothing.
        stage.answer(sent[1].id, ForwardStage.output(21))
        stage.answer(99, ForwardStage.output(22))
        #expect(writes[1].results == [.success(20)])
        #expect(writes[0].error?.code == .notLeader && writes[0].error?.leader?.id == 3)
        #expect(writes[2].results.isEmpty)
    }

    @Test("Another leader gets a link of its own; the one before is closed once everything on it is answered")
    func anotherLeader() {
        let stage = ForwardStage()
        let first = stage.forward()
        let id = stage.sent()[0].id
        let second = stage.forward(to: 3)
        #expect(stage.transport.links.map(\.peer) == [2, 3] && !stage.transport.links[0].isClosed)
        stage.answer(id, ForwardStage.output(1))
        #expect(first.results == [.success(1)] && stage.transport.links[0].isClosed)
        #expect(second.results.isEmpty)
        // Of one with nothing to wait for nothing is kept.
        stage.answer(stage.sent(to: 3)[0].id, ForwardStage.output(2), from: 3)
        stage.forward(to: 2)
        #expect(stage.transport.links[1].isClosed)
    }

    @Test("A leader whose address is not known is not asked: nothing happened")
    func noAddress() {
        let stage = ForwardStage()
        let write = stage.forward(to: 9)
        #expect(write.error?.code == .notLeader && write.error?.outcome == .nothingHappened)
        #expect(stage.transport.links.isEmpty)
    }

    @Test(
        "Too many, or too many bytes, wait: nothing happened, and the limit is named; who has given up takes no place")
    func limits() {
        let stage = ForwardStage {
            $0.maximumForwardedCalls = 3
            $0.maximumForwardedBytes = 10
        }
        let large = stage.forward(50)
        #expect(large.results.isEmpty, "a single one may be larger")
        let second = stage.forward(1)
        #expect(second.error?.code == .overloaded && second.error?.message.contains("maximumForwardedBytes") == true)
        stage.answer(stage.sent()[0].id, ForwardStage.output(1))
        let three = (0..<3).map { _ in stage.forward(1) }
        let fourth = stage.forward(1)
        #expect(fourth.error?.code == .overloaded && fourth.error?.outcome == .nothingHappened)
        #expect(fourth.error?.message.contains("3 (maximumForwardedCalls)") == true)
        three[0].ticket.fail(RaftError(.deadlineExceeded, "its time is over", outcome: .unknown))
        #expect(stage.forward(1).results.isEmpty)
    }

    @Test("The end of the node: unknown for what was sent, nothing for what was not")
    func end() {
        let stage = ForwardStage()
        let sent = stage.forward()
        stage.transport.setOpens(false)
        let unsent = stage.forward(to: 3)
        stage.keeper.assumeIsolated { $0.closeAll() }
        #expect(sent.error?.code == .outcomeUnknown && sent.error?.outcome == .unknown)
        #expect(unsent.error?.outcome == .nothingHappened)
        #expect(stage.transport.links.allSatisfy { $0.isClosed })
    }
}
