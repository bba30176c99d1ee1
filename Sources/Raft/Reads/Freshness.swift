internal import DequeModule

/// How recent this node's state can be shown to be, by its own clock and no other's.
///
/// A follower puts a mark of its own on each answer to a heartbeat, and knows when it made it. Once the leader says that
/// a round of heartbeats began after it had that mark, that a quorum confirmed the round, and what was committed when it
/// began, the follower knows: everything acknowledged before it made the mark is at or below that index. How long messages
/// took, and what the leader's clock says, does not matter; and no mark of an earlier life of this node is known.
struct Freshness: Sendable {
    /// Everything acknowledged anywhere before `at`, on this node's clock, is at or below `index`.
    private(set) var shown: (at: Instant, index: LogIndex)?
    private var marks: Deque<(mark: UInt64, at: Instant)> = []
    private var nextMark: UInt64
    private static let maximumCount = 256

    /// - Parameter random: so that two lives make different marks.
    init(_ random: RandomSource) {
        var random = random
        nextMark = random.next() >> 1 + 1
    }

    mutating func note(at: Instant, index: LogIndex) {
        if let shown, shown.at >= at { return }
        shown = (at, index)
    }

    /// The mark for what is sent now. Within `spacing` of the last one it is that one: made earlier, it shows less.
    mutating func mark(now: Instant, spacing: Duration) -> UInt64 {
        if let last = marks.last, now - last.at < spacing { return last.mark }
        if marks.count == Self.maximumCount { marks.removeFirst() }
        defer { nextMark += 1 }
        marks.append((nextMark, now))
        return nextMark
    }

    /// A leader had this mark before a round began that was confirmed, with `index` committed when it began.
    mutating func heard(_ mark: UInt64, index: LogIndex) {
        guard let made = marks.last(where: { $0.mark == mark }) else { return }
        note(at: made.at, index: index)
    }

    /// From which index on a read shows everything acknowledged `age` ago. Nil when that cannot be said.
    func index(noOlderThan age: Duration, now: Instant, _ settings: borrowing Configuration) -> LogIndex? {
        guard let shown, age > .zero, now - shown.at <= settings.certainlyWithin(age) else { return nil }
        return shown.index
    }
}
