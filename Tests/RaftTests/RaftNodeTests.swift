import Logging
import Raft
import Testing

/// Real nodes on real threads, joined in memory.
struct LocalCluster {
    let network = LocalNetwork()
    var nodes: [NodeID: RaftNode<Counter>] = [:]

    static func configuration(_ id: NodeID) -> Configuration {
        var configuration = Configuration(id: id, cluster: "test")
        configuration.electionTimeout = .milliseconds(150)...(.milliseconds(300))
        configuration.heartbeatInterval = .milliseconds(30)
        return configuration
    }

    static func members(_ ids: [NodeID]) throws -> ClusterConfiguration {
        try ClusterConfiguration(voters: ids.map { .init(id: $0, address: "local:\($0)") })
    }

    init(_ ids: [NodeID]) async throws {
        let members = try Self.members(ids)
        for id in ids {
            let loops = NodeLoops.threads(name: "node-\(id)")
            var logger = Logger(label: "test")
            logger.logLevel = .error
            let node = try RaftNode(
                configuration: Self.configuration(id), machine: Counter(), store: MemoryLogStore(),
                transport: network.transport(for: id, on: loops.loop), loops: loops,
                bootstrap: members, logger: logger)
            try await node.start()
            nodes[id] = node
        }
    }

    /// Proposes until a leader takes it, wherever that is.
    func propose(_ amount: Int64) async throws -> Int64 {
        while true {
            for id in nodes.keys.sorted() {
                do {
                    return try await nodes[id]!.propose(.init(amount))
                } catch {
                    guard error.code == .notLeader else { throw error }
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        }
    }

    func stop() async {
        for id in nodes.keys.sorted() { await nodes[id]!.stop() }
    }
}

@Suite("A node, as a program sees it", .timeLimit(.minutes(1)))
struct RaftNodeTests {
    @Test("Three nodes in memory elect a leader, and every proposal is applied once and in order")
    func threeNodes() async throws {
        let cluster = try await LocalCluster([1, 2, 3])
        var total: Int64 = 0
        for amount in 1...50 {
            total += Int64(amount)
            #expect(try await cluster.propose(Int64(amount)) == total)
        }
        let leader = try #require(cluster.nodes.values.first { $0.status.role == .leader })
        let history = try await leader.read { $0.history }
        #expect(history == (1...50).map(Int64.init))
        await cluster.stop()
        #expect(cluster.nodes.values.allSatisfy { $0.status.role == .stopped && $0.status.stopReason == nil })
    }

    @Test("A single node elects itself, in a new term, and serves")
    func singleNode() async throws {
        let cluster = try await LocalCluster([1])
        #expect(try await cluster.propose(7) == 7)
        #expect(try await cluster.nodes[1]!.read { $0.total } == 7)
        #expect(cluster.nodes[1]!.status.currentTerm == 1)
        await cluster.stop()
    }

    @Test("A thousand concurrent proposals all succeed, and sum up")
    func concurrent() async throws {
        let cluster = try await LocalCluster([1, 2, 3])
        _ = try await cluster.propose(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<1000 { group.addTask { _ = try? await cluster.propose(1) } }
        }
        #expect(try await cluster.propose(0) == 1000)
        await cluster.stop()
    }

    @Test("Dropping the last reference to a node stops it, and closes its log")
    func dropping() async throws {
        let store = FailingStore()
        var node: RaftNode<Counter>? = try await single(store)
        _ = try await node!.propose(.init(1))
        node = nil
        await store.closed()
    }

    @Test(
        "A disk that fails stops the node for good; the status says why, and callers hear that the outcome is unknown")
    func failingDisk() async throws {
        let store = FailingStore()
        let node = try await single(store)
        _ = try await node.propose(.init(1))
        store.fail()
        let error = await #expect(throws: RaftError.self) { try await node.propose(.init(2)) }
        #expect(error?.outcome == .unknown)
        await store.closed()
        #expect(node.status.role == .stopped)
        #expect(node.status.stopReason?.code == .storage)
        let late = await #expect(throws: RaftError.self) { try await node.propose(.init(3)) }
        #expect(late?.code == .stopped)
        #expect(late?.outcome == .nothingHappened)
        await node.stop()
    }

    @Test("A node that cannot open its log does not start, and says why")
    func brokenStore() async throws {
        let store = FailingStore()
        store.fail()
        let error = await #expect(throws: RaftError.self) { _ = try await single(store) }
        #expect(error?.code == .storage)
    }

    @Test("A node can be stopped before it was started, and more than once")
    func stoppedEarly() async throws {
        let loops = NodeLoops.threads(name: "node")
        let node = try RaftNode(
            configuration: LocalCluster.configuration(1), machine: Counter(), store: FailingStore(),
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops, logger: quiet)
        await node.stop()
        await node.stop()
        let error = await #expect(throws: RaftError.self) { try await node.start() }
        #expect(error?.code == .stopped)
    }

    @Test("A pristine node is a learner that refuses to lead, until it is initialised; then it is so once")
    func initialize() async throws {
        let loops = NodeLoops.threads(name: "node")
        let node = try RaftNode(
            configuration: LocalCluster.configuration(1), machine: Counter(), store: MemoryLogStore(),
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops, logger: quiet)
        try await node.start()
        #expect(node.status.role == .learner)
        let early = await #expect(throws: RaftError.self) { try await node.propose(.init(1)) }
        #expect(early?.code == .notLeader)
        let others = try LocalCluster.members([2, 3])
        let stranger = await #expect(throws: RaftError.self) { try await node.initialize(others) }
        #expect(stranger?.code == .invalidConfiguration)
        let members = try LocalCluster.members([1])
        try await node.initialize(members)
        #expect(try await proposeWhenLeading(node, 4) == 4)
        let again = await #expect(throws: RaftError.self) { try await node.initialize(members) }
        #expect(again?.code == .alreadyInitialized)
        await node.stop()
    }

    @Test("A command above the limit is refused before anything happens")
    func tooLarge() async throws {
        let loops = NodeLoops.threads(name: "node")
        var configuration = LocalCluster.configuration(1)
        configuration.maximumCommandBytes = 4
        let node = try RaftNode(
            configuration: configuration, machine: Counter(), store: MemoryLogStore(),
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: LocalCluster.members([1]), logger: quiet)
        try await node.start()
        let error = await #expect(throws: RaftError.self) { try await node.propose(.init(1)) }
        #expect(error?.code == .tooLarge)
        #expect(error?.message == "a command of 8 bytes is above the limit of 4 (maximumCommandBytes)")
        await node.stop()
    }

    @Test("A leader passes its office on when asked, and a write goes through at the new one")
    func transfer() async throws {
        let cluster = try await LocalCluster([1, 2, 3])
        _ = try await cluster.propose(1)
        let leader = try #require(cluster.nodes.values.first { $0.status.role == .leader })
        let target = leader.status.id == 1 ? NodeID(2) : NodeID(1)
        try await leader.leadership.transfer(to: target)
        #expect(try await cluster.propose(1) == 2)
        #expect(leader.status.role != .leader)
        await cluster.stop()
    }

    private var quiet: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        logger.handler = SwiftLogNoOpLogHandler()
        return logger
    }

    private func single(_ store: FailingStore) async throws -> RaftNode<Counter> {
        let loops = NodeLoops.threads(name: "node")
        let node = try RaftNode(
            configuration: LocalCluster.configuration(1), machine: Counter(), store: store,
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: LocalCluster.members([1]), logger: quiet)
        try await node.start()
        while !store.isFailing, node.status.role != .leader { try await Task.sleep(for: .milliseconds(1)) }
        return node
    }

    private func proposeWhenLeading(_ node: RaftNode<Counter>, _ amount: Int64) async throws -> Int64 {
        while node.status.role != .leader { try await Task.sleep(for: .milliseconds(1)) }
        return try await node.propose(.init(amount))
    }
}

/// A log in memory that can be made to fail, and that says when it is closed.
final class FailingStore: LogStore {
    private let inner = MemoryLogStore()
    private let state = Lock<(isFailing: Bool, isClosed: Bool, waiting: [CheckedContinuation<Void, Never>])>(
        (false, false, []))

    var isFailing: Bool { state.withLock { $0.isFailing } }
    func fail() { state.withLock { $0.isFailing = true } }

    private func check() throws {
        if isFailing { throw RaftError(.storage, "the disk of this test has failed") }
    }
    func open() throws -> RecoveredLog {
        try check()
        return try inner.open()
    }
    func write(_ operations: [LogOperation]) throws {
        try check()
        try inner.write(operations)
    }
    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        try inner.read(from: first, through: last, maximumBytes: maximumBytes)
    }
    var shortage: RaftError? { nil }
    func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for one in waiting { one.resume() }
    }
    func closed() async {
        await withCheckedContinuation { continuation in
            let isClosed = state.withLock { state in
                if !state.isClosed { state.waiting.append(continuation) }
                return state.isClosed
            }
            if isClosed { continuation.resume() }
        }
    }
}
