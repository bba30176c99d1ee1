internal import Benchmarking
internal import Raft

/// One number of clients: rounds of the cluster and of its floor, in turns.
struct ClusterRun {
    let clients: Int
    /// Of each client.
    let calls: Int
    let batch: Int
    let valueSize: Int
    let callers: Callers
    let loops: Loops

    func series(rounds: Int) async throws -> ClusterReport.Series {
        var (rates, bare, cpu): ([Double], [Double], [Double]) = ([], [], [])
        let crowd = Crowd(clients: clients, callers: callers)
        for _ in 0..<rounds {
            let cluster = try await MemoryCluster(loops)
            let calls = Calls(count: calls, batch: batch, command: Noted.Command(size: valueSize))
            // What is not measured: the first calls, in which the tables grow.
            _ = try await crowd.time(calls.few, of: cluster.leader, on: cluster.loop)
            let before = Program.processorTime()
            let time = try await crowd.time(calls, of: cluster.leader, on: cluster.loop)
            let spent = Program.processorTime() - before
            await cluster.stop()
            let count = Double(clients * calls.count * batch)
            rates.append(count / time.inSeconds)
            cpu.append(spent * 1e6 / count)

            let echo = Echo()
            let bareTime = try await crowd.time(calls, of: echo, on: echo.loop)
            echo.loop.stop()
            bare.append(Double(clients * calls.count) / bareTime.inSeconds)
        }
        return ClusterReport.Series(
            clients: clients, callers: callers, commandsPerSecond: median(rates), barePerSecond: median(bare),
            cpuMicrosecondsPerCommand: median(cpu))
    }
}

/// Three nodes, one of which leads.
struct MemoryCluster {
    let leader: RaftNode<Noted>
    /// The leader's.
    let loop: any Loop
    private let nodes: [RaftNode<Noted>]
    private let shared: ThreadLoop?

    init(_ loops: Loops, timing: NodeTiming = .usual) async throws {
        let network = LocalNetwork()
        let shared = loops == .one ? ThreadLoop(name: "cluster") : nil
        self.shared = shared
        let members = try ClusterConfiguration(voters: [1, 2, 3].map { .init(id: $0, address: "local:\($0)") })
        var nodes: [RaftNode<Noted>] = []
        var used: [any Loop] = []
        for id in members.voters {
            let loops =
                shared.map { NodeLoops(loop: $0, disk: $0, apply: $0, reads: $0) } ?? .threads(name: "node\(id)")
            let node = try RaftNode(
                configuration: timing.configuration(id), machine: Noted(), store: MemoryLogStore(),
                transport: network.transport(for: id, on: loops.loop), loops: loops, bootstrap: members,
                logger: .errorsOnly)
            try await node.start()
            nodes.append(node)
            used.append(loops.loop)
        }
        self.nodes = nodes
        let place = try await placeOfLeader(among: nodes)
        leader = nodes[place]
        loop = used[place]
    }

    func stop() async {
        for node in nodes { await node.stop() }
        shared?.stop()
    }
}

/// Answers at once, on a loop of its own, as many as have asked.
private final class Echo: Activated, Callee {
    let loop = ThreadLoop(name: "echo")
    private struct State: Sendable {
        var waiting: [@Sendable () -> Void] = []
        var isPosted = false
    }
    private let state = Lock(State())

    func answer(_ calls: Calls) async {
        await withUnsafeContinuation { continuation in answer(calls) { continuation.resume() } }
    }

    func answer(_ calls: Calls, _ completion: @escaping @Sendable () -> Void) {
        let posts = state.withLock { state in
            state.waiting.append(completion)
            defer { state.isPosted = true }
            return !state.isPosted
        }
        if posts { loop.post(self) }
    }

    func activate() {
        let waiting = state.withLock { state in
            defer { state = State() }
            return state.waiting
        }
        for completion in waiting { completion() }
    }
}
