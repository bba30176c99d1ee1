/// Which role a node plays.
public enum NodeRole: String, Sendable, Hashable {
    case follower, candidate, leader, learner
    /// It has not begun, or has ended; see ``NodeStatus/stopReason``.
    case stopped
}

/// What a node knows of itself. A snapshot, taken at the end of a turn.
public struct NodeStatus: Sendable {
    public var id: NodeID
    public var cluster: String
    public var incarnation: Incarnation
    public var role: NodeRole
    public var currentTerm: Term
    /// Who leads, as far as this node knows.
    public var leader: LeaderHint?
    /// The end of the log.
    public var last: LogID
    /// How far the log is on this node's disk.
    public var durableIndex: LogIndex
    public var commitIndex: LogIndex
    public var lastApplied: LogIndex
    /// The newest durable snapshot; nil when there is none.
    public var snapshot: SnapshotStatus?
    /// Everything through this entry was purged from the log.
    public var purged: LogIndex = 0
    /// The configuration in force; nil on a node that belongs to no cluster yet.
    public var configuration: ClusterConfiguration?
    /// The entry that holds it: what a guarded change of the membership names.
    public var configurationID: LogID
    /// The node was a member, and is none any more: it takes no part, and may be stopped.
    public var isRemoved: Bool
    /// On a leader: what it knows of each other member. At most a heartbeat interval old.
    public var peers: [PeerStatus] = []
    /// On a leader: until when, on this node's own clock, it may serve reads without asking anybody
    /// (``ReadConsistency/lease``). Nil while it may not.
    public var leaseExpiry: Instant?
    /// The clients' sessions that it has applied.
    public var sessions = SessionCounts()
    /// On a leader: how many more voters may fail before nothing can be committed any more, of those that answer now;
    /// below zero when too few do. At most a heartbeat interval old; nil on every other node.
    public var failureTolerance: Int?
    /// On a leader: to whom it is passing its leadership; nil when it does not. At most a heartbeat interval old.
    public var transfer: TransferStatus?
    /// Why the log on this node's disk has no room for more entries, or soon will have none: the disk is full. As leader
    /// the node takes no commands meanwhile. Nil while there is room; it goes on by itself.
    public var logShortage: RaftError?
    /// Why the node stopped; nil while it runs, and after it was asked to stop.
    public var stopReason: RaftError?

    init(_ baton: borrowing Baton, role: NodeRole, cluster: String, incarnation: Incarnation) {
        self.init(notStarted: baton.me, cluster: cluster)
        self.incarnation = incarnation
        update(baton, role: role)
    }

    /// What may have changed with a turn.
    mutating func update(_ baton: borrowing Baton, role: NodeRole) {
        self.role = role
        currentTerm = baton.currentTerm
        last = baton.log.last
        durableIndex = baton.durableIndex
        commitIndex = baton.commitIndex
        lastApplied = baton.lastApplied
        if snapshot?.id != baton.snapshots.newest?.id { snapshot = baton.snapshots.newest.map(SnapshotStatus.init) }
        purged = baton.log.purged.index
        configuration = baton.membership.current
        configurationID = baton.membership.currentID
        leader = baton.leaderHint
        isRemoved = baton.isRemoved
        if (logShortage == nil) != (baton.logShortage == nil) { logShortage = baton.logShortage }
    }

    /// Nothing of what only a leader says of itself.
    mutating func endLeadership() {
        if !peers.isEmpty { peers = [] }
        leaseExpiry = nil
        failureTolerance = nil
        transfer = nil
    }

    init(notStarted id: NodeID, cluster: String) {
        self.id = id
        self.cluster = cluster
        incarnation = Incarnation(rawValue: 0)
        role = .stopped
        currentTerm = 0
        last = .zero
        durableIndex = 0
        commitIndex = 0
        lastApplied = 0
        configurationID = .zero
        isRemoved = false
    }
}

extension NodeStatus: CustomStringConvertible {
    /// One line for logs, such as `node 2: follower of 3 in term 9; log ends 5021@8, committed 5020, applied 5019`.
    public var description: String {
        let state = role == .follower || role == .learner ? leader.map { "\(role) of \($0.id)" } : nil
        let log = "log ends \(last), committed \(commitIndex), applied \(lastApplied)"
        let reason = stopReason.map { " (\($0.message))" } ?? ""
        let removal = isRemoved ? " (removed from the cluster)" : ""
        return "node \(id): \(state ?? role.rawValue)\(removal)\(reason) in term \(currentTerm); \(log)"
    }
}

/// A durable snapshot. Never one that is being built or received.
public struct SnapshotStatus: Sendable, Hashable {
    public var id: SnapshotID
    /// The last entry whose effect it shows.
    public var last: LogID
    public var byteCount: UInt64

    init(_ manifest: SnapshotManifest) {
        id = manifest.id
        last = manifest.last
        byteCount = manifest.byteCount
    }
}

/// How far a leader has come with passing its leadership on.
public struct TransferStatus: Sendable, Hashable {
    public var target: NodeID
    /// It was told to campaign; before, it is brought up to date.
    public var isTold: Bool
    /// How many entries it is behind.
    public var lag: UInt64
}

/// What a leader knows of one other member.
public struct PeerStatus: Sendable, Hashable {
    public var id: NodeID
    /// How far the peer's log is known to be durable and equal to the leader's.
    public var matchIndex: LogIndex
    /// The next entry to send to it.
    public var nextIndex: LogIndex
    /// How many appends are on their way to it without an answer.
    public var inflightCount: Int
    /// Where the logs agree is not known yet: appends go one at a time.
    public var isProbing: Bool
    /// It is being sent a snapshot, since what it needs next was purged.
    public var isReceivingSnapshot: Bool
    /// Whether a stream to it stands.
    public var isReachable: Bool
    /// Why it is not reachable; nil while it is.
    public var lastFailure: String?
    /// How long ago it last answered.
    public var sinceHeard: Duration
    /// How many entries of the leader's log it is not known to hold.
    public var lag: UInt64
    /// How long it has been steady: answering, and near the end of the log, at every heartbeat. Nil when it is not. Known
    /// to one leader: each begins anew.
    public var steadyFor: Duration?

    init(_ progress: Progress, last: LogIndex, now: Instant) {
        id = progress.peer
        matchIndex = progress.matchIndex
        nextIndex = progress.nextIndex
        inflightCount = progress.inflight.count
        isProbing = progress.state == .probe
        isReceivingSnapshot = if case .snapshot = progress.state { true } else { false }
        isReachable = progress.stream != nil
        lastFailure = progress.lastFailure
        sinceHeard = now - progress.heardAt
        lag = progress.lag(behind: last)
        steadyFor = progress.steadySince.map { now - $0 }
    }
}
