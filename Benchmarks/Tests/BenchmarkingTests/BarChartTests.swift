import Testing

@testable import Benchmarking

@Suite("Bars in a picture")
struct BarChartTests {
    @Test(
        "The axis ends at the next round number",
        arguments: [(0, 1), (0.07, 0.1), (1, 1), (1.1, 2), (2.5, 5), (70, 100), (350_000, 500_000)]
            as [(Double, Double)])
    func scale(value: Double, expected: Double) {
        #expect(abs(BarChart.scale(value) - expected) < expected / 1e6)
    }

    @Test("Values have few digits")
    func short() {
        #expect(
            [0.071, 4, 9876, 12_345, 350_000, 1_234_567].map(BarChart.short) == [
                "0.071", "4", "9876", "12.3k", "350k", "1.23M",
            ])
    }

    @Test("Each value is a bar as high as its share of the axis; what is not there is none; words are escaped")
    func bars() {
        let chart = BarChart(
            "p99 <all>", unit: "ms", series: ["a", "b & c"],
            groups: [.init("one", [50, 100]), .init("two", [nil, .infinity]), .init("three", [0, 25])])
        let lines = chart.svg.split(separator: "\n")
        let heights = lines.filter { $0.contains("font-size=\"10\"") }.compactMap { line in
            line.split(separator: "\"").enumerated().first { $1.hasSuffix("height=") }.map {
                line.split(separator: "\"")[$0.0 + 1]
            }
        }
        #expect(heights == ["110.0", "220.0", "0.0", "55.0"])
        #expect(chart.svg.contains("p99 &lt;all&gt;, ms") && chart.svg.contains("b &amp; c"))
        #expect(chart.svg.hasPrefix("<svg ") && chart.svg.hasSuffix("</svg>\n"))
    }
}
