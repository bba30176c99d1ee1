/// Everything that a node can be told. One mailbox takes them all, and the role in office answers each.
enum Message: Sendable {
    // From callers.
    case propose(Proposal)
    case read(Ticket)
    case initialize(ClusterConfiguration, CompletionTicket)
    case transfer(to: NodeID?, CompletionTicket)
    case stop(CompletionTicket?)

    // From peers.
    case request(PeerRequest, reply: any ReplyPath)
    case reply(PeerReply, from: NodeID)

    // From this node's own devices.
    case durable(WriteID)
    case writeFailed(RaftError)
    case applied(through: LogIndex)
    case applyFailed(RaftError)
    case streamStarted(NodeID, StreamID)
    case streamEnded(NodeID, StreamID, reason: String)

    // From the clock.
    case tick
    /// The loop was held up this long past the moment at which the role wanted to be woken.
    case overslept(Duration)
}
