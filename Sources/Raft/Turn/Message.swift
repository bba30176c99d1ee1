/// Everything that a node can be told. One mailbox takes them all, and the role in office answers each.
enum Message: Sendable {
    // From callers.
    case propose(Proposal)
    case read(Ticket)
    case initialize(ClusterConfiguration, CompletionTicket)
    case transfer(to: NodeID?, CompletionTicket)
    case changeMembership(MembershipOrder)
    case stop(CompletionTicket?)

    // From peers.
    case request(PeerRequest, reply: any ReplyPath)
    case reply(PeerReply, from: NodeID)

    // From this node's own devices.
    case durable(WriteID)
    case writeFailed(RaftError)
    case applied(through: LogIndex)
    case applyFailed(RaftError)
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
