import Testing

@testable import RaftServer

@Suite("What of the history goes")
struct HistoryKeeperTests {
    private func sight(_ seconds: Int, _ applied: UInt64, _ compacted: UInt64 = 0, bytes: Int = 0) -> HistoryRules.Sight
    {
        .init(now: .seconds(seconds), applied: applied, compacted: compacted, historyBytes: bytes)
    }

    @Test("Above the count of revisions, and an eighth more, what is above it goes")
    func count() {
        var rules = HistoryRules(HistoryLimits(maximumRevisions: 800))
        #expect(rules.compaction(sight(0, 900)) == nil)
        #expect(rules.compaction(sight(5, 901)) == 101)
        #expect(rules.compaction(sight(10, 1000, 101)) == nil)
        #expect(rules.compaction(sight(15, 1002, 101)) == 202)
        // Behind a snapshot that was compacted further than what is applied here.
        #expect(rules.compaction(sight(20, 50, 101)) == nil)
    }

    @Test(
        "A compaction, which is an entry too, is never the reason for the next", arguments: [1, 5, 20, 800] as [UInt64])
    func rest(maximum: UInt64) {
        var rules = HistoryRules(HistoryLimits(maximumRevisions: maximum))
        var (applied, compacted, compactions): (UInt64, UInt64, Int) = (5000, 0, 0)
        for look in 0..<100 {
            guard let target = rules.compaction(sight(look, applied, compacted)) else { continue }
            (applied, compacted, compactions) = (applied + 1, target, compactions + 1)
        }
        #expect(compactions == 1)
        #expect(applied - compacted == maximum + 1)
    }

    @Test("Above the bytes, half of the revisions go, and more at the next look if that was too little")
    func bytes() {
        var rules = HistoryRules(HistoryLimits(maximumBytes: 1000))
        #expect(rules.compaction(sight(0, 100, 20, bytes: 1000)) == nil)
        #expect(rules.compaction(sight(5, 100, 20, bytes: 1001)) == 60)
        #expect(rules.compaction(sight(10, 100, 60, bytes: 1001)) == 80)
        #expect(rules.compaction(sight(15, 100, 99, bytes: 1001)) == 100)
        #expect(rules.compaction(sight(20, 100, 100, bytes: 1001)) == nil)
    }

    @Test("What was there for the longest age goes, not later than a part of it after, and never before")
    func age() {
        var rules = HistoryRules(HistoryLimits(maximumAge: .seconds(320)))
        var compacted: UInt64 = 0
        for second in stride(from: 0, through: 2000, by: 5) {
            // One revision a second.
            if let target = rules.compaction(sight(second, UInt64(second), compacted)) {
                #expect(target > compacted)
                compacted = target
            }
            #expect(Int(compacted) <= max(0, second - 320), "younger than it may be")
            #expect(second < 400 || Int(compacted) >= second - 320 - 20, "older than it may be")
        }
    }
}
