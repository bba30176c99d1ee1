/// A leader's changes of the membership: who waits for them, and who is on the way out.
struct MembershipWork: Sendable {
    /// Somebody who waits.
    struct Waiting: Sendable {
        let ticket: CompletionTicket
        let deadline: Instant?
    }

    /// A learner that is to catch up before its caller is told.
    struct CatchUp: Sendable {
        let learner: NodeID
        let waiting: Waiting
    }

    /// A member that was taken out: its stream stays until it knows, for a while.
    struct Departure: Sendable {
        let peer: NodeID
        /// The first configuration without it.
        let configuration: LogIndex
        /// When its stream ends; nil before that configuration is committed.
        var endsAt: Instant?
        var isTold = false
    }

    /// Who asked for the change under way. Nil when nobody waits: another leader began it, or it only binds.
    var change: Waiting?
    /// The change adds this learner, and its caller waits until it has caught up.
    var adding: NodeID?
    /// The voters that the joint configuration is to end with, if not with those it names.
    var wish: [NodeID]?
    /// A request that came while lives were being bound, and when.
    var held: MembershipOrder?
    var catchUps: [CatchUp] = []
    /// In order of id.
    var departures: [Departure] = []
    /// This leader has no vote any more, and the others know: when it leaves office at the latest.
    var leavesAt: Instant?
    /// Whom it has then told to campaign.
    var successor: NodeID?

    /// Nobody waits for a change that is under way or is to come, and this leader stays.
    var isIdle: Bool { change == nil && held == nil && wish == nil && leavesAt == nil }
}
