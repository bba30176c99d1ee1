import Testing

@testable import Raft

@Suite("Waiting that can be cancelled")
struct CancellationTests {
    /// Who calls from a loop's thread, as an actor of an application may.
    private actor Caller {
        nonisolated let loop: ThreadLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
        init(_ loop: ThreadLoop) { self.loop = loop }

        /// Where the steps of a wait ran: true for the caller's thread.
        func steps(wakeFrom other: ThreadLoop) async -> [Bool] {
            var steps = [loop.isIsolatingCurrentContext()!]
            let inside = await withCancellation {
                let before = loop.isIsolatingCurrentContext()!
                await withUnsafeContinuation { continuation in other.post(Block { continuation.resume() }) }
                return [before, loop.isIsolatingCurrentContext()!]
            } onCancel: {
            }
            steps += inside
            steps.append(loop.isIsolatingCurrentContext()!)
            return steps
        }

        func propose(to node: RaftNode<Tally>) async throws -> (total: Int, isHere: Bool) {
            let total = try await node.propose(.init())
            return (total, loop.isIsolatingCurrentContext()!)
        }
    }

    @Test("It never leaves the caller's executor, whoever wakes it")
    func executor() async {
        let (loop, other) = (ThreadLoop(name: "caller"), ThreadLoop(name: "other"))
        #expect(await Caller(loop).steps(wakeFrom: other) == [true, true, true, true])
        loop.stop()
        other.stop()
    }

    @Test("A cancelled task is told at once, one that is cancelled already, too")
    func cancelled() async {
        for isEarly in [true, false] {
            let told = Lock<UnsafeContinuation<String, Never>?>(nil)
            let begun = Lock(false)
            let task = Task {
                if isEarly { while !Task.isCancelled { await Task.yield() } }
                return await withCancellation {
                    await withUnsafeContinuation { continuation in
                        told.withLock { $0 = continuation }
                        begun.withLock { $0 = true }
                        if isEarly { continuation.resume(returning: "told") }
                    }
                } onCancel: {
                    told.withLock { $0 }?.resume(returning: "told")
                }
            }
            if !isEarly { while !begun.withLock({ $0 }) { await Task.yield() } }
            task.cancel()
            #expect(await task.value == "told")
        }
    }

    @Test("An actor on the node's own loop proposes there, and has its answer there")
    func node() async throws {
        let loops = NodeLoops.threads()
        let loop = ThreadLoop(name: "caller")
        let node = try RaftNode(
            configuration: .init(id: 1), machine: Tally(), store: MemoryLogStore(),
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: ClusterConfiguration(voters: [.init(id: 1, address: "local:1")]))
        try await node.start()
        _ = try await node.untilLeader(within: .seconds(60))
        let caller = Caller(loop)
        for expected in 1...3 {
            let (total, isHere) = try await caller.propose(to: node)
            #expect(total == expected)
            #expect(isHere)
        }
        await node.stop()
        loop.stop()
    }
}

private struct Tally: StateMachine {
    struct Add: ReplicatedCommand {
        init() {}
        init(decoding bytes: ArraySlice<UInt8>) {}
        func encode(into bytes: inout [UInt8]) {}
    }
    private var total = 0
    mutating func apply(_ command: Add, at id: LogID) -> Int {
        total += 1
        return total
    }
}
