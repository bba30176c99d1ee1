internal import Benchmarking
internal import Raft

/// Clients that each have one call under way.
struct Crowd {
    let clients: Int
    let callers: Callers

    /// How long it takes until so many clients have made their calls, each when it has the answer to the one before.
    func time(_ calls: Calls, of callee: some Callee, on loop: any Loop) async throws -> Duration {
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

/// What each client of a crowd does.
struct Calls: Sendable {
    var count: Int
    var batch = 1
    var command = Noted.Command(size: 0)
    /// Linearizable reads instead of writes.
    var reads = false

    var few: Calls {
        var few = self
        few.count = max(1, count / 20)
        return few
    }
}

protocol Callee: Sendable {
    /// One call.
    func answer(_ calls: Calls) async throws
    func answer(_ calls: Calls, _ completion: @escaping @Sendable () -> Void)
}

extension RaftNode: Callee where Machine == Noted {
    func answer(_ calls: Calls) async throws {
        if calls.reads {
            try await read { _ in }
        } else if calls.batch == 1 {
            try await propose(calls.command)
        } else {
            for result in await propose(all: [Noted.Command](repeating: calls.command, count: calls.batch)) {
                try result.get()
            }
        }
    }

    func answer(_ calls: Calls, _ completion: @escaping @Sendable () -> Void) {
        if calls.reads {
            return read { _ in
            } completion: { result in
                if case .failure(let error) = result { fatalError("a read failed: \(error)") }
                completion()
            }
        }
        if calls.batch == 1 {
            return propose(calls.command) { result in
                if case .failure(let error) = result { fatalError("a write failed: \(error)") }
                completion()
            }
        }
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
