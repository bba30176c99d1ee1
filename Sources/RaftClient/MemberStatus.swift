public import Raft

/// What one node knows of itself and of the cluster.
public struct MemberStatus: Hashable, Sendable {
    /// One member, as the node's configuration has it.
    public struct Member: Hashable, Sendable {
        /// Who it is, where it listens, and whether it votes.
        public let id: NodeID
        public let address: String
        public let isVoter: Bool
        /// The one life of it that is this member; nil as long as none is bound.
        public let incarnation: Incarnation?
        /// Whether it should lead, may, or must not.
        public let preference: LeadershipPreference
        /// Of a learner: it is given a vote by itself once it is ready.
        public let isPromotedWhenReady: Bool
        public init(
            id: NodeID, address: String, isVoter: Bool, incarnation: Incarnation? = nil,
            preference: LeadershipPreference = .ordinary, isPromotedWhenReady: Bool = false
        ) {
            self.preference = preference
            self.isPromotedWhenReady = isPromotedWhenReady
            self.id = id
            self.address = address
            self.isVoter = isVoter
            self.incarnation = incarnation
        }
    }

    /// How a leader sees one of its peers.
    public struct Peer: Hashable, Sendable {
        public let id: NodeID
        /// The last entry that it is known to hold.
        public let matchIndex: LogIndex
        public let isReachable: Bool
        /// How long ago it last answered.
        public let heardBefore: Duration
        /// How long it has been answering, and near the end of the log, at every heartbeat; nil when it is not.
        public let steadyFor: Duration?
        public init(
            id: NodeID, matchIndex: LogIndex, isReachable: Bool, heardBefore: Duration = .zero,
            steadyFor: Duration? = nil
        ) {
            self.heardBefore = heardBefore
            self.steadyFor = steadyFor
            self.id = id
            self.matchIndex = matchIndex
            self.isReachable = isReachable
        }
    }

    /// How far a leader has come with passing its leadership on.
    public struct Transfer: Hashable, Sendable {
        public let target: NodeID
        /// It was told to campaign; before, it is brought up to date.
        public let isTold: Bool
        /// How many entries it is behind.
        public let lag: UInt64
        public init(target: NodeID, isTold: Bool, lag: UInt64) {
            self.target = target
            self.isTold = isTold
            self.lag = lag
        }
    }

    /// How long what a node shows and trusts is good. Times are seconds since 1970-01-01 UTC.
    public struct Certificates: Hashable, Sendable {
        /// Who its certificate says it is.
        public var identity: String
        public var notAfter: Int64
        /// Whole days from now until then, by the node's clock; below zero once it has passed.
        public var daysLeft: Int
        /// The first of the authorities that it trusts to expire; 0 when none is good any more.
        public var authorityNotAfter: Int64
        /// When the first of its revocation lists is due; nil without lists.
        public var listNextUpdate: Int64?
        public var revokedCount: UInt64
        /// Since it started: how often its files were taken, could not be, and how many connections that ended.
        public var reloadCount: UInt64
        public var failureCount: UInt64
        public var droppedCount: UInt64
        /// What an operator should do something about.
        public var problem: String?

        public init(
            identity: String, notAfter: Int64, daysLeft: Int, authorityNotAfter: Int64, listNextUpdate: Int64? = nil,
            revokedCount: UInt64 = 0, reloadCount: UInt64 = 0, failureCount: UInt64 = 0, droppedCount: UInt64 = 0,
            problem: String? = nil
        ) {
            self.identity = identity
            self.notAfter = notAfter
            self.daysLeft = daysLeft
            self.authorityNotAfter = authorityNotAfter
            self.listNextUpdate = listNextUpdate
            self.revokedCount = revokedCount
            self.reloadCount = reloadCount
            self.failureCount = failureCount
            self.droppedCount = droppedCount
            self.problem = problem
        }
    }

    /// Which node, of which cluster.
    public var id: NodeID
    public var cluster: String
    /// `follower`, `candidate`, `leader`, `learner` or `stopped`.
    public var role: String
    public var term: Term
    /// Who leads, as far as it knows.
    public var leader: LeaderHint?
    /// The last entry of its log.
    public var last: LogID
    public var commit: LogIndex
    public var applied: LogIndex
    /// The last entry in its newest snapshot; zero when it has none.
    public var snapshot: LogIndex
    /// The newest configuration in its log, sorted by id.
    public var members: [Member]
    /// The entry that holds it: what a guarded change names.
    public var configuration: LogID
    /// The voters are changing: from one set to another.
    public var isJoint: Bool
    /// The node was removed from the cluster.
    public var isRemoved: Bool
    /// On a leader only, sorted by id.
    public var peers: [Peer]
    /// On a leader only: how many more voters may fail before nothing can be committed any more; below zero when too few
    /// answer.
    public var failureTolerance: Int?
    /// On a leader that is passing its leadership on.
    public var transfer: Transfer?
    /// Why its log has no room for more, or soon will have none: the disk is full. As leader it takes no commands
    /// meanwhile. Nil while there is room.
    public var logShortage: String?
    /// Why the node has stopped; nil while it runs.
    public var stopReason: String?
    /// nil from a node that does not tell.
    public var certificates: Certificates?

    public init(
        id: NodeID, cluster: String, role: String, term: Term, leader: LeaderHint?, last: LogID, commit: LogIndex,
        applied: LogIndex, snapshot: LogIndex, members: [Member], configuration: LogID = .zero, isJoint: Bool = false,
        isRemoved: Bool = false, peers: [Peer], failureTolerance: Int? = nil, transfer: Transfer? = nil,
        logShortage: String? = nil, stopReason: String?, certificates: Certificates? = nil
    ) {
        self.certificates = certificates
        self.logShortage = logShortage
        self.failureTolerance = failureTolerance
        self.transfer = transfer
        self.configuration = configuration
        self.isJoint = isJoint
        self.isRemoved = isRemoved
        self.id = id
        self.cluster = cluster
        self.role = role
        self.term = term
        self.leader = leader
        self.last = last
        self.commit = commit
        self.applied = applied
        self.snapshot = snapshot
        self.members = members
        self.peers = peers
        self.stopReason = stopReason
    }
}
