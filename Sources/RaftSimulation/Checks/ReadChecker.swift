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

    /// What a leader counted by until it changed the configuration, and who had answered it by then.
    private struct Past {
        var configuration: ClusterConfiguration
        var ended: Int64
        var answered: [NodeID: Int64]
    }

    /// The newest rounds of each leader, in order.
    private var rounds: [NodeID: [Round]] = [:]
    /// Of each leader: when the newest round began that each peer has answered.
    private var answered: [NodeID: [NodeID: Int64]] = [:]
    /// The newest of each node.
    private var past: [NodeID: [Past]] = [:]

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

    /// A node counts by another configuration from now on. A read that a quorum of this one has confirmed by now may still
    /// wait for what is before it in the log.
    mutating func changed(_ node: NodeID, from configuration: ClusterConfiguration, now: Int64) {
        past[node, default: []].append(
            Past(configuration: configuration, ended: now, answered: answered[node] ?? [:]))
        if past[node]!.count > 32 { past[node]!.removeFirst(16) }
    }

    /// - Parameters:
    ///   - time: when the read came.
    ///   - configurations: any of which may be the one that the leader counts by now.
    func isConfirmed(by leader: NodeID, since time: Int64, _ configurations: [ClusterConfiguration]) -> Bool {
        func isDecided(_ configuration: ClusterConfiguration, _ answered: [NodeID: Int64]) -> Bool {
            configuration.isDecided { $0 == leader || answered[$0] ?? .min >= time }
        }
        return configurations.contains { isDecided($0, answered[leader] ?? [:]) }
            || past[leader]?.contains { $0.ended >= time && isDecided($0.configuration, $0.answered) } == true
    }
}
