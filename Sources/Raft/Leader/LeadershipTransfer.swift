/// Passing the office on (dissertation §3.10): no new proposals and no reads until it is done or has failed.
struct LeadershipTransfer: Sendable {
    let target: NodeID
    /// Goes on leading after this.
    let deadline: Instant
    let ticket: CompletionTicket?
    /// The target holds the whole log and was told to campaign.
    var isSent = false
}
