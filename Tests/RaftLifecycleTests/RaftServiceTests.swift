import Logging
import Raft
import RaftLifecycle
import ServiceLifecycle
import Testing

@Suite("A node among other services", .timeLimit(.minutes(1)))
struct RaftServiceTests {
    private struct Counter: StateMachine {
        struct Add: ReplicatedCommand {
            func encode(into bytes: inout [UInt8]) {}
            init() {}
            init(decoding bytes: ArraySlice<UInt8>) {}
        }
        var total = 0
        mutating func apply(_ command: Add, at id: LogID) -> Int {
            total += 1
            return total
        }
    }

    private let logger: Logger = {
        var logger = Logger(label: "test")
        logger.handler = SwiftLogNoOpLogHandler()
        return logger
    }()

    private func node(bootstrap: NodeID = 1) throws -> RaftNode<Counter> {
        let loops = NodeLoops.threads(name: "service")
        var configuration = Configuration(id: 1)
        configuration.electionTimeout = .milliseconds(150)...(.milliseconds(300))
        configuration.heartbeatInterval = .milliseconds(30)
        return try RaftNode(
            configuration: configuration, machine: Counter(), store: MemoryLogStore(),
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: ClusterConfiguration(voters: [.init(id: bootstrap, address: "local:1")]), logger: logger)
    }

    @Test("It serves until the group shuts down, and is closed then")
    func serves() async throws {
        let node = try node()
        let group = ServiceGroup(services: [RaftService(node)], logger: logger)
        let running = Task { try await group.run() }
        try await node.untilLeader()
        #expect(try await node.propose(.init()) == 1)
        await group.triggerGracefulShutdown()
        try await running.value
        #expect(node.status.role == .stopped && node.status.stopReason == nil)
    }

    @Test("One that cannot start ends the group with its reason")
    func broken() async throws {
        let node = try node(bootstrap: 9)
        let error = await #expect(throws: RaftError.self) {
            try await ServiceGroup(services: [RaftService(node)], logger: logger).run()
        }
        #expect(error?.code == .invalidConfiguration)
    }
}
