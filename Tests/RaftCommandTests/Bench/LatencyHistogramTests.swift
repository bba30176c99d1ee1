import Raft
import Testing

@testable import RaftCommand

@Suite("The histogram of latencies")
struct LatencyHistogramTests {
    @Test("Each time falls into one bucket, whose end is at most 2 % above it")
    func buckets() {
        var times = Array(0...5000 as ClosedRange<UInt64>) + [.max / 2, UInt64(Int64.max)]
        var random = RandomSource(seed: 1)
        for _ in 0..<2000 { times.append(random.next() >> (1 + random.next() % 60)) }
        times.sort()
        var last = 0
        for time in times {
            let bucket = LatencyHistogram.bucket(time)
            #expect(bucket >= last, "\(time)")
            last = bucket
            let end = LatencyHistogram.upperBound(bucket)
            #expect(end >= time && end - time <= time / 50, "\(time) ends at \(end)")
            #expect(LatencyHistogram.bucket(end) == bucket)
            #expect(LatencyHistogram.bucket(end + 1) == bucket + 1)
        }
        #expect(last < 64 * 64)
    }

    @Test("A percentile is the time that so many calls did not exceed")
    func percentiles() {
        var histogram = LatencyHistogram()
        #expect(histogram.percentile(0.5) == nil)
        for time in 1...100 as ClosedRange<Int64> { histogram.record(time) }
        #expect(histogram.percentile(0.5) == 50)
        #expect(histogram.percentile(0.99) == 99)
        #expect(histogram.percentile(0.999) == 100)
        #expect(histogram.percentile(1) == 100)
        #expect(histogram.percentile(0) == 1)
        histogram.record(1_000_003)
        #expect(histogram.maximum == 1_000_003)
        #expect(histogram.percentile(1) == 1_000_003)
        histogram.record(-5)
        #expect(histogram.percentile(0) == 0)
        #expect(histogram.count == 102)
    }

    @Test("Two added up are what one would have counted")
    func adding() {
        var (one, two, both) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
        var random = RandomSource(seed: 2)
        for number in 0..<1000 {
            let time = Int64(random.next() % (number % 2 == 0 ? 1000 : 1_000_000_000))
            both.record(time)
            if number % 2 == 0 { one.record(time) } else { two.record(time) }
        }
        var (left, right) = (one, two)
        left.add(two)
        right.add(one)
        #expect(left == both)
        #expect(right == both)
    }
}
