/// A request for another membership, with its caller.
struct MembershipOrder: Sendable {
    var request: MembershipRequest
    /// Of an added learner: the caller waits until it has caught up.
    var isBlocking = false
    /// Only if the configuration is still the one of this entry, bindings aside.
    var ifUnchangedSince: LogID?
    /// How long the caller waits; nil for ever.
    var timeout: Duration?
    var ticket: CompletionTicket
}
