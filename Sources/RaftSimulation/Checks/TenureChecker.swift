internal import Raft

/// Watches terms, votes and offices from outside: who begins a term, who leads it, and for how long.
///
/// Everything here is what the disks, the network and the statuses showed; nothing is what a node says of its own
/// reasons.
struct TenureChecker {
    /// What is known of one running node.
    private struct Watch {
        var role = NodeRole.stopped
        var term: Term = 0
        /// When it took this office in this term.
        var since: Int64
        /// When it last heard, or did, what starts its election timer again.
        var resetAt: Int64
        /// When each other node's last message arrived.
        var heard: [NodeID: Int64] = [:]
        /// How far its log was durable, and since when that is behind its end.
        var durable: LogIndex = 0
        var behindSince: Int64?
        /// Since when something has been wrong at every look, and when the last look was.
        var wrongSince: Int64?
        var lookedAt: Int64
    }

    private let heartbeat: Int64
    private let minimumTimeout: Int64
    private let maximumTimeout: Int64
    /// I9: terms that began on the disk of a candidate.
    private var begun: Set<Term> = [0]
    /// I1: durable votes.
    private var votes: [Term: [NodeID: NodeID]] = [:]
    private var elected: [Term: NodeID] = [:]
    private var watches: [NodeID: Watch] = [:]

    init(limits: Configuration) {
        heartbeat = limits.heartbeatInterval.nanoseconds
        minimumTimeout = limits.electionTimeout.lowerBound.nanoseconds
        maximumTimeout = limits.electionTimeout.upperBound.nanoseconds
    }

    /// A clock that drifts, and everything that takes a moment.
    private func late(_ timeout: Int64) -> Int64 { timeout * 5 / 4 + heartbeat * 2 + 100_000_000 }

    // MARK: Disks

    mutating func stored(_ state: HardState, on node: NodeID) -> Violation? {
        if state.votedFor == node { begun.insert(state.currentTerm) }
        if let vote = state.votedFor { votes[state.currentTerm, default: [:]][node] = vote }
        guard !begun.contains(state.currentTerm) else { return nil }
        return Violation(
            invariant: "I9", text: "node \(node) stored \(state), a term that nobody has begun by a vote for itself")
    }

    /// What a start found: a write that was under way in the crash may be there.
    mutating func recovered(_ state: HardState, on node: NodeID) {
        _ = stored(state, on: node)
        begun.insert(state.currentTerm)
    }

    mutating func ended(_ node: NodeID) { watches[node] = nil }

    // MARK: Messages

    mutating func granted(by node: NodeID, now: Int64) { watches[node]?.resetAt = now }

    mutating func arrived(from sender: NodeID, at node: NodeID, now: Int64) {
        guard let watch = watches[node] else { return }
        watches[node]?.heard[sender] = now
        if elected[watch.term] == sender { watches[node]?.resetAt = now }
    }

    // MARK: Offices

    /// - Parameters:
    ///   - isWriting: the disk has something to do.
    ///   - pausedUntil: the end of its last pause.
    mutating func look(at status: NodeStatus, now: Int64, isWriting: Bool, pausedUntil: Int64) -> Violation? {
        let node = status.id
        var watch = watches[node] ?? Watch(since: now, resetAt: now, lookedAt: now)
        defer {
            watch.lookedAt = now
            watches[node] = watch
        }
        if watch.role != status.role || watch.term != status.currentTerm {
            watch.role = status.role
            watch.term = status.currentTerm
            watch.since = now
            watch.resetAt = now
            watch.wrongSince = nil
        }
        if watch.durable != status.durableIndex || status.durableIndex == status.last.index {
            watch.durable = status.durableIndex
            watch.behindSince = nil
        }
        if status.durableIndex < status.last.index, watch.behindSince == nil { watch.behindSince = now }
        guard let configuration = status.configuration else { return nil }
        switch status.role {
        case .leader:
            if let violation = election(status, configuration) { return violation }
            return isHeld(lasting(watch, status, configuration, now), &watch, now)
        case .follower:
            if isWriting || !configuration.isVoter(node) { watch.resetAt = now }
            let idle = now - max(watch.resetAt, pausedUntil)
            guard idle > late(maximumTimeout) + 200_000_000 else { return nil }
            return Violation(
                invariant: "I25",
                text:
                    "node \(node) follows in term \(status.currentTerm), has heard no leader for \(idle / 1_000_000) ms and does not campaign"
            )
        case .candidate, .learner, .stopped: return nil
        }
    }

    /// I1: whoever leads has the durable votes of a quorum.
    private mutating func election(_ status: NodeStatus, _ configuration: ClusterConfiguration) -> Violation? {
        guard elected[status.currentTerm] == nil else { return nil }
        elected[status.currentTerm] = status.id
        let votes = votes[status.currentTerm] ?? [:]
        guard !Quorum(configuration).isReached(where: { votes[$0] == status.id }) else { return nil }
        let voters = votes.filter { $0.value == status.id }.keys.sorted()
        return Violation(
            invariant: "I1", text: "node \(status.id) leads term \(status.currentTerm) with the votes of \(voters) only"
        )
    }

    /// I25: why this leader should not be one any more; nil when it may.
    private func lasting(
        _ watch: Watch, _ status: NodeStatus, _ configuration: ClusterConfiguration, _ now: Int64
    ) -> String? {
        let isHeard = Quorum(configuration).isReached { id in
            id == status.id || now - max(watch.heard[id] ?? 0, watch.since) <= late(maximumTimeout)
        }
        if !isHeard { return "heard no quorum for more than \(maximumTimeout / 1_000_000) ms" }
        if configuration.voters.count > 1, let since = watch.behindSince, now - since > late(minimumTimeout) {
            return "its disk has not answered for \((now - since) / 1_000_000) ms"
        }
        return nil
    }

    /// A leader that was held up itself may need a moment: it must have been looked at all the while.
    private func isHeld(_ reason: String?, _ watch: inout Watch, _ now: Int64) -> Violation? {
        guard let reason else {
            watch.wrongSince = nil
            return nil
        }
        let grace = heartbeat * 4 + 100_000_000
        guard let since = watch.wrongSince, now - watch.lookedAt < grace else {
            watch.wrongSince = now
            return nil
        }
        guard now - since > grace else { return nil }
        return Violation(invariant: "I25", text: "the leader of term \(watch.term) leads on: \(reason)")
    }
}
