/// A run as a picture, SVG: above, calls a second over time, and where calls failed; below, how long they took, each line
/// of a scale ten times the one beneath it.
struct BenchPlot {
    let title: String
    let timeline: BenchTimeline
    /// How long the run was.
    let elapsed: Duration

    private static let shares: [(name: String, share: Double, colour: String)] = [
        ("p50", 0.5, "#1f6feb"), ("p99", 0.99, "#d97706"), ("max", 1, "#9333ea"),
    ]
    private static let failedColour = "#dc2626"
    private static let (left, width, height) = (70.0, 700.0, 160.0)
    private static let (rateTop, latencyTop) = (50.0, 270.0)

    var svg: String {
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 480" font-family="sans-serif" font-size="12">"#,
            #"<rect width="100%" height="100%" fill="white"/>"#,
            text(Self.left, 20, title, size: 14),
        ]
        lines += rates + latencies
        for part in 0...4 {
            let seconds = length * Double(part) / 4
            lines.append(text(x(seconds), 450, "\(BenchReport.number(seconds)) s", anchor: "middle"))
        }
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private var rates: [String] {
        // The last span is not whole, as a rule: the run ends within it.
        let values = timeline.spans.enumerated().map { place, span in
            Double(span.latencies.count) / max(min(spanLength, length - Double(place) * spanLength), spanLength / 20)
        }
        let highest = Self.roundedUp(values.max() ?? 0)
        func y(_ value: Double) -> Double { Self.rateTop + Self.height * (1 - value / highest) }
        var lines = [text(Self.left, Self.rateTop - 8, "calls a second")]
        for part in 0...4 {
            let value = highest * Double(part) / 4
            lines += rule(at: y(value), BenchReport.number(value))
        }
        lines.append(line(zip(middles, values).map { ($0, y(min($1, highest))) }, "#15803d"))
        var hasFailures = false
        for (middle, span) in zip(middles, timeline.spans) where span.failedCount > 0 {
            hasFailures = true
            lines.append(
                #"<rect x="\#(shown(middle - 1))" y="\#(shown(Self.rateTop + Self.height - 6))" width="3" height="6" fill="\#(Self.failedColour)"><title>\#(span.failedCount) failed</title></rect>"#
            )
        }
        if hasFailures {
            lines.append(text(Self.left + 120, Self.rateTop - 8, "calls failed", colour: Self.failedColour))
        }
        return lines
    }

    private var latencies: [String] {
        let all = timeline.spans.flatMap { span -> [UInt64] in
            span.latencies.percentile(0.5).map { [$0, span.latencies.maximum] } ?? []
        }
        let least = Self.powerOfTen(below: max(all.min() ?? 1000, 1))
        var highest = least * 10
        while highest < all.max() ?? 0 { highest *= 10 }
        let decades = Self.decades(from: least, to: highest)
        func y(_ nanoseconds: UInt64) -> Double {
            Self.latencyTop + Self.height * (1 - Self.decades(from: least, to: max(nanoseconds, least)) / decades)
        }
        var lines = [text(Self.left, Self.latencyTop - 8, "latency")]
        var mark = least
        while mark <= highest {
            lines += rule(at: y(mark), BenchReport.shown(mark))
            mark *= 10
        }
        for (place, share) in Self.shares.enumerated() {
            let points = zip(middles, timeline.spans).compactMap { middle, span in
                span.latencies.percentile(share.share).map { (middle, y($0)) }
            }
            lines.append(line(points, share.colour))
            lines.append(
                text(Self.left + 120 + Double(place) * 60, Self.latencyTop - 8, share.name, colour: share.colour))
        }
        return lines
    }

    // MARK: Places

    /// Seconds.
    private var spanLength: Double { Double(timeline.spanNanoseconds) / 1e9 }
    private var length: Double {
        max(Double(elapsed.nanoseconds) / 1e9, Double(timeline.spans.count - 1) * spanLength, 0.001)
    }
    private func x(_ seconds: Double) -> Double { Self.left + Self.width * min(seconds / length, 1) }
    private var middles: [Double] { timeline.spans.indices.map { x((Double($0) + 0.5) * spanLength) } }

    /// The least of 1, 2, 5 times a power of ten that is not below `value`; 1 for nothing.
    static func roundedUp(_ value: Double) -> Double {
        guard value > 0, value.isFinite else { return 1 }
        // What the division of times leaves is no reason for the next step.
        let value = value * (1 - 1e-9)
        var power = 1.0
        while power < value { power *= 10 }
        while power / 10 >= value { power /= 10 }
        return [power / 5, power / 2].first { $0 >= value } ?? power
    }

    private static func powerOfTen(below value: UInt64) -> UInt64 {
        var power: UInt64 = 1
        while value / power >= 10 { power *= 10 }
        return power
    }

    /// How many times ten one is the other; between powers of ten, a straight line.
    private static func decades(from least: UInt64, to value: UInt64) -> Double {
        var (low, count) = (Double(least), 0.0)
        while low * 10 <= Double(value) {
            low *= 10
            count += 1
        }
        return count + (Double(value) / low - 1) / 9
    }

    // MARK: Pieces of SVG

    private func rule(at y: Double, _ label: String) -> [String] {
        [
            #"<path d="M\#(shown(Self.left)) \#(shown(y))h\#(shown(Self.width))" stroke="lightgrey"/>"#,
            text(Self.left - 6, y + 4, label, anchor: "end"),
        ]
    }

    private func line(_ points: [(x: Double, y: Double)], _ colour: String) -> String {
        let path = points.map { "\(shown($0.x)),\(shown($0.y))" }.joined(separator: " ")
        return #"<polyline points="\#(path)" fill="none" stroke="\#(colour)" stroke-width="1.5"/>"#
    }

    private func text(
        _ x: Double, _ y: Double, _ text: String, size: Int = 12, anchor: String = "start", colour: String = "black"
    ) -> String {
        let safe = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
        return
            #"<text x="\#(shown(x))" y="\#(shown(y))" font-size="\#(size)" text-anchor="\#(anchor)" fill="\#(colour)">\#(safe)</text>"#
    }

    private func shown(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(abs(tenths % 10))"
    }
}
