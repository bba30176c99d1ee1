// How the members are: who is steady, who is ready for a vote, and how many may fail.

extension LeaderRules {
    /// Notes who is steady. Called once a heartbeat.
    mutating func noteSteadiness(_ baton: borrowing Baton) {
        let settings = baton.settings
        for at in progress.indices {
            let peer = progress[at]
            let isSteady =
                peer.stream != nil && baton.now - peer.heardAt < settings.electionTimeout.lowerBound
                && peer.state == .replicate
                && peer.lag(behind: baton.log.last.index) <= UInt64(settings.maximumReplicationLag)
            progress[at].noteSteady(isSteady, now: baton.now)
        }
    }

    /// Gives a vote to one learner that asks for it, has caught up and has been steady for long enough; one at a time, as
    /// every change. Called once a heartbeat.
    mutating func promoteReady(_ baton: inout Baton, _ effects: inout Effects) {
        guard let configuration = baton.membership.current,
            configuration.members.contains(where: \.isPromotedWhenReady)
        else { return }
        guard transfer == nil, !baton.isStopping, membership.isIdle, baton.commitIndex >= opening,
            baton.isConfigurationCommitted, !configuration.isJoint
        else { return }
        for learner in configuration.members where learner.isPromotedWhenReady {
            guard let at = position(of: learner.id), let since = progress[at].steadySince,
                baton.now - since >= baton.settings.steadyInterval
            else { continue }
            let outcome = MembershipChange.outcome(of: .promote(learner.id), in: bound(configuration, baton)) {
                unfitness(of: $0, baton)
            }
            switch outcome {
            case .unchanged: break
            case .next(let next):
                leadership.unpromoted.removeAll { $0.learner == learner.id }
                baton.settings.reached(.learnerPromotedItself)
                effects.note("term \(baton.currentTerm): learner \(learner.id) is ready, and is given a vote")
                return enter(next, &baton, &effects)
            case .refused(let error):
                noteUnpromoted(learner.id, error.message, baton, &effects)
            }
        }
    }

    /// One line for each reason, not one a heartbeat.
    private mutating func noteUnpromoted(
        _ learner: NodeID, _ reason: String, _ baton: borrowing Baton, _ effects: inout Effects
    ) {
        guard !leadership.unpromoted.contains(where: { $0.learner == learner && $0.reason == reason }) else { return }
        leadership.unpromoted.removeAll { $0.learner == learner }
        leadership.unpromoted.append((learner, reason))
        baton.settings.reached(.selfPromotionRefused)
        effects.warn("term \(baton.currentTerm): learner \(learner) is not given a vote: \(reason)")
    }

    /// Of the peers only now and then.
    func report(into status: inout NodeStatus, withPeers: Bool, _ baton: borrowing Baton) {
        guard withPeers || baton.membership.current?.leaseWindow != nil else { return }
        status.leaseExpiry = leaseExpiry(baton)
        guard withPeers else { return }
        let last = baton.log.last.index
        status.transfer = transfer.map { transfer in
            TransferStatus(
                target: transfer.target, isTold: transfer.isSent,
                lag: position(of: transfer.target).map { progress[$0].lag(behind: last) } ?? 0)
        }
        status.peers = progress.map { PeerStatus($0, last: last, now: baton.now) }
        status.failureTolerance = failureTolerance(baton)
    }

    /// How many more voters may fail before nothing can be committed any more: of those that answer, in the worse of two
    /// sets while the voters change.
    private func failureTolerance(_ baton: borrowing Baton) -> Int? {
        guard let configuration = baton.membership.current else { return nil }
        let (me, now, limit) = (baton.me, baton.now, baton.settings.electionTimeout.lowerBound)
        return configuration.voterSets.map { set in
            let answering = set.count { id in
                id == me || progress.contains { $0.peer == id && $0.stream != nil && now - $0.heardAt < limit }
            }
            return answering - Quorum.majority(of: set.count)
        }.min()
    }
}
