import Testing

@testable import Raft

@Suite("The newest entries in memory")
struct LogTailTests {
    func tail() -> LogTail {
        var tail = LogTail(terms: TermRuns())
        for part in [batch(from: 1, [1, 1]), batch(from: 3, [1, 2, 2]), batch(from: 6, [3])] { tail.append(part) }
        return tail
    }

    func indexes(_ batches: [EntryBatch]?) -> [UInt64]? {
        batches?.flatMap { part in (0..<part.count).map { part[$0].id.index.rawValue } }
    }

    @Test("Entries come in order and without a gap, from any index through any limit")
    func ranges() {
        let tail = tail()
        for first in 1...7 as ClosedRange<UInt64> {
            for limit in 0...8 as ClosedRange<UInt64> {
                let expected = first <= min(limit, 6) ? Array(first...min(limit, 6)) : []
                #expect(
                    indexes(tail.entries(from: LogIndex(first), through: LogIndex(limit), maximumBytes: .max))
                        == expected)
            }
        }
    }

    @Test("At most the bytes asked for, but at least one entry")
    func bytes() {
        let tail = tail()
        let size = batch(from: 1, [1]).byteCount  // every entry here is as long
        for limit in 0...(7 * size) {
            let got = indexes(tail.entries(from: 1, through: 6, maximumBytes: limit))
            #expect(got?.count == min(max(limit / size, 1), 6))
        }
    }

    @Test("A truncation cuts within a batch too, and what follows is appended there")
    func truncate() {
        for keep in 0...6 as ClosedRange<UInt64> {
            var tail = tail()
            tail.truncate(through: LogIndex(keep))
            #expect(tail.last.index == LogIndex(keep))
            tail.append(batch(from: LogIndex(keep + 1), [7]))
            #expect(indexes(tail.entries(from: 1, through: 99, maximumBytes: .max)) == Array(1...(keep + 1)))
            #expect(tail.term(at: LogIndex(keep + 1)) == 7)
            let bytes = tail.entries(from: 1, through: 99, maximumBytes: .max)!.reduce(0) { $0 + $1.byteCount }
            #expect(tail.byteCount == bytes)
        }
    }

    @Test("Eviction lets go of the oldest above a limit, but of none that may still be needed; terms stay known")
    func evict() {
        var tail = tail()
        tail.evict(through: 4, maximumBytes: 0)
        #expect(tail.entries(from: 1, through: 6, maximumBytes: .max) == nil)
        #expect(
            indexes(tail.entries(from: 3, through: 6, maximumBytes: .max)) == [3, 4, 5, 6], "a batch in part goes not")
        #expect(tail.term(at: 1) == 1)
        tail.evict(through: 6, maximumBytes: .max)
        #expect(indexes(tail.entries(from: 3, through: 6, maximumBytes: .max)) == [3, 4, 5, 6])
        tail.evict(through: 6, maximumBytes: 0)
        #expect(tail.byteCount == 0)
        #expect(tail.entries(from: 6, through: 6, maximumBytes: .max) == nil)
        #expect(tail.last == LogID(6, 3))
        tail.append(batch(from: 7, [3]))
        #expect(indexes(tail.entries(from: 7, through: 9, maximumBytes: .max)) == [7])
    }
}
