/// The settings of one node: timing and limits. Every queue, window and buffer has its limit here.
public struct Configuration: Sendable {
    /// This node's id. Never changes for a data directory.
    public var id: NodeID
    /// The cluster's name; peers of another name are refused. As in the certificates.
    public var cluster: String

    /// How long a follower hears no leader before it campaigns: each time drawn at random from this range (§5.2).
    public var electionTimeout: ClosedRange<Duration> = .milliseconds(1000)...(.milliseconds(2000))
    /// How often a leader says that it leads.
    public var heartbeatInterval: Duration = .milliseconds(100)
    /// How much faster or slower than true time this node's clock, or any other node's, can run: in millionths, 0 to
    /// 500 000. Reads by ``ReadConsistency/lease`` and ``ReadConsistency/noOlderThan(_:)`` rely on it, and nothing else.
    /// The default, 1000 (0.1 %, 86 s a day), is far above what a clock does that is disciplined by NTP or PTP.
    public var maximumClockDrift = 1000

    /// The largest command, in bytes. A larger one is refused before it is accepted.
    public var maximumCommandBytes = 1_572_864 + 65_536
    /// The most entries' bytes that one append carries, unless a single entry is larger.
    public var maximumAppendBytes = 1 << 20
    /// The most appends on their way to one peer without an answer.
    public var maximumInflightAppends = 64
    /// The most entries' bytes on their way to one peer without an answer.
    public var maximumInflightBytes = 4 << 20
    /// The most proposals and reads waiting to be looked at; above it `.overloaded`.
    public var maximumWaitingCalls = 65_536
    /// The most writes that this node has passed on to the leader and that wait for its answer, and the most bytes of
    /// theirs, unless a single one has more; above it `.overloaded`.
    public var maximumForwardedCalls = 4096
    public var maximumForwardedBytes = 8 << 20
    /// The most bytes of entries that are not committed yet; above it `.overloaded`.
    public var maximumUncommittedBytes = 64 << 20
    /// How many bytes of applied entries are kept in memory for peers that are a little behind.
    public var maximumTailBytes = 32 << 20
    /// How many entries a learner may be behind the leader and still be given a vote.
    public var maximumReplicationLag = 1000
    /// How long a member must have been steady before it is promoted by itself or, as a preferred one, takes office: it
    /// has answered within the least election timeout all the while, and was at most ``maximumReplicationLag`` entries
    /// behind. Above zero; a new leader begins to count anew.
    public var steadyInterval: Duration = .seconds(10)
    /// The least time between two moves of leadership to a preferred node that nobody asked for, and between two
    /// attempts: a leader leads this long first. Above zero. One that may never lead hands over without it.
    public var preferenceInterval: Duration = .seconds(60)
    /// Whether learners that this node adds as a leader, and of which nothing else is said, are promoted by themselves.
    public var promotesLearners = false
    /// The most entries' bytes applied in one call of the state machine.
    public var maximumApplyBytes = 4 << 20
    /// The first pause before a failed stream is started again; doubles up to ``maximumBackoff``, with jitter.
    public var minimumBackoff: Duration = .milliseconds(20)
    public var maximumBackoff: Duration = .seconds(2)
    /// A client's session that was silent for so long is ended, and at most half as long again; see ``SessionID``. The
    /// leader's clock says when to propose that, the log whether it happens.
    public var sessionTimeout: Duration = .seconds(3600)
    /// The most sessions at a time: one more ends the one that was silent for longest. In memory on every node; together
    /// they have at most so many times ``maximumSessionReplyBytes`` of replies.
    public var maximumSessions = 4096
    /// The most commands of one session whose replies are not acknowledged: one more is refused.
    public var maximumSessionReplies = 256
    /// The most bytes of one session's replies: above it those of the lowest numbers are dropped. A session keeps the
    /// limits that its leader had when it was registered.
    public var maximumSessionReplyBytes = 64 << 10
    /// Set by simulations only.
    package var probe: (any Probe)?

    /// When a snapshot is built, for state machines that make them. ``RaftNode/triggerSnapshot()`` works with any.
    public var snapshotPolicy = SnapshotPolicy()
    /// How much of the log is kept behind the newest snapshot, for peers that are a little behind: at most so many
    /// entries, and at most about so many bytes. 0 of either keeps none.
    public var maximumKeptEntries = 10_000
    public var maximumKeptBytes = 32 << 20
    /// How many bytes of the log are kept for a peer while a snapshot is on its way to it. A slower one gets a newer
    /// snapshot.
    public var maximumHeldBytes = 1 << 30
    /// How many bytes of state one message carries, how many such messages may be on their way to one peer without an
    /// answer, and how many bytes a second all of them may have; nil for as many as the way takes.
    public var snapshotPieceBytes = 256 << 10
    public var maximumInflightSnapshotPieces = 8
    public var maximumSnapshotBytesPerSecond: Int?
    /// The largest snapshot that this node takes from a leader, in bytes; above zero, 1 TiB unless changed. A larger one
    /// is refused by the size that its sender declares, before anything is kept, and a piece beyond that size, too. The
    /// leader says why it is held up, and tries again. Snapshots of this node's own may have any size.
    public var maximumSnapshotBytes = 1 << 40

    public init(id: NodeID, cluster: String = "raft") {
        self.id = id
        self.cluster = cluster
    }

    /// - Throws: ``RaftError/Code/invalidConfiguration`` for settings that cannot work together.
    public func validate() throws(RaftError) {
        func refuse(_ message: String) -> RaftError { RaftError(.invalidConfiguration, message) }
        guard id.rawValue > 0 else { throw refuse("node id 0; ids begin at 1") }
        guard !cluster.isEmpty, cluster.utf8.count <= 255 else {
            throw refuse("cluster name \"\(cluster)\" is empty or longer than 255 bytes")
        }
        guard heartbeatInterval > .zero else { throw refuse("heartbeat \(heartbeatInterval) is not above zero") }
        guard electionTimeout.lowerBound > heartbeatInterval * 2 else {
            throw refuse(
                "election timeout \(electionTimeout.lowerBound) is not above 2 × heartbeat \(heartbeatInterval); raise electionTimeout or lower heartbeatInterval"
            )
        }
        guard electionTimeout.upperBound > electionTimeout.lowerBound else {
            throw refuse(
                "election timeout \(electionTimeout.lowerBound) to \(electionTimeout.upperBound) leaves nothing to draw from; nodes would campaign together for ever"
            )
        }
        guard (0...500_000).contains(maximumClockDrift) else {
            throw refuse("maximumClockDrift is \(maximumClockDrift); it is in millionths, 0 to 500000")
        }
        guard leaseLength(of: electionTimeout.lowerBound) > heartbeatInterval else {
            throw refuse(
                "maximumClockDrift \(maximumClockDrift) leaves \(leaseLength(of: electionTimeout.lowerBound)) of the election timeout \(electionTimeout.lowerBound), not above the heartbeat \(heartbeatInterval): no lease would outlive one. Raise electionTimeout, or lower heartbeatInterval or the drift"
            )
        }
        for (name, value) in [
            ("maximumCommandBytes", maximumCommandBytes), ("maximumAppendBytes", maximumAppendBytes),
            ("maximumInflightAppends", maximumInflightAppends), ("maximumInflightBytes", maximumInflightBytes),
            ("maximumWaitingCalls", maximumWaitingCalls), ("maximumUncommittedBytes", maximumUncommittedBytes),
            ("maximumApplyBytes", maximumApplyBytes), ("maximumReplicationLag", maximumReplicationLag),
            ("snapshotPieceBytes", snapshotPieceBytes), ("maximumSessions", maximumSessions),
            ("maximumSessionReplies", maximumSessionReplies), ("maximumSessionReplyBytes", maximumSessionReplyBytes),
            ("maximumInflightSnapshotPieces", maximumInflightSnapshotPieces),
            ("maximumForwardedCalls", maximumForwardedCalls), ("maximumForwardedBytes", maximumForwardedBytes),
            ("maximumSnapshotBytesPerSecond", maximumSnapshotBytesPerSecond ?? 1),
            ("maximumSnapshotBytes", maximumSnapshotBytes),
            ("snapshotPolicy.entryCount", snapshotPolicy.entryCount ?? 1),
            ("snapshotPolicy.logBytes", snapshotPolicy.logBytes ?? 1),
        ] where value <= 0 {
            throw refuse("\(name) is \(value); it must be above zero")
        }
        // One message of the transport is at most 4 MiB, and an append carries at least one whole entry.
        for (name, value) in [
            ("maximumCommandBytes", maximumCommandBytes), ("maximumAppendBytes", maximumAppendBytes),
        ] where value > 31 << 17 {
            throw refuse("\(name) is \(value); at most \(31 << 17) (3.875 MiB) fit in one message")
        }
        guard snapshotPieceBytes <= 3 << 20 else {
            throw refuse(
                "snapshotPieceBytes is \(snapshotPieceBytes); at most \(3 << 20) (3 MiB) fit in one message beside a list of members"
            )
        }
        for (name, value) in [
            ("maximumKeptEntries", maximumKeptEntries), ("maximumKeptBytes", maximumKeptBytes),
            ("maximumHeldBytes", maximumHeldBytes),
        ] where value < 0 {
            throw refuse("\(name) is \(value); 0 keeps nothing")
        }
        for (name, value) in [("steadyInterval", steadyInterval), ("preferenceInterval", preferenceInterval)]
        where value <= .zero {
            throw refuse("\(name) is \(value); it must be above zero")
        }
        guard snapshotPolicy.interval.map({ $0 > .zero }) ?? true else {
            throw refuse("snapshotPolicy.interval is not above zero; nil builds none for the time alone")
        }
        for (name, value) in [
            ("maximumSessions", maximumSessions), ("maximumSessionReplies", maximumSessionReplies),
            ("maximumSessionReplyBytes", maximumSessionReplyBytes),
        ] where value > 1 << 30 {
            throw refuse("\(name) is \(value); at most \(1 << 30)")
        }
        guard sessionTimeout > electionTimeout.upperBound else {
            throw refuse(
                "sessionTimeout \(sessionTimeout) is not above the election timeout \(electionTimeout.upperBound); every change of leaders would end sessions"
            )
        }
        guard maximumTailBytes >= 0 else { throw refuse("maximumTailBytes is \(maximumTailBytes)") }
        guard minimumBackoff > .zero, maximumBackoff >= minimumBackoff else {
            throw refuse("backoff \(minimumBackoff) to \(maximumBackoff) is not a range above zero")
        }
        guard maximumForwardedBytes <= 12 << 20 else {
            throw refuse(
                "maximumForwardedBytes is \(maximumForwardedBytes); at most \(12 << 20) (12 MiB) fit in what a link to the leader holds back"
            )
        }
        guard maximumUncommittedBytes <= 1 << 31, maximumInflightBytes <= 1 << 31, maximumAppendBytes <= 1 << 30 else {
            throw refuse(
                "maximumUncommittedBytes and maximumInflightBytes are at most 2 GiB, maximumAppendBytes at most 1 GiB")
        }
    }

    /// Why a lease window cannot work with these settings; nil when it can.
    package func unfitness(ofLeaseWindow window: Duration) -> String? {
        guard window <= electionTimeout.lowerBound else {
            return
                "lease window \(window) is above the election timeout \(electionTimeout.lowerBound); voters would refuse those who campaign in time. Lower the window or raise electionTimeout"
        }
        guard leaseLength(of: window) > heartbeatInterval else {
            return
                "lease window \(window) leaves \(leaseLength(of: window)) with a drift of \(maximumClockDrift) millionths, not above the heartbeat \(heartbeatInterval); raise the window, or lower heartbeatInterval or maximumClockDrift"
        }
        return nil
    }
}
