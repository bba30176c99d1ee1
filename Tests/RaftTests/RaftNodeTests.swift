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
            let loop = ThreadLoop(name: "node-\(id)")
            var logger = Logger(label: "test")
            logger.logLevel = .error
            let node = try RaftNode(
                configuration: Self.configuration(id), machine: Counter(), store: MemoryLogStore(),
                transport: network.transport(for: id, on: loop), loops: .with(loop, name: "node-\(id)"),
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
}
