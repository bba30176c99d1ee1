import Testing

@testable import RaftCommand

@Suite("When a benchmark did what")
struct BenchTimelineTests {
    @Test("Each call belongs to the span of its answer, and each failure to its own")
    func spans() {
        var timeline = BenchTimeline()
        timeline.done(at: -1, latency: .milliseconds(1))
        timeline.done(at: 49_999_999, latency: .milliseconds(3))
        timeline.done(at: 50_000_000, latency: .milliseconds(5))
        timeline.failed(at: 170_000_000)
        #expect(timeline.spans.map(\.latencies.count) == [2, 1, 0, 0])
        #expect(timeline.spans.map(\.latencies.maximum) == [3_000_000, 5_000_000, 0, 0])
        #expect(timeline.spans.map(\.failedCount) == [0, 0, 0, 1])
    }

    @Test("However long the run, there are at most 240 spans, and no call is lost by joining them")
    func joined() {
        var timeline = BenchTimeline()
        let hour: Int64 = 3_600_000_000_000
        for call in 0..<7200 { timeline.done(at: hour / 7200 * Int64(call), latency: .milliseconds(1)) }
        timeline.failed(at: hour)
        #expect(timeline.spans.count <= BenchTimeline.capacity && timeline.spans.count > BenchTimeline.capacity / 2)
        #expect(timeline.spanNanoseconds == 25_600_000_000)
        #expect(timeline.spans.reduce(0) { $0 + $1.latencies.count } == 7200)
        #expect(timeline.spans.last?.failedCount == 1)
        // An even load stays even.
        #expect(Set(timeline.spans.dropLast().map(\.latencies.count)).isSubset(of: [51, 52]))
    }
}
