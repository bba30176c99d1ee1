public import Raft

/// What one node knows of itself and of the cluster.
public struct MemberStatus: Hashable, Sendable {
    public struct Member: Hashable, Sendable {
        public let id: NodeID
        public let address: String
        public let isVoter: Bool
        /// The one life of it that is this member; nil as long as none is bound.
        public let incarnation: Incarnation?
        public init(id: NodeID, address: String, isVoter: Bool, incarnation: Incarnation? = nil) {
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
        public init(id: NodeID, matchIndex: LogIndex, isReachable: Bool) {
            self.id = id
            self.matchIndex = matchIndex
            self.isReachable = isReachable
        }
    }

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
    /// Why the node has stopped; nil while it runs.
    public var stopReason: String?

    public init(
        id: NodeID, cluster: String, role: String, term: Term, leader: LeaderHint?, last: LogID, commit: LogIndex,
        applied: LogIndex, snapshot: LogIndex, members: [Member], configuration: LogID = .zero, isJoint: Bool = false,
        isRemoved: Bool = false, peers: [Peer], stopReason: String?
    ) {
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
