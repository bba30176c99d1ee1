import Testing

@testable import RaftCommand

@Suite("The picture of a benchmark")
struct BenchPlotTests {
    private func plot(_ timeline: BenchTimeline, _ title: String = "put: 1 client, 10 keys") -> String {
        BenchPlot(title: title, timeline: timeline, elapsed: .milliseconds(200)).svg
    }

    @Test("It has a line for the rate and three for the latencies, with their scales, and marks failures")
    func lines() {
        var timeline = BenchTimeline()
        for span in 0..<4 {
            for call in 1...100 {
                timeline.done(at: Int64(span) * 50_000_000, latency: .microseconds(call == 100 ? 20_000 : 300))
            }
        }
        timeline.failed(at: 60_000_000)
        let svg = plot(timeline)
        #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
        #expect(svg.matches(of: /<polyline points="[0-9., ]+"/).count == 4)
        // 100 calls in 50 ms are 2000 a second, and that is the top of the scale.
        #expect(svg.contains(">2000</text>") && svg.contains(#"points="157.5,50.0 332.5,50.0 507.5,50.0 682.5,50.0""#))
        for label in ["100 µs", "1.00 ms", "10.0 ms", "100 ms", "p50", "p99", "max", "0.20 s"] {
            #expect(svg.contains(">\(label)</text>"), "\(label)")
        }
        #expect(svg.contains("<title>1 failed</title>"))
        #expect(!plot(BenchTimeline()).contains("failed"))
    }

    @Test("A run without a single answer is drawn, and a title cannot break out of its place")
    func nothing() {
        var timeline = BenchTimeline()
        #expect(plot(timeline).hasSuffix("</svg>\n"))
        timeline.failed(at: 0)
        let svg = plot(timeline, "<b> & co")
        #expect(svg.contains(">&lt;b&gt; &amp; co</text>") && svg.contains("<title>1 failed</title>"))
    }

    @Test(
        "A scale ends at 1, 2 or 5 times a power of ten",
        arguments: [
            (0, 1), (1, 1), (1.5, 2), (3, 5), (5.5, 10), (99, 100), (101, 200), (0.3, 0.5), (.infinity, 1),
        ] as [(Double, Double)])
    func scales(_ value: Double, _ top: Double) {
        #expect(abs(BenchPlot.roundedUp(value) - top) < 1e-9)
    }
}
