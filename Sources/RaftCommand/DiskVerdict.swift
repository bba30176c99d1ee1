internal import Raft

/// Whether a disk that takes so long to sync will do for nodes with this election timeout.
///
/// A change of term or vote is written and synced twice, and an election waits for the candidate's and then for the
/// voters': four syncs within the time that everybody waits before they campaign, too. A leader whose oldest write is
/// out for the least election timeout gives its office up.
struct DiskVerdict: Hashable {
    enum Fitness: String { case fit, doubtful, unfit }

    let fitness: Fitness
    /// Why, with the figures it rests on.
    let reason: String

    /// - Parameters:
    ///   - syncs: of small writes, at least one.
    ///   - electionTimeout: the least one.
    init(syncs: LatencyHistogram, electionTimeout: Duration) {
        let usual = syncs.percentile(0.99) ?? 0
        let limit = UInt64(max(electionTimeout / .nanoseconds(1), 1))
        let (p99, longest) = (BenchReport.shown(usual), BenchReport.shown(syncs.maximum))
        let timeout = electionTimeout.formatted
        if usual > limit / 4 {
            fitness = .unfit
            reason =
                "99 of 100 syncs take up to \(p99), and an election waits for four: more than the election timeout of \(timeout); set one of \(BenchReport.shown(usual * 10)) or more, or use another disk"
        } else if syncs.maximum >= limit {
            fitness = .unfit
            reason =
                "a sync took \(longest), and a leader gives up after \(timeout) without one; set a longer election timeout, or use another disk"
        } else if usual > limit / 10 || syncs.maximum > limit / 2 {
            fitness = .doubtful
            reason =
                "99 of 100 syncs take up to \(p99) and the longest took \(longest): little room below an election timeout of \(timeout)"
        } else {
            fitness = .fit
            reason = "99 of 100 syncs take up to \(p99) and the longest took \(longest), far below \(timeout)"
        }
    }
}
