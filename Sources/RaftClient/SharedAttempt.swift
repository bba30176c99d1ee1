internal import Raft

/// Something that is made once for all who ask for it meanwhile, and that each of them waits for no longer than they may.
///
/// Awaiting a task would do for one that waits as long as the task takes. Here callers have deadlines of their own, and
/// the one that came first need not have the earliest.
final class SharedAttempt<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var nextWaiter = 0
        var waiting: [Int: CheckedContinuation<Value?, Never>] = [:]
        /// Those whose time was over before they had begun to wait.
        var late: Set<Int> = []
    }
    private let state = Lock(State())
    /// Where its own tasks run; nil for wherever there is room.
    private let executor: (any TaskExecutor)?

    init(on executor: (any TaskExecutor)? = nil) { self.executor = executor }

    /// Begins, in a task of its own: it serves every caller, and outlives the one that began it.
    func begin(_ body: @escaping @Sendable () async -> Value) {
        Task(executorPreference: executor) { self.end(await body()) }
    }

    private func end(_ value: Value) {
        // In the order in which they asked.
        let waiting = state.withLock { state in
            state.value = value
            defer { state.waiting = [:] }
            return state.waiting.sorted { $0.key < $1.key }
        }
        for (_, waiter) in waiting { waiter.resume(returning: value) }
    }

    /// What came of it, however long that takes.
    func value() async -> Value {
        while true {
            // Nobody gives this one up.
            if let value = await wait(as: nil) { return value }
        }
    }

    /// What came of it; nil when that takes longer than `limit`, or the caller's task is cancelled.
    func value(within limit: Duration, on clock: any ClientClock) async -> Value? {
        let waiter = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let timer = Task(executorPreference: executor) {
            try? await clock.waitOut(limit)
            self.giveUp(waiter)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await wait(as: waiter)
        } onCancel: {
            giveUp(waiter)
        }
    }

    private func wait(as waiter: Int?) async -> Value? {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.value != nil { return true }
                if let waiter, state.late.remove(waiter) != nil { return true }
                if waiter == nil { state.nextWaiter += 1 }
                state.waiting[waiter ?? state.nextWaiter] = continuation
                return false
            }
            if isOver { continuation.resume(returning: state.withLock { $0.value }) }
        }
    }

    private func giveUp(_ waiter: Int) {
        let continuation = state.withLock { state -> CheckedContinuation<Value?, Never>? in
            if let continuation = state.waiting.removeValue(forKey: waiter) { return continuation }
            state.late.insert(waiter)
            return nil
        }
        continuation?.resume(returning: nil)
    }
}
