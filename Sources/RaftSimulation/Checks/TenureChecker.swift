internal import Raft

/// Watches terms, votes and offices from outside: who begins a term, who leads it, and for how long.
///
/// Everything here is what the disks, the network and the statuses showed; nothing is what a node says of its own
/// reasons.
final class TenureChecker {
    /// What is known of one running node.
    fileprivate final class Watch {
        var role = NodeRole.stopped
        var term: Term = 0
        /// When it took this office in this term.
        var since: Int64
        /// When it last heard, or did, what starts its election timer again.
        var resetAt: Int64
        /// When each other node's last message arrived.
        var heard = NodeTable<Int64>()
        /// How far its log was durable, and since when that is behind its end.
        var durable: LogIndex = 0
        var behindSince: Int64?
        /// Since when something has been wrong at every look, and when the last look was.
        var wrongSince: Int64?
        var lookedAt: Int64
        /// The newest of its configurations, and whether it has a vote by it.
        var configuration: ClusterConfiguration?
        var configurationID = LogID.zero
        var isVoter = false
        /// Whom it passes leadership to, and since when.
        var successor: NodeID?
        var passesSince: Int64 = 0
        /// How many times as long as others it waits before it campaigns; and from its next wait on, where that is less:
        /// the one that is under way began under another configuration.
        var patience: Int64 = 1
        var nextPatience: Int64 = 1

        init(at now: Int64) {
            since = now
            resetAt = now
            lookedAt = now
        }

        func take(_ status: NodeStatus, now: Int64) {
            if role != status.role || term != status.currentTerm {
                role = status.role
                term = status.currentTerm
                since = now
                startTimer(now: now)
                wrongSince = nil
                successor = nil
            }
            if successor != status.transfer?.target {
                successor = status.transfer?.target
                passesSince = now
            }
            if durable != status.durableIndex || status.durableIndex == status.last.index {
                durable = status.durableIndex
                behindSince = nil
            }
            if status.durableIndex < status.last.index, behindSince == nil { behindSince = now }
            guard configuration == nil || configurationID != status.configurationID else { return }
            configuration = status.configuration
            configurationID = status.configurationID
            isVoter = configuration?.isVoter(status.id) == true
            nextPatience = configuration?.preference(of: status.id) == .never ? 3 : 1
            patience = max(patience, nextPatience)
        }

        func startTimer(now: Int64) {
            resetAt = now
            patience = nextPatience
        }
    }

    fileprivate struct Limits {
        let heartbeat: Int64
        let minimumTimeout: Int64
        let maximumTimeout: Int64

        /// A clock that drifts, and everything that takes a moment.
        func late(_ timeout: Int64) -> Int64 { timeout * 5 / 4 + heartbeat * 2 + 100_000_000 }
    }

    private let limits: Limits
    /// I9: terms that began on the disk of a candidate.
    private var begun: Set<Term> = [0]
    /// I1: durable votes.
    private var votes: [Term: [NodeID: NodeID]] = [:]
    private var elected: [Term: NodeID] = [:]
    private var watches = NodeTable<Watch>()

    init(limits: Configuration) {
        self.limits = Limits(
            heartbeat: limits.heartbeatInterval.nanoseconds,
            minimumTimeout: limits.electionTimeout.lowerBound.nanoseconds,
            maximumTimeout: limits.electionTimeout.upperBound.nanoseconds)
    }

    // MARK: Disks

    func stored(_ state: HardState, on node: NodeID) -> Violation? {
        if state.votedFor == node { begun.insert(state.currentTerm) }
        if let vote = state.votedFor { votes[state.currentTerm, default: [:]][node] = vote }
        guard !begun.contains(state.currentTerm) else { return nil }
        return Violation(
            invariant: "I9", text: "node \(node) stored \(state), a term that nobody has begun by a vote for itself")
    }

    /// What a start found: a write that was under way in the crash may be there.
    func recovered(_ state: HardState, on node: NodeID) {
        _ = stored(state, on: node)
        begun.insert(state.currentTerm)
    }

    func ended(_ node: NodeID) { watches[node] = nil }

    // MARK: Messages

    func granted(by node: NodeID, now: Int64) { watches[node]?.startTimer(now: now) }

    func arrived(from sender: NodeID, at node: NodeID, now: Int64) {
        guard let watch = watches[node] else { return }
        watch.heard[sender] = now
        // Perhaps no longer as leader: such a message is no reason to wait less than what is being waited for.
        if elected[watch.term] == sender { watch.resetAt = now }
    }

    /// What only a leader sends has arrived: its follower's wait begins anew, by the configuration in force.
    func led(by leader: NodeID, in term: Term, at node: NodeID, now: Int64) {
        guard let watch = watches[node], watch.term == term, elected[term] == leader else { return }
        watch.startTimer(now: now)
    }

    // MARK: Offices

    /// - Parameters:
    ///   - isWriting: the disk has something to do.
    ///   - pausedUntil: the end of its last pause.
    func look(at status: NodeStatus, now: Int64, isWriting: Bool, pausedUntil: Int64) -> Violation? {
        let node = status.id
        if watches[node] == nil { watches[node] = Watch(at: now) }
        watches[node]!.take(status, now: now)
        if status.role == .leader, let configuration = status.configuration,
            let violation = election(status, configuration)
        {
            return violation
        }
        return lookAgain(at: node, now: now, isWriting: isWriting, pausedUntil: pausedUntil)
    }

    /// Nothing was written to its status since the last look: only time went on.
    func lookAgain(at node: NodeID, now: Int64, isWriting: Bool, pausedUntil: Int64) -> Violation? {
        watches[node]?.violation(of: node, now: now, isWriting: isWriting, pausedUntil: pausedUntil, limits)
    }

    /// I1: whoever leads has the durable votes of a quorum.
    private func election(_ status: NodeStatus, _ configuration: ClusterConfiguration) -> Violation? {
        guard elected[status.currentTerm] == nil else { return nil }
        elected[status.currentTerm] = status.id
        let votes = votes[status.currentTerm] ?? [:]
        guard !configuration.isDecided(by: { votes[$0] == status.id }) else { return nil }
        let voters = votes.filter { $0.value == status.id }.keys.sorted()
        return Violation(
            invariant: "I1", text: "node \(status.id) leads term \(status.currentTerm) with the votes of \(voters) only"
        )
    }
}

extension TenureChecker.Watch {
    /// I25: an office that should have ended by now.
    fileprivate func violation(
        of node: NodeID, now: Int64, isWriting: Bool, pausedUntil: Int64, _ limits: TenureChecker.Limits
    ) -> Violation? {
        guard let configuration else { return nil }
        defer { lookedAt = now }
        switch role {
        case .leader: return isHeld(lasting(node, configuration, now, limits), now, limits)
        case .follower:
            if isWriting || !isVoter { resetAt = now }
            let idle = now - max(resetAt, pausedUntil)
            guard idle > limits.late(limits.maximumTimeout * patience) + 200_000_000 else { return nil }
            return Violation(
                invariant: "I25",
                text:
                    "node \(node) follows in term \(term), has heard no leader for \(idle / 1_000_000) ms and does not campaign"
            )
        case .candidate, .learner, .stopped: return nil
        }
    }

    /// Why this leader should not be one any more; nil when it may.
    private func lasting(
        _ node: NodeID, _ configuration: ClusterConfiguration, _ now: Int64, _ limits: TenureChecker.Limits
    ) -> String? {
        let isHeard = configuration.isDecided { id in
            id == node || now - max(heard[id] ?? 0, since) <= limits.late(limits.maximumTimeout)
        }
        if !isHeard { return "heard no quorum for more than \(limits.maximumTimeout / 1_000_000) ms" }
        if configuration.voters.count > 1, let since = behindSince, now - since > limits.late(limits.minimumTimeout) {
            return "its disk has not answered for \((now - since) / 1_000_000) ms"
        }
        // One that ends may be followed by another in the same moment, so it has the time of two.
        if let successor, now - passesSince > limits.late(limits.minimumTimeout * 2) {
            return "it has been passing leadership to node \(successor) for \((now - passesSince) / 1_000_000) ms"
        }
        return nil
    }

    /// A leader that was held up itself may need a moment: it must have been looked at all the while.
    private func isHeld(_ reason: String?, _ now: Int64, _ limits: TenureChecker.Limits) -> Violation? {
        guard let reason else {
            wrongSince = nil
            return nil
        }
        let grace = limits.heartbeat * 4 + 100_000_000
        guard let since = wrongSince, now - lookedAt < grace else {
            wrongSince = now
            return nil
        }
        guard now - since > grace else { return nil }
        return Violation(invariant: "I25", text: "the leader of term \(term) leads on: \(reason)")
    }
}
