import Logging
import Testing

@testable import Raft

/// For each way in which a call can end: what it says, and what has become of the command.
@Suite("Every end of a call says whether nothing happened or it is not known", .timeLimit(.minutes(1)))
struct OutcomeTests {
    private func error<Value>(_ body: () async throws -> Value) async -> RaftError? {
        await #expect(throws: RaftError.self) { _ = try await body() }
    }

    private func expect(_ error: RaftError?, _ code: RaftError.Code, _ outcome: RaftError.Outcome) {
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.outcome == outcome, "\(String(describing: error))")
        #expect(error?.message.isEmpty == false)
    }

    @Test("Its time is over: unknown, and indeed it may be applied afterwards; nothing, if it was over before")
    func deadline() async throws {
        let lone = try await LoneNode()
        lone.store.stall()
        expect(
            await error { try await lone.node.propose(.init(1), within: .milliseconds(20)) }, .deadlineExceeded,
            .unknown)
        expect(
            await error { try await lone.node.propose(.init(2), within: .zero) }, .deadlineExceeded, .nothingHappened)
        lone.store.goOn()
        #expect(try await lone.history() == [1])
        await lone.node.stop()
    }

    @Test("Its task is cancelled: unknown for a command, nothing for a read")
    func cancelled() async throws {
        let lone = try await LoneNode()
        lone.store.stall()
        let writing = Task { try await lone.node.propose(.init(1)) }
        let batch = Task { await lone.node.propose(all: [.init(2), .init(3)]) }
        // They are in the log before they are cancelled: whatever comes behind them is too much.
        try await lone.node.until { $0.last.index >= 5 }
        writing.cancel()
        batch.cancel()
        expect(await error { try await writing.value }, .cancelled, .unknown)
        for result in await batch.value { expect(await error { try result.get() }, .cancelled, .unknown) }
        let reading = Task { try await lone.node.read(.atLeast(1000)) { $0.total } }
        reading.cancel()
        expect(await error { try await reading.value }, .cancelled, .nothingHappened)
        lone.store.goOn()
        #expect(try await lone.history().sorted() == [1, 2, 3])
        await lone.node.stop()
    }

    @Test("Too much is not committed yet: nothing, and the one before it is applied")
    func uncommitted() async throws {
        let lone = try await LoneNode { $0.maximumUncommittedBytes = 60 }
        lone.store.stall()
        let results = Results()
        lone.node.propose(.init(1), completion: results.note(1))
        expect(await error { try await lone.node.propose(.init(2)) }, .overloaded, .nothingHappened)
        lone.store.goOn()
        try await lone.node.untilApplied(lone.node.status.last.index)
        #expect(try await lone.node.read { $0.history } == [1])
        await lone.node.stop()
    }

    @Test("Too many calls wait: nothing")
    func crowded() async throws {
        let lone = try await LoneNode(starts: false) { $0.maximumWaitingCalls = 2 }
        let results = Results()
        for number in 1...2 { lone.node.propose(.init(1), completion: results.note(number)) }
        expect(await error { try await lone.node.propose(.init(1)) }, .overloaded, .nothingHappened)
        await lone.node.stop()
        for number in 1...2 { expect(await error { try #require(results[number]).get() }, .stopped, .nothingHappened) }
    }

    @Test("The node does not lead, the command is too large, the disk is full: nothing")
    func refused() async throws {
        let learner = try await LoneNode(bootstraps: false)
        expect(await error { try await learner.node.propose(.init(1)) }, .notLeader, .nothingHappened)
        expect(await error { try await learner.node.read { $0.total } }, .notLeader, .nothingHappened)
        expect(
            await error { try await learner.node.read(.noOlderThan(.seconds(1))) { $0.total } }, .tooStale,
            .nothingHappened)
        expect(
            await error { try await learner.node.read(.atLeast(9), timeout: .milliseconds(5)) { $0.total } },
            .deadlineExceeded, .nothingHappened)
        await learner.node.stop()
        let small = try await LoneNode { $0.maximumCommandBytes = 7 }
        expect(await error { try await small.node.propose(.init(1)) }, .tooLarge, .nothingHappened)
        await small.node.stop()
        let full = try await LoneNode()
        full.store.fill()
        // The disk says so with the next write.
        _ = try await full.node.propose(.init(1))
        try await full.node.until { $0.logShortage != nil }
        expect(await error { try await full.node.propose(.init(2)) }, .outOfSpace, .nothingHappened)
        #expect(try await full.node.read { $0.history } == [1])
        await full.node.stop()
    }

    @Test("The node stops: unknown for what is in its log, nothing for what comes later")
    func stopped() async throws {
        let lone = try await LoneNode()
        lone.store.stall()
        let results = Results()
        lone.node.propose(.init(1), completion: results.note(1))
        try await lone.node.until { $0.last.index >= 3 }
        lone.node.beginGracefulShutdown()
        await #expect(throws: RaftError.self) { try await lone.node.until { _ in false } }
        expect(await error { try await lone.node.propose(.init(2)) }, .stopped, .nothingHappened)
        lone.store.goOn()
        await lone.node.stop()
        expect(await error { try #require(results[1]).get() }, .outcomeUnknown, .unknown)
    }

    @Test("The state machine fails: unknown, and the node stops with its reason")
    func machine() async throws {
        struct Failing: StateMachine {
            struct Failure: Error {}
            mutating func apply(_ command: Counter.Add, at id: LogID) throws { throw Failure() }
        }
        let loops = NodeLoops.threads(name: "failing")
        let node = try RaftNode(
            configuration: LocalCluster.configuration(1), machine: Failing(), store: MemoryLogStore(),
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: LocalCluster.members([1]), logger: .silent)
        try await node.start()
        try await node.untilLeader()
        expect(await error { try await node.propose(.init(1)) }, .outcomeUnknown, .unknown)
        await #expect(throws: RaftError.self) { try await node.until { _ in false } }
        #expect(node.status.stopReason?.code == .stateMachine)
        await node.stop()
    }

    @Test("A session's command: of expired and acknowledged ones it is not known, a repeated one gives the first reply")
    func sessions() async throws {
        let lone = try await LoneNode()
        let session = try await lone.node.sessions.register()
        let request = SessionRequest(session: session, sequence: 1, lowestUnanswered: 1)
        #expect(try await lone.node.propose(.init(5), in: request) == 5)
        #expect(try await lone.node.propose(.init(5), in: request) == 5)
        try await lone.node.sessions.keepAlive(session, lowestUnanswered: 2)
        expect(await error { try await lone.node.propose(.init(5), in: request) }, .replyDropped, .unknown)
        try await lone.node.sessions.close(session)
        expect(await error { try await lone.node.propose(.init(5), in: request) }, .sessionExpired, .unknown)
        #expect(try await lone.history() == [5])
        await lone.node.stop()
    }

    @Test("Leadership is lost among several: unknown for what is in the log, and whoever leads next may apply it")
    func leadershipLost() throws {
        let bench = try Bench()
        bench.start()
        bench.elect()
        let (caller, late) = (Caller(), Caller())
        bench.node?.propose(.init(1)) { caller.note($0) }
        bench.loop.run()
        #expect(caller.answerCount == 0)
        // Nobody answers it any more.
        for _ in 0..<30 { bench.loop.advance(.ms(100)) }
        expect(caller.error, .outcomeUnknown, .unknown)
        bench.node?.propose(.init(2)) { late.note($0) }
        bench.loop.run()
        expect(late.error, .notLeader, .nothingHappened)
        #expect(caller.answerCount == 1 && late.answerCount == 1)
    }

    @Test("Leadership is being passed on: nothing, and the hint names who is to lead")
    func transferring() throws {
        let bench = try Bench()
        bench.start()
        bench.elect()
        for _ in 0..<3 {
            bench.answer()
            bench.loop.advance(.ms(100))
        }
        let (transfer, caller) = (Caller(), Caller())
        bench.node?.leadership.transfer(to: 2) { transfer.note($0) }
        bench.node?.propose(.init(1)) { caller.note($0) }
        bench.loop.run()
        expect(caller.error, .notLeader, .nothingHappened)
        #expect(caller.error?.leader?.id == 2)
        #expect(transfer.answerCount == 0, "\(String(describing: transfer.error))")
    }

    @Test("The disk fails: unknown for what was on its way to it, nothing for what comes after the end")
    func storage() throws {
        let bench = try Bench(members: [1])
        bench.start()
        bench.loop.advance(.seconds(3))
        #expect(bench.node?.status.role == .leader)
        let (caller, late) = (Caller(), Caller())
        bench.store.failWrites()
        bench.node?.propose(.init(1)) { caller.note($0) }
        bench.loop.run()
        expect(caller.error, .outcomeUnknown, .unknown)
        #expect(bench.node?.status.stopReason?.code == .storage)
        bench.node?.propose(.init(2)) { late.note($0) }
        bench.loop.run()
        expect(late.error, .stopped, .nothingHappened)
    }

    @Test(
        "Passed on to the leader: unknown once it was sent and the link breaks, nothing before, and its own answer else"
    )
    func passedOn() throws {
        /// Node 1 follows node 2, which the test plays.
        func follower() throws -> (Bench, (Duration?) -> Caller) {
            let bench = try Bench()
            bench.start()
            bench.transport.receiver?.receive(
                .heartbeat(
                    HeartbeatRequest(
                        term: 1, leader: 2, stream: StreamID(rawValue: 3), round: 1, commit: 0, leaderCommit: 0)),
                reply: Path())
            bench.loop.run()
            #expect(bench.node?.status.leader?.id == 2)
            return (
                bench,
                { timeout in
                    let caller = Caller()
                    bench.node?.propose(.init(1), forwarding: .toLeader(), within: timeout) { caller.note($0) }
                    bench.loop.run()
                    return caller
                }
            )
        }
        func sent(_ bench: Bench) -> [ForwardRequest] {
            bench.transport.takeSent(to: 2).compactMap { if case .forward(let request) = $0 { request } else { nil } }
        }
        let (bench, propose) = try follower()
        let answered = propose(nil)
        let request = try #require(sent(bench).first)
        bench.transport.reply(
            .forward(ForwardReply(id: request.id, result: .failure(RaftError(.outOfSpace, "full")))), from: 2)
        expect(answered.error, .outOfSpace, .nothingHappened)
        let late = propose(.milliseconds(10))
        bench.loop.advance(.milliseconds(10))
        expect(late.error, .deadlineExceeded, .unknown)
        let lost = propose(nil)
        bench.transport.links.last { $0.peer == 2 }?.observer.linkClosed(LinkFailure("reset"))
        expect(lost.error, .outcomeUnknown, .unknown)
        bench.transport.setOpens(false)
        _ = sent(bench)
        let unsent = propose(nil)
        bench.transport.links.last { $0.peer == 2 }?.observer.linkClosed(LinkFailure("refused"))
        expect(unsent.error, .notLeader, .nothingHappened)
        #expect(sent(bench).isEmpty)
        let over = propose(.zero)
        expect(over.error, .deadlineExceeded, .nothingHappened)
    }
}
