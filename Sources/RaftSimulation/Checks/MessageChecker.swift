internal import Raft

/// What a message claims, against what its sender had been told before, or could know.
struct MessageChecker {
    /// Who was ordered to campaign, in which term, by whoever led it.
    private var orders: [NodeID: Set<Term>] = [:]
    /// What was acknowledged anywhere when a node first sent a mark; the newest marks of each.
    private var marks: [NodeID: [(mark: UInt64, owed: LogIndex)]] = [:]
    /// The last entry that a client was told of.
    private var acknowledged: LogIndex = 0

    mutating func acknowledged(through index: LogIndex) { acknowledged = max(acknowledged, index) }

    mutating func ordered(_ node: NodeID, toCampaignIn term: Term) { orders[node, default: []].insert(term) }

    /// I1, before it shows: a vote request that passes by those who hear a leader was ordered by the leader before.
    func violation(of vote: VoteRequest) -> Violation? {
        guard vote.isTransfer, vote.phase == .vote,
            orders[vote.candidate]?.contains(Term(vote.term.rawValue &- 1)) != true
        else { return nil }
        return Violation(
            invariant: "I1",
            text: "node \(vote.candidate) asks for votes in term \(vote.term) as ordered, but no leader has ordered it")
    }

    mutating func sent(_ reply: HeartbeatReply, by node: NodeID) {
        guard reply.mark != 0, marks[node]?.contains(where: { $0.mark == reply.mark }) != true else { return }
        marks[node, default: []].append((reply.mark, acknowledged))
        if marks[node]!.count > 512 { marks[node]!.removeFirst(256) }
    }

    /// I16, before a read is served by it: what a leader shows a follower to be committed includes all that was
    /// acknowledged before the follower made its mark.
    func violation(of heartbeat: HeartbeatRequest, to node: NodeID) -> Violation? {
        guard heartbeat.freshMark != 0, let mark = marks[node]?.last(where: { $0.mark == heartbeat.freshMark }),
            heartbeat.freshIndex < mark.owed
        else { return nil }
        return Violation(
            invariant: "I16",
            text:
                "leader \(heartbeat.leader) shows node \(node) entry \(heartbeat.freshIndex) for a mark that owes \(mark.owed)"
        )
    }
}
