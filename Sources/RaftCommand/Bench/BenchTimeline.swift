/// What a run did when, as spans of one length: for a picture. An hour's run has no more of them than a minute's, since
/// spans are joined, two and two, when there are too many.
struct BenchTimeline: Sendable {
    struct Span: Hashable, Sendable {
        /// Of the calls that were answered within the span.
        var latencies = LatencyHistogram()
        var failedCount = 0

        mutating func add(_ other: Span) {
            latencies.add(other.latencies)
            failedCount += other.failedCount
        }
    }

    static let capacity = 240

    private(set) var spanNanoseconds: Int64 = 50_000_000
    private(set) var spans: [Span] = []

    /// - Parameter nanoseconds: since the run began, until the call had its answer.
    mutating func done(at nanoseconds: Int64, latency: Duration) {
        withSpan(at: nanoseconds) { $0.latencies.record(latency.nanoseconds) }
    }

    mutating func failed(at nanoseconds: Int64) { withSpan(at: nanoseconds) { $0.failedCount += 1 } }

    private mutating func withSpan(at nanoseconds: Int64, _ body: (inout Span) -> Void) {
        let time = max(nanoseconds, 0)
        while time / spanNanoseconds >= Int64(Self.capacity) { join() }
        let place = Int(time / spanNanoseconds)
        if place >= spans.count { spans += Array(repeating: Span(), count: place + 1 - spans.count) }
        body(&spans[place])
    }

    private mutating func join() {
        spans = stride(from: 0, to: spans.count, by: 2).map { first in
            var span = spans[first]
            if first + 1 < spans.count { span.add(spans[first + 1]) }
            return span
        }
        spanNanoseconds *= 2
    }
}
