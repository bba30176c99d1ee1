import Testing

@testable import Raft

@Suite("Tasks on a loop")
struct LoopTaskExecutorTests {
    @Test("They run on the loop's thread, also after a wait, in the order in which they came")
    func order() async {
        let (loop, other) = (ThreadLoop(name: "test"), ThreadLoop(name: "other"))
        let executor = LoopTaskExecutor(loop)
        let seen = Lock<[Int]>([])
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<100 {
                group.addTask(executorPreference: executor) {
                    loop.checkIsolated()
                    seen.withLock { $0.append(number) }
                    await withUnsafeContinuation { continuation in other.post(Block { continuation.resume() }) }
                    loop.checkIsolated()
                }
            }
        }
        #expect(seen.withLock { $0 } == Array(0..<100))
        loop.stop()
        other.stop()
    }

    @Test("A node's own runs those who call it much, and answers them there")
    func node() async throws {
        let loops = NodeLoops.threads()
        let node = try RaftNode(
            configuration: .init(id: 1), machine: Tally(), store: MemoryLogStore(),
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: ClusterConfiguration(voters: [.init(id: 1, address: "local:1")]))
        try await node.start()
        _ = try await node.untilLeader(within: .seconds(60))
        let total = try await Task(executorPreference: node.taskExecutor) {
            for _ in 0..<9 { _ = try await node.propose(.init()) }
            let total = try await node.propose(.init())
            loops.loop.checkIsolated()
            return total
        }.value
        #expect(total == 10)
        await node.stop()
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
