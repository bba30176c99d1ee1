internal import DequeModule

/// The log as the rules see it: the term of every entry, and the newest entries themselves, in memory.
///
/// Invariant: the batches kept are without a gap and end at `last`; nothing that is not durable is ever evicted.
struct LogTail: Sendable {
    private(set) var terms: TermRuns
    private var batches: Deque<EntryBatch> = []
    private(set) var byteCount = 0
    private var sizes: LogSizes

    init(terms: TermRuns) {
        self.terms = terms
        sizes = LogSizes(from: terms.last.index)
    }

    var last: LogID { terms.last }
    var purged: LogID { terms.purged }
    func term(at index: LogIndex) -> Term? { terms.term(at: index) }

    /// Adds a batch whose first index is one above `last`.
    mutating func append(_ batch: EntryBatch) {
        let first = batch.first
        let last = batch.last
        var starts: [LogID] = []
        if first.term != last.term {
            var term = first.term
            for position in 1..<batch.count {
                let id = batch[position].id
                if id.term != term {
                    starts.append(id)
                    term = id.term
                }
            }
        }
        terms.append(first: first, last: last, runStarts: starts)
        batches.append(batch)
        byteCount += batch.byteCount
        sizes.append(batch.byteCount, through: last.index)
    }

    /// About how many bytes the entries after `first` through `last` have: those that this process has seen appended.
    func bytes(after first: LogIndex, through last: LogIndex) -> Int { sizes.bytes(after: first, through: last) }

    /// The lowest entry behind which there are at most about `maximumBytes`, through `last`.
    func index(before last: LogIndex, maximumBytes: Int) -> LogIndex {
        sizes.index(before: last, maximumBytes: maximumBytes)
    }

    /// Forgets everything through `id`, which the log holds.
    mutating func purge(through id: LogID) {
        terms.purge(through: id)
        sizes.purge(through: id.index)
        while let oldest = batches.first, oldest.lastIndex <= id.index {
            batches.removeFirst()
            byteCount -= oldest.byteCount
        }
    }

    /// Forgets everything: the log goes on behind `id`, which a snapshot holds.
    mutating func reset(to id: LogID) { self = LogTail(terms: TermRuns(purged: id)) }

    mutating func truncate(through index: LogIndex) {
        terms.truncate(through: index)
        sizes.truncate(through: index)
        while let batch = batches.last, batch.lastIndex > index {
            batches.removeLast()
            byteCount -= batch.byteCount
            if let rest = batch.prefix(through: index) {
                batches.append(rest)
                byteCount += rest.byteCount
                break
            }
        }
    }

    /// Entries from `first` on, at most `maximumBytes` of them but at least one; nil when they are not in memory.
    /// Empty when there is none.
    func entries(from first: LogIndex, through limit: LogIndex, maximumBytes: Int) -> [EntryBatch]? {
        let limit = min(limit, last.index)
        guard first <= limit else { return [] }
        guard let oldest = batches.first, oldest.firstIndex <= first else { return nil }
        // Mostly the newest: what was appended in this turn.
        var low = batches[batches.count - 1].firstIndex <= first ? batches.count - 1 : 0
        var high = batches.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if batches[middle].firstIndex <= first { low = middle } else { high = middle - 1 }
        }
        var result: [EntryBatch] = []
        var bytes = 0
        for position in low..<batches.count {
            guard let part = batches[position].suffix(from: first)?.prefix(through: limit) else { break }
            if bytes + part.byteCount > maximumBytes {
                if result.isEmpty {
                    result.append(part.prefix(maximumBytes: maximumBytes))
                } else if case let fitting = part.prefix(maximumBytes: maximumBytes - bytes),
                    bytes + fitting.byteCount <= maximumBytes
                {
                    result.append(fitting)
                }
                break
            }
            result.append(part)
            bytes += part.byteCount
        }
        return result
    }

    /// Lets go of the oldest entries in memory while there are more than `maximumBytes`, but of none above `through`.
    mutating func evict(through: LogIndex, maximumBytes: Int) {
        while byteCount > maximumBytes, let oldest = batches.first, oldest.lastIndex <= through {
            batches.removeFirst()
            byteCount -= oldest.byteCount
        }
    }
}
