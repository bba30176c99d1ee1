internal import Raft

/// Where a task's cancellation meets the call that it is about, whichever comes first.
final class CancellationSlot: Sendable {
    private struct State {
        var call: ClientCall?
        var isCancelled = false
    }
    private let state = Lock(State())
    private let outbox: Outbox

    init(_ outbox: Outbox) { self.outbox = outbox }

    func fill(_ call: ClientCall) {
        let isCancelled = state.withLock { state in
            state.call = call
            return state.isCancelled
        }
        if isCancelled { outbox.post(.abandon(call)) }
    }

    func cancel() {
        let call = state.withLock { state in
            state.isCancelled = true
            return state.call
        }
        if let call { outbox.post(.abandon(call)) }
    }
}
