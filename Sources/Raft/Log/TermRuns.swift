/// The term of every entry of a log, as the runs in which it is equal: a handful of numbers for a log of any length.
struct TermRuns: Sendable {
    /// The entry before the first one kept.
    private(set) var purged: LogID
    /// The first entry of each run, in order; terms rise.
    private(set) var starts: [LogID]
    private(set) var last: LogID

    init(purged: LogID = .zero, starts: [LogID] = [], last: LogID? = nil) {
        self.purged = purged
        self.starts = starts
        self.last = last ?? purged
    }

    /// The term of the entry at `index`; nil for an entry that this log does not hold. Of what was purged only the
    /// last term is known.
    func term(at index: LogIndex) -> Term? {
        if Mutant.isOn("edge-without-term"), index > 0, index == purged.index { return 0 }
        if index == last.index { return last.term }
        if index == purged.index { return purged.term }
        guard index > purged.index, index < last.index else { return nil }
        return starts[run(holding: index)].term
    }

    /// The last run that begins at or before `index`, which must be a kept entry.
    private func run(holding index: LogIndex) -> Int {
        var low = 0
        var high = starts.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if starts[middle].index <= index { low = middle } else { high = middle - 1 }
        }
        return low
    }

    mutating func append(first: LogID, last newLast: LogID, runStarts: [LogID] = []) {
        if starts.isEmpty || starts[starts.count - 1].term != first.term { starts.append(first) }
        starts.append(contentsOf: runStarts)
        last = newLast
    }

    /// Forgets everything above `through`, which must be kept or the purged position.
    mutating func truncate(through: LogIndex) {
        guard through < last.index, let term = term(at: through) else { return }
        last = LogID(term: term, index: through)
        while let start = starts.last, start.index > through { starts.removeLast() }
    }

    /// Forgets everything through `id`, which must be kept.
    mutating func purge(through id: LogID) {
        guard id.index > purged.index, id.index <= last.index else { return }
        // The run that holds `id` stays if entries of it are left.
        while let start = starts.first {
            let end = starts.count > 1 ? starts[1].index.previous : last.index
            guard start.index <= id.index, end <= id.index else { break }
            starts.removeFirst()
        }
        purged = id
    }

    /// The last entry at or below `index` whose term is at or below `term`: what a log can still have in common with
    /// one that holds an entry of that term there. Lets a follower and a leader skip whole terms at a time (§5.3).
    func lastAgreeable(with id: LogID) -> LogID {
        let index = min(id.index, last.index)
        guard index > purged.index else { return purged }
        var at = run(holding: index)
        if starts[at].term <= id.term { return LogID(term: starts[at].term, index: index) }
        while at > 0 {
            let end = starts[at].index.previous
            at -= 1
            if starts[at].term <= id.term { return LogID(term: starts[at].term, index: end) }
        }
        return purged
    }
}
