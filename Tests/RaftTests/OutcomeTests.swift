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
}
