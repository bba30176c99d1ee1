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
        /// Why the segment that is needed next could not be made: no room.
        var shortage: RaftError?
    }

    private typealias Create = @Sendable (_ number: UInt64) throws(RaftError) -> Segment

    private let state: Lock<State>
    /// Held while a segment is made, which takes as long as many writes: whoever needs that segment waits for it here.
    /// `state` is never held meanwhile, since every write looks at it.
    private let making = Lock(())
    private let loop: (any Loop)?
    private let create: Create

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
        making.withLock { _ in
            let number = state.withLock { state in
                defer { state.wanted = 0 }
                return state.isClosed || !state.ready.isEmpty ? 0 : state.wanted
            }
            // A failure here is not lost: whoever needs the segment tries again and gets the error.
            guard number > 0, let segment = try? make(number) else { return }
            state.withLock { $0.ready.append(segment) }
        }
    }

    /// Makes a segment, and notes whether it was only room that was missing.
    private func make(_ number: UInt64) throws(RaftError) -> Segment {
        do throws(RaftError) {
            let segment = try create(number)
            state.withLock { $0.shortage = nil }
            return segment
        } catch {
            state.withLock { $0.shortage = error.code == .outOfSpace ? error : nil }
            throw error
        }
    }

    /// Why there is no segment ahead, and cannot be; nil while there is, or as long as nobody knows.
    var shortage: RaftError? { state.withLock { $0.shortage } }

    /// Segment `number`: the one made ahead, after waiting for it if it is under way, or a new one.
    func take(_ number: UInt64) throws(RaftError) -> Segment {
        try making.withLock { _ throws(RaftError) in
            let ready = state.withLock { state -> Segment? in
                // What was asked for may not have begun yet, and would come too late now.
                state.wanted = 0
                return state.ready.first?.number == number ? state.ready.removeFirst() : nil
            }
            if let ready { return ready }
            return try make(number)
        }
    }

    func close() {
        making.withLock { _ in
            state.withLock { state in
                state.isClosed = true
                for segment in state.ready { segment.file.close() }
                state.ready = []
            }
        }
    }
}
