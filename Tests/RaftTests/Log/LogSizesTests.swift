import Testing

@testable import Raft

@Suite("How many bytes a log has")
struct LogSizesTests {
    @Test("From one entry to another, to within a mark's width, in bounded memory")
    func bytes() {
        var sizes = LogSizes(from: 100)
        for index in 101...200_100 as ClosedRange<UInt64> { sizes.append(100, through: LogIndex(index)) }
        let half = sizes.bytes(after: 100, through: 100_100)
        #expect(abs(half - 10_000_000) < 100_000)
        #expect(sizes.bytes(after: 0, through: 200_100) == 20_000_000)
        #expect(sizes.bytes(after: 200_100, through: 200_100) == 0)
        #expect(sizes.bytes(after: 300, through: 200) == 0)
        let from = sizes.index(before: 200_100, maximumBytes: 1_000_000)
        #expect(from.distance(above: 190_000) < 400)
        #expect(sizes.index(before: 200_100, maximumBytes: 1 << 40) == 0)
    }

    @Test("What is cut off counts no more, and what is purged is not needed")
    func cut() {
        var sizes = LogSizes(from: 0)
        for index in 1...10 as ClosedRange<UInt64> { sizes.append(20_000, through: LogIndex(index)) }
        sizes.truncate(through: 5)
        #expect(sizes.bytes(after: 0, through: 5) == 100_000)
        sizes.append(7, through: 6)
        #expect(sizes.bytes(after: 5, through: 6) == 7)
        sizes.purge(through: 4)
        #expect(sizes.bytes(after: 4, through: 6) == 20_007)
        sizes.truncate(through: 0)
        sizes.append(9, through: 1)
        #expect(sizes.bytes(after: 0, through: 1) == 9)
    }
}
