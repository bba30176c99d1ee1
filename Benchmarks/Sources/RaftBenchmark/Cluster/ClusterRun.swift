internal import Benchmarking
internal import Logging
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
        for _ in 0..<rounds {
            let cluster = try await MemoryCluster(loops)
            let calls = Calls(count: calls, batch: batch, command: Noted.Command(size: valueSize))
            // What is not measured: the first calls, in which the tables grow.
            _ = try await time(calls.few, of: cluster.leader, on: cluster.loop)
            let before = Program.processorTime()
            let time = try await time(calls, of: cluster.leader, on: cluster.loop)
            let spent = Program.processorTime() - before
            await cluster.stop()
            let count = Double(clients * calls.count * batch)
            rates.append(count / time.inSeconds)
            cpu.append(spent * 1e6 / count)

            let echo = Echo()
            let bareTime = try await self.time(calls, of: echo, on: echo.loop)
            echo.loop.stop()
            bare.append(Double(clients * calls.count) / bareTime.inSeconds)
        }
        return ClusterReport.Series(
            clients: clients, callers: callers, commandsPerSecond: median(rates), barePerSecond: median(bare),
            cpuMicrosecondsPerCommand: median(cpu))
    }

    /// How long it takes until so many clients have made their calls, each when it has the answer to the one before.
    private func time(_ calls: Calls, of callee: some Callee, on loop: any Loop) async throws -> Duration {
        let start = ContinuousClock.now
        switch callers {
        case .completion:
            await withUnsafeContinuation { continuation in
                let done = Countdown(clients) { continuation.resume() }
                for _ in 0..<clients { CompletionCaller(calls, of: callee, done).begin() }
            }
        case .node, .pool:
            let executor = callers == .node ? LoopTaskExecutor(loop) : nil
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<clients {
                    group.addTask(executorPreference: executor) {
                        for _ in 0..<calls.count { try await callee.answer(calls) }
                    }
                }
                try await group.waitForAll()
            }
        }
        return ContinuousClock.now - start
    }
}

private struct Calls: Sendable {
    var count: Int
    var batch: Int
    var command: Noted.Command

    var few: Calls {
        var few = self
        few.count = max(1, count / 20)
        return few
    }
}

private protocol Callee: Sendable {
    /// One call.
    func answer(_ calls: Calls) async throws
    func answer(_ calls: Calls, _ completion: @escaping @Sendable () -> Void)
}

extension RaftNode: Callee where Machine == Noted {
    func answer(_ calls: Calls) async throws {
        if calls.batch == 1 {
            try await propose(calls.command)
        } else {
            for result in await propose(all: [Noted.Command](repeating: calls.command, count: calls.batch)) {
                try result.get()
            }
        }
    }

    func answer(_ calls: Calls, _ completion: @escaping @Sendable () -> Void) {
        let count = Countdown(calls.batch, completion)
        for _ in 0..<calls.batch {
            propose(calls.command) { result in
                if case .failure(let error) = result { fatalError("a write failed: \(error)") }
                count.down()
            }
        }
    }
}

/// Calls again in the completion of the call before.
private final class CompletionCaller<Target: Callee>: Sendable {
    private let calls: Calls
    private let callee: Target
    private let done: Countdown
    private let remaining: Lock<Int>

    init(_ calls: Calls, of callee: Target, _ done: Countdown) {
        self.calls = calls
        self.callee = callee
        self.done = done
        remaining = Lock(calls.count)
    }

    func begin() {
        callee.answer(calls) { [self] in
            let isLast = remaining.withLock { remaining in
                remaining -= 1
                return remaining == 0
            }
            if isLast { done.down() } else { begin() }
        }
    }
}

private final class Countdown: Sendable {
    private let count: Lock<Int>
    private let atZero: @Sendable () -> Void

    init(_ count: Int, _ atZero: @escaping @Sendable () -> Void) {
        self.count = Lock(count)
        self.atZero = atZero
    }

    func down() {
        let isOver = count.withLock { count in
            count -= 1
            return count == 0
        }
        if isOver { atZero() }
    }
}

/// Three nodes, one of which leads.
private struct MemoryCluster {
    let leader: RaftNode<Noted>
    /// The leader's.
    let loop: any Loop
    private let nodes: [RaftNode<Noted>]
    private let shared: ThreadLoop?

    init(_ loops: Loops) async throws {
        let network = LocalNetwork()
        let shared = loops == .one ? ThreadLoop(name: "cluster") : nil
        self.shared = shared
        let members = try ClusterConfiguration(voters: [1, 2, 3].map { .init(id: $0, address: "local:\($0)") })
        var nodes: [RaftNode<Noted>] = []
        var used: [NodeID: any Loop] = [:]
        // Of each node that starts, leads and stops there is nothing to say.
        var logger = Logger(label: "raft")
        logger.logLevel = .error
        for id in members.voters {
            let loops =
                shared.map { NodeLoops(loop: $0, disk: $0, apply: $0, reads: $0) } ?? .threads(name: "node\(id)")
            let node = try RaftNode(
                configuration: .init(id: id), machine: Noted(), store: MemoryLogStore(),
                transport: network.transport(for: id, on: loops.loop), loops: loops, bootstrap: members,
                logger: logger)
            try await node.start()
            nodes.append(node)
            used[id] = loops.loop
        }
        self.nodes = nodes
        let elected = try await nodes[0].untilLeader(within: .seconds(60))
        leader = nodes.first { $0.status.id == elected.id }!
        loop = used[elected.id]!
        try await leader.barrier()
    }

    func stop() async {
        for node in nodes { await node.stop() }
        shared?.stop()
    }
}

/// A machine that does nothing.
private struct Noted: StateMachine {
    struct Command: ReplicatedCommand {
        private let bytes: [UInt8]
        init(size: Int) { bytes = [UInt8](repeating: 7, count: size) }
        init(decoding bytes: ArraySlice<UInt8>) { self.bytes = [] }
        func encode(into bytes: inout [UInt8]) { bytes += self.bytes }
    }
    static var execution: StateMachineExecution { .inline }
    mutating func apply(_ command: Command, at id: LogID) {}
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
