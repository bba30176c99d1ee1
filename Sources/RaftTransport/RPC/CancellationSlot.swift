internal import Raft

/// Where a task's cancellation meets what it is about, whichever comes first.
final class CancellationSlot<Target: AnyObject & Sendable>: Sendable {
    private struct State {
        var target: Target?
        var isCancelled = false
    }
    private let state = Lock(State())
    private let act: @Sendable (Target) -> Void

    /// - Parameter act: what cancelling means; done at most once.
    init(_ act: @escaping @Sendable (Target) -> Void) { self.act = act }

    func fill(_ target: Target) {
        let isCancelled = state.withLock { state in
            state.target = target
            return state.isCancelled
        }
        if isCancelled { act(target) }
    }

    func cancel() {
        let target = state.withLock { state in
            state.isCancelled = true
            return state.target
        }
        if let target { act(target) }
    }
}
