internal import Raft

/// The bytes that wait to be written to all accepted connections of a listener, peers' not counted: a thousand slow
/// readers, each within its own limit, must not take the memory of all.
final class QueueBudget: Sendable {
    private struct State {
        var bytes = 0
        /// How many connections have bytes waiting.
        var holders = 0
    }

    private let maximumBytes: Int
    private let state = Lock(State())

    init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    /// Notes how many bytes wait for one connection now.
    ///
    /// - Returns: false when there are too many in all, and this connection's have grown to more than its share: who
    ///   reads what it is sent has less waiting than those who do not.
    func change(from old: Int, to new: Int) -> Bool {
        state.withLock { state in
            state.bytes += new - old
            if old == 0, new > 0 { state.holders += 1 }
            if old > 0, new == 0 { state.holders -= 1 }
            guard state.bytes > maximumBytes, new > old else { return true }
            return new < state.bytes / max(1, state.holders)
        }
    }

    var bytes: Int { state.withLock { $0.bytes } }
}
