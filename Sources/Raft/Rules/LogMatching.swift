/// What an append means for a log: the consistency check of AppendEntries (Figure 2; §5.3).
enum LogMatching: Equatable {
    /// Everything that the request brings is in the log already, and equal.
    case nothingNew
    /// The log agrees through `keep`; everything behind it goes, and these come.
    case extend(keeping: LogID, with: [EntryBatch])
    /// The log does not hold `previous`. The hint is the last entry on which both logs can still agree.
    case conflict(hint: LogID)
    /// No correct leader sends this.
    case malformed(String)

    /// - Parameter commitIndex: what is committed here agrees with any leader's log, so it is never compared, and
    ///   never cut (R06, R08).
    static func match(_ request: AppendRequest, against log: borrowing LogTail, commitIndex: LogIndex) -> LogMatching {
        if let fault = fault(in: request) { return .malformed(fault) }
        let previous = request.previous
        if previous.index > commitIndex {
            guard let term = log.term(at: previous.index), term == previous.term else {
                return .conflict(hint: log.terms.lastAgreeable(with: previous))
            }
        }
        for (position, batch) in request.entries.enumerated() {
            // By Log Matching, agreeing on its last entry is agreeing on the whole batch.
            let last = batch.last
            if last.index <= commitIndex || log.term(at: last.index) == last.term { continue }
            if Mutant.isOn("conflict-kept"), log.term(at: last.index) != nil { continue }
            return divergence(of: log, by: batch, then: request.entries[(position + 1)...], commitIndex: commitIndex)
        }
        if Mutant.isOn("stale-append-cuts"), request.last.index < log.last.index {
            return .extend(keeping: request.last, with: [])
        }
        return .nothingNew
    }

    /// The log and `batch` part somewhere in this batch: find where.
    private static func divergence(
        of log: borrowing LogTail, by batch: EntryBatch, then rest: ArraySlice<EntryBatch>, commitIndex: LogIndex
    ) -> LogMatching {
        // Agreement is a prefix of the batch, so bisection finds its end.
        var low = 0
        var high = batch.count - 1
        while low < high {
            let middle = (low + high) / 2
            let id = batch[middle].id
            if id.index <= commitIndex || log.term(at: id.index) == id.term { low = middle + 1 } else { high = middle }
        }
        if Mutant.isOn("first-conflict-kept"), low < batch.count - 1, log.term(at: batch[low].id.index) != nil {
            low += 1
        }
        let firstNew = batch[low].id.index
        let keepIndex = firstNew.previous
        guard let keepTerm = log.term(at: keepIndex), let new = batch.suffix(from: firstNew) else {
            return .malformed("entry \(firstNew) does not follow the log's end \(log.last)")
        }
        return .extend(keeping: LogID(term: keepTerm, index: keepIndex), with: rest.isEmpty ? [new] : [new] + rest)
    }

    private static func fault(in request: AppendRequest) -> String? {
        guard request.previous.term <= request.term else {
            return "previous entry \(request.previous) is of a term after the sender's, \(request.term)"
        }
        var before = request.previous
        for batch in request.entries {
            guard batch.firstIndex == before.index.next, batch.first.term >= before.term else {
                return "entry \(batch.first) after \(before)"
            }
            before = batch.last
        }
        guard before.term <= request.term else { return "entry \(before) is of a term after the sender's" }
        guard before.index.rawValue < .max - 1 else { return "index \(before.index) leaves no room for another" }
        return nil
    }
}
