/// Passing the office on (dissertation §3.10): no new proposals and no reads until it is done or has failed.
struct LeadershipTransfer: Sendable {
    enum Cause: Sendable {
        case asked
        /// This node is to stop.
        case stopping
        /// This node is never to lead.
        case neverLeads
        /// The target is preferred.
        case isPreferred
    }

    let target: NodeID
    let cause: Cause
    /// Goes on leading after this.
    let deadline: Instant
    let ticket: CompletionTicket?
    /// The target holds the whole log and was told to campaign.
    var isSent = false
}

/// What a leader does about who should lead, and about members that are ready for more.
struct LeadershipWork: Sendable {
    /// When this leader took office, and in which term.
    var since: Instant = .zero
    var term: Term = 0
    /// When a move that nobody asked for failed; the next one waits.
    var failedAt: Instant?
    /// Why each learner that is ready could not be promoted: said once.
    var unpromoted: [(learner: NodeID, reason: String)] = []
}
