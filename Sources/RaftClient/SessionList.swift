public import Raft

/// The sessions of clients, as one node has applied them.
public struct SessionList: Hashable, Sendable {
    /// In order of their ids.
    public var sessions: [SessionSummary]
    /// How far the node has applied the log.
    public var applied: LogIndex
    /// Since the node started: retries that were answered with the first reply.
    public var repeatedCount: Int
    /// Since the node started: commands of sessions that were not applied.
    public var refusedCount: Int
    /// Since the node started: sessions that ended for their silence, or to make room.
    public var expiredCount: Int

    public init(
        sessions: [SessionSummary], applied: LogIndex, repeatedCount: Int, refusedCount: Int, expiredCount: Int
    ) {
        self.sessions = sessions
        self.applied = applied
        self.repeatedCount = repeatedCount
        self.refusedCount = refusedCount
        self.expiredCount = expiredCount
    }
}
