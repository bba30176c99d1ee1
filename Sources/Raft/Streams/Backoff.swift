/// How long to wait before trying again: doubled each time, up to a limit, with jitter so that nodes that lost each
/// other at one moment do not all come back at one moment.
struct Backoff: Sendable {
    private let minimum: Duration
    private let maximum: Duration
    private var next: Duration

    init(minimum: Duration, maximum: Duration) {
        self.minimum = minimum
        self.maximum = maximum
        next = minimum
    }

    /// The next pause: between half of the present step and all of it.
    mutating func pause(_ random: inout RandomSource) -> Duration {
        defer { next = min(next * 2, maximum) }
        return random.duration(in: (next / 2)...next)
    }

    /// It worked: begin from the first step again.
    mutating func reset() { next = minimum }
}
