import Logging
import Testing

@testable import Raft

extension Logger {
    static var silent: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        logger.handler = SwiftLogNoOpLogHandler()
        return logger
    }
}

@Suite("A node for as long as it is needed", .timeLimit(.minutes(1)))
struct RaftNodeLifecycleTests {
    private func single(_ store: FailingStore) throws -> RaftNode<Counter> {
        let loops = NodeLoops.threads(name: "node")
        return try RaftNode(
            configuration: LocalCluster.configuration(1), machine: Counter(), store: store,
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: LocalCluster.members([1]), logger: .silent)
    }

    private struct Own: Error {}

    @Test("It runs while the body does, gives back its value, and is closed then")
    func value() async throws {
        let node = try single(FailingStore())
        let total = try await withRaftNode(node) { node in
            try await node.untilLeader()
            return try await node.propose(.init(5))
        }
        #expect(total == 5 && node.status.role == .stopped && node.status.stopReason == nil)
        // An optional's nil is a value as well.
        let nothing: Int? = try await withRaftNode(try single(FailingStore())) { _ in nil }
        #expect(nothing == nil)
    }

    @Test("What the body throws is thrown once the node is closed")
    func bodyThrows() async throws {
        let node = try single(FailingStore())
        await #expect(throws: Own.self) { try await withRaftNode(node) { _ in throw Own() } }
        #expect(node.status.role == .stopped)
    }

    @Test("A node that stops by itself cancels the body, and its reason is thrown")
    func failing() async throws {
        let store = FailingStore()
        let error = await #expect(throws: RaftError.self) {
            try await withRaftNode(try single(store)) { node in
                try await node.untilLeader()
                store.fail()
                _ = try? await node.propose(.init(1))
                try await Task.sleep(for: .seconds(3600))
            }
        }
        #expect(error?.code == .storage)
    }

    @Test("A node that cannot start says why, and the body is not called")
    func broken() async throws {
        let store = FailingStore()
        store.fail()
        let node = try single(store)
        let error = await #expect(throws: RaftError.self) {
            try await withRaftNode(node) { _ in Issue.record("the body was called") }
        }
        #expect(error?.code == .storage)
        let again = await #expect(throws: RaftError.self) { try await node.run() }
        #expect(again?.code == .stopped)
    }

    @Test("A body that goes on after somebody has stopped the node ends as it wants to")
    func stoppedInside() async throws {
        let value = try await withRaftNode(try single(FailingStore())) { node in
            await node.stop()
            return 7
        }
        #expect(value == 7)
    }

    @Test("Cancelling whoever waits for the body cancels the body, and the node is closed")
    func cancelled() async throws {
        let node = try single(FailingStore())
        let running = Task {
            try await withRaftNode(node) { _ in try await Task.sleep(for: .seconds(3600)) }
        }
        try await node.until { $0.role == .leader }
        running.cancel()
        await #expect(throws: CancellationError.self) { try await running.value }
        #expect(node.status.role == .stopped && node.status.stopReason == nil)
    }

    @Test("As a service it runs until it is asked to end or is cancelled, and throws why it ended by itself")
    func service() async throws {
        let (asked, dropped, failingStore) = (try single(FailingStore()), try single(FailingStore()), FailingStore())
        let ending = Task { try await asked.run() }
        try await asked.untilLeader()
        asked.beginGracefulShutdown()
        try await ending.value
        let cancelled = Task { try await dropped.run() }
        try await dropped.untilLeader()
        cancelled.cancel()
        try await cancelled.value
        let failing = try single(failingStore)
        let failed = Task { try await failing.run() }
        try await failing.untilLeader()
        failingStore.fail()
        _ = try? await failing.propose(.init(1))
        let error = await #expect(throws: RaftError.self) { try await failed.value }
        #expect(error?.code == .storage)
        for node in [asked, dropped, failing] { #expect(node.status.role == .stopped) }
    }
}
