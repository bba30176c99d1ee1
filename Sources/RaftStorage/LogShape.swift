internal import Raft

/// Which entries the log holds, without the entries: enough to tell the term of any of them.
struct LogShape {
    /// The first entry of each run of equal terms, in order.
    private(set) var termStarts: [LogID] = []
    private(set) var last = LogID.zero
    /// The entry before the first one.
    private(set) var purged = LogID.zero

    init(purged: LogID = .zero) {
        self.purged = purged
        last = purged
    }

    /// Whether `id` is in the log, or the one before its first entry.
    func holds(_ id: LogID) -> Bool {
        if id == purged || id == last { return true }
        guard id.index > purged.index, id.index <= last.index else { return false }
        return termStarts.last { $0.index <= id.index }?.term == id.term
    }

    /// Forgets what is above `id`, which the log holds, or which is before all that is left of it.
    mutating func truncate(through id: LogID) {
        if id.index < purged.index { purged = id }
        while let start = termStarts.last, start.index > id.index { termStarts.removeLast() }
        last = id
    }

    /// Adds a run of entries, from one right behind the last.
    mutating func append(_ first: LogID, through last: LogID, in batch: EntryBatch) {
        guard first.term != last.term else { return append(first, through: last) }
        for position in 0..<batch.count { append(batch[position].id, through: batch[position].id) }
    }

    /// Adds a run of entries of one term, from one right behind the last.
    mutating func append(_ first: LogID, through last: LogID) {
        if termStarts.last?.term != first.term { termStarts.append(first) }
        self.last = last
    }
}
