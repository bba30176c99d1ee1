import Testing

@testable import Benchmarking

@Suite("Times")
struct TimesTests {
    @Test("A percentile is the least time that its share of all did not exceed")
    func percentiles() {
        let times = Times((1...100).reversed().map { Int64($0) })
        #expect(times.percentile(0.5) == 50)
        #expect(times.percentile(0.99) == 99)
        #expect(times.percentile(0.991) == 100)
        #expect(times.percentile(1) == 100)
        #expect(times.percentile(0.001) == 1)
        #expect(Times([7]).percentile(0.5) == 7)
    }

    @Test("Without times there is no percentile")
    func none() {
        let times = Times([])
        #expect(times.percentile(0.5) == nil && times.maximum == nil && times.count == 0)
        #expect(times.summary == .init(count: 0))
    }

    @Test("A summary is in milliseconds")
    func summary() {
        let summary = Times([1_234_567, 9_000_000]).summary
        #expect(summary.count == 2)
        #expect(summary.p50Milliseconds == 1.235)
        #expect(summary.maximumMilliseconds == 9)
    }

    @Test("Numbers are shown with three digits that count")
    func numbers() {
        #expect(shown(0.0456) == "0.05")
        #expect(shown(9.994) == "9.99" && shown(9.996) == "10.0")
        #expect(shown(99.94) == "99.9" && shown(99.96) == "100")
        #expect(shown(-1.5) == "-1.50" && shown(-0.001) == "0.00")
        #expect(shown(nil) == "-" && shown(.nan) == "-")
    }

    @Test("Columns of a table are as wide as their widest cell")
    func table() {
        var table = TextTable(["A", "LONG"])
        table.add(["wide", "x"])
        #expect(table.text == "A     LONG\nwide  x\n")
    }
}
