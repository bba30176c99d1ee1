internal import Raft

/// I16, before a wrong value shows: a leader serves a read only after a quorum has answered a round of heartbeats that
/// began after the read had come (dissertation §6.4).
///
/// Knows nothing of how a leader counts: only which rounds left, and who has answered them.
struct ReadChecker {
    private struct Round {
        var term: Term
        var number: UInt64
        /// When the first heartbeat of it left.
        var began: Int64
    }

    /// The newest rounds of each leader, in order.
    private var rounds: [NodeID: [Round]] = [:]
    /// Of each leader: when the newest round began that each peer has answered.
    private var answered: [NodeID: [NodeID: Int64]] = [:]

    mutating func sent(_ heartbeat: HeartbeatRequest, now: Int64) {
        let leader = heartbeat.leader
        if let newest = rounds[leader]?.last, (newest.term, newest.number) >= (heartbeat.term, heartbeat.round) {
            return
        }
        rounds[leader, default: []].append(Round(term: heartbeat.term, number: heartbeat.round, began: now))
        if rounds[leader]!.count > 64 { rounds[leader]!.removeFirst(32) }
    }

    mutating func answers(_ reply: HeartbeatReply, _ peer: NodeID, to leader: NodeID) {
        guard !reply.isRejected,
            let round = rounds[leader]?.last(where: { $0.term == reply.term && $0.number == reply.round })
        else { return }
        answered[leader, default: [:]][peer] = max(answered[leader]?[peer] ?? 0, round.began)
    }

    /// - Parameters:
    ///   - time: when the read came.
    ///   - configurations: any of which may be the one that the leader has counted by.
    func isConfirmed(by leader: NodeID, since time: Int64, _ configurations: [ClusterConfiguration]) -> Bool {
        configurations.contains { configuration in
            configuration.isDecided { $0 == leader || answered[leader]?[$0] ?? .min >= time }
        }
    }
}
