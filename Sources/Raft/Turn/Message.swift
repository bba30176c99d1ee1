/// Everything that a node can be told. One mailbox takes them all, and the role in office answers each.
enum Message: Sendable {
    // From callers.
    case propose(Proposal)
    case read(Ticket, ReadConsistency = .linearizable)
    case initialize(ClusterConfiguration, CompletionTicket)
    case transfer(to: NodeID?, CompletionTicket)
    indirect case changeMembership(MembershipOrder)
    case stop(CompletionTicket?)
    case triggerSnapshot(SnapshotTicket)
    case pushSnapshot(to: NodeID?, SnapshotTicket)

    // From peers.
    case request(PeerRequest, reply: any ReplyPath)
    case reply(PeerReply, from: NodeID)

    /// A connection on which this member called ended, and it did not say goodbye.
    case connectionBroke(from: NodeID)
    /// Nothing listens at its address.
    case found(Suspicion)

    // From this node's own devices.
    case durable(WriteID)
    case writeFailed(RaftError)
    /// The log's disk is full, or nearly so; nil: it has room again.
    case logRoom(RaftError?)
    case applied(through: LogIndex)
    case applyFailed(RaftError)
    indirect case snapshotBuilt(SnapshotManifest)
    case snapshotFailed(SnapshotID, RaftError)
    /// One of this node's own was to be sent, and its bytes are not what was written.
    case snapshotUnreadable(SnapshotID, RaftError)
    indirect case snapshotPiece(SnapshotPieceResult)
    /// The state machine has taken it over.
    indirect case snapshotInstalled(SnapshotManifest)
    /// A stream stands, to this life of the peer; zero where the transport does not tell.
    case streamStarted(NodeID, StreamID, incarnation: Incarnation = Incarnation(rawValue: 0))
    case streamEnded(NodeID, StreamID, reason: String)

    /// This member refused to talk to this node, because it was removed.
    case removed(by: NodeID)

    // From the clock.
    case tick
    /// The loop was held up this long past the moment at which the role wanted to be woken.
    case overslept(Duration)
}

/// What became of a piece of a snapshot that a leader has sent.
struct SnapshotPieceResult: Sendable {
    enum Outcome: Sendable {
        case written(through: UInt64)
        /// It was the last one: the snapshot is whole, and durable under its name.
        case durable
        case failed(RaftError)
    }
    var manifest: SnapshotManifest
    var outcome: Outcome
    /// The way back to the leader, and the stream it sends in place of.
    var stream: StreamID
    var path: any ReplyPath
}
