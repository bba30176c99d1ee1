/// When to campaign if nobody leads: a new random moment each time it is reset (§5.2).
struct ElectionTimer: Sendable {
    private(set) var deadline: Instant?

    mutating func reset(now: Instant, range: ClosedRange<Duration>, random: inout RandomSource) {
        deadline = now + random.duration(in: range)
    }

    mutating func set(_ moment: Instant) { deadline = moment }

    mutating func stop() { deadline = nil }

    func isDue(_ now: Instant) -> Bool { deadline.map { now >= $0 } ?? false }
}

/// The earlier of two moments, of which each may never come.
func earliest(_ a: Instant?, _ b: Instant?) -> Instant? {
    guard let a, let b else { return a ?? b }
    return min(a, b)
}
