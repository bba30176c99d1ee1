internal import Raft

/// Makes segments ahead of their use, on a loop of its own: filling 64 MiB with zeros takes longer than any write
/// should wait.
final class SegmentPreparer: Activated {
    private struct State {
        /// Complete and unused, in order.
        var ready: [Segment]
        /// The number that will be needed next, 0 while there is none: a segment that is in use must not be made again.
        var wanted: UInt64 = 0
        var isClosed = false
    }

    private let state: Lock<State>
    private let loop: (any Loop)?
    private let create: @Sendable (_ number: UInt64) throws(RaftError) -> Segment

    /// - Parameter loop: where segments are made ahead; nil makes each when it is needed.
    init(
        ready: [Segment], loop: (any Loop)?, create: @escaping @Sendable (_ number: UInt64) throws(RaftError) -> Segment
    ) {
        state = Lock(State(ready: ready))
        self.loop = loop
        self.create = create
    }

    /// Lets segment `number` be made in the background.
    func prepare(_ number: UInt64) {
        guard let loop else { return }
        state.withLock { $0.wanted = number }
        loop.post(self)
    }

    func activate() {
        state.withLock { state in
            guard !state.isClosed, state.ready.isEmpty, state.wanted > 0 else { return }
            // A failure here is not lost: whoever needs the segment tries again and gets the error.
            if let segment = try? create(state.wanted) { state.ready.append(segment) }
            state.wanted = 0
        }
    }

    /// Segment `number`: the one made ahead, after waiting for it if it is under way, or a new one.
    func take(_ number: UInt64) throws(RaftError) -> Segment {
        try state.withLock { state throws(RaftError) in
            // What was asked for may not have begun yet, and would come too late now.
            state.wanted = 0
            if state.ready.first?.number == number { return state.ready.removeFirst() }
            return try create(number)
        }
    }

    func close() {
        state.withLock { state in
            state.isClosed = true
            for segment in state.ready { segment.file.close() }
            state.ready = []
        }
    }
}
