// Passing the office on, and stopping.

extension LeaderRules {
    /// Whether reads may be served now, by rounds of heartbeats: not while leadership is passed on. They wait, and go on
    /// if that fails.
    var servesReads: Bool { transfer == nil }

    // MARK: Beginning

    mutating func beginTransfer(
        to wish: NodeID?, _ ticket: CompletionTicket, _ baton: borrowing Baton, _ effects: inout Effects
    ) {
        if let refusal = refusal(ofTransferTo: wish, baton) {
            effects.add(.fail([ticket], refusal))
            return
        }
        guard let target = wish ?? fittestSuccessor(baton) else { return }
        pass(to: target, .asked, ticket, baton, &effects)
    }

    private mutating func pass(
        to target: NodeID, _ cause: LeadershipTransfer.Cause, _ ticket: CompletionTicket?, _ baton: borrowing Baton,
        _ effects: inout Effects
    ) {
        let limit = Mutant.isOn("transfer-without-end") ? .seconds(1 << 32) : baton.settings.electionTimeout.lowerBound
        transfer = LeadershipTransfer(target: target, cause: cause, deadline: baton.now + limit, ticket: ticket)
        let reason =
            switch cause {
            case .asked: ""
            case .stopping: ", since this node is to stop"
            case .neverLeads: ", since this node is never to lead"
            case .isPreferred: ", which is preferred"
            }
        effects.note("term \(baton.currentTerm): passes leadership to node \(target)\(reason)")
    }

    /// Why an operator's wish cannot be tried; nil when it can.
    private func refusal(ofTransferTo wish: NodeID?, _ baton: borrowing Baton) -> RaftError? {
        guard let configuration = baton.membership.current, membership.leavesAt == nil else { return baton.notLeader() }
        if wish == baton.me {
            return RaftError(.alreadyLeader, "node \(baton.me) leads term \(baton.currentTerm) already")
        }
        if let transfer {
            return RaftError(
                .transferInProgress,
                "leadership is being passed to node \(transfer.target) already; try again when that is through")
        }
        if configuration.isJoint {
            return RaftError(
                .changeInProgress,
                "the voters are changing from \(configuration.voterSets[0]) to \(configuration.voterSets[1]); pass leadership on when that is through"
            )
        }
        guard let target = wish else {
            guard fittestSuccessor(baton) == nil else { return nil }
            return RaftError(
                .noSuccessor,
                "no other voter that may lead answers and is near the end of the log; see what keeps them in the status of node \(baton.me)"
            )
        }
        guard configuration.contains(target) else {
            return RaftError(
                .unknownNode, "node \(target) is not a member; members are \(configuration.members.map(\.id))")
        }
        guard configuration.isVoter(target) else {
            return RaftError(.notAVoter, "node \(target) is a learner; promote it first")
        }
        guard configuration.preference(of: target) != .never else {
            return RaftError(.mayNotLead, "node \(target) is never to lead; change its preference first")
        }
        return position(of: target).flatMap { unfitness(toLead: progress[$0], baton) }
    }

    private func unfitness(toLead peer: Progress, _ baton: borrowing Baton) -> RaftError? {
        let silence = baton.now - peer.heardAt
        // A stream that never stood was perhaps only not begun yet: the transfer finds out.
        if peer.stream == nil, let reason = peer.lastFailure {
            return RaftError(.targetSilent, "node \(peer.peer) cannot be reached: \(reason)")
        }
        if silence >= baton.settings.electionTimeout.lowerBound {
            return RaftError(.targetSilent, "node \(peer.peer) has not answered for \(silence); see whether it runs")
        }
        if case .snapshot = peer.state {
            return RaftError(.targetLags, "node \(peer.peer) is being sent a snapshot; wait until it has that")
        }
        let lag = peer.lag(behind: baton.log.last.index)
        // Nothing is known of its log before the first answer.
        guard peer.matchIndex > 0, lag > UInt64(baton.settings.maximumReplicationLag) else { return nil }
        return RaftError(
            .targetLags,
            "node \(peer.peer) is \(lag) entries behind; at most \(baton.settings.maximumReplicationLag) are allowed (maximumReplicationLag)"
        )
    }

    // MARK: Who should lead

    /// The best voter to lead next: in contact, near the end of the log; of those one that is preferred, and then one whose
    /// log is nearest.
    ///
    /// - Parameters:
    ///   - includesNever: for a leader that must go: one that is never to lead is better than nobody.
    ///   - isWanted: what else must be so.
    func fittestSuccessor(
        _ baton: borrowing Baton, includesNever: Bool = false, where isWanted: (Progress) -> Bool = { _ in true }
    ) -> NodeID? {
        successors(baton) { $0 != .never || includesNever }.filter(isWanted).max { a, b in
            let ranks = (rank(of: a.peer, baton), rank(of: b.peer, baton))
            return ranks.0 == ranks.1 ? a.matchIndex < b.matchIndex : ranks.0 < ranks.1
        }?.peer
    }

    private func rank(of peer: NodeID, _ baton: borrowing Baton) -> Int {
        baton.membership.current?.preference(of: peer).rank ?? 0
    }

    private func successors(
        _ baton: borrowing Baton, where isWanted: (LeadershipPreference) -> Bool
    ) -> [Progress] {
        guard let configuration = baton.membership.current else { return [] }
        var found: [Progress] = []
        for peer in progress
        where peer.stream != nil && configuration.isVoter(peer.peer)
            && isWanted(configuration.preference(of: peer.peer))
        {
            if unfitness(toLead: peer, baton) == nil { found.append(peer) }
        }
        return found
    }

    /// Lets somebody lead who should rather: anybody else for one that is never to lead, a steady preferred member for one
    /// that is not preferred. Never between two of one rank, so leadership does not go to and fro. Called once a heartbeat.
    mutating func tendLeadership(_ baton: borrowing Baton, _ effects: inout Effects) {
        guard transfer == nil, !baton.isStopping, membership.leavesAt == nil, baton.commitIndex >= opening,
            baton.isConfigurationCommitted, baton.membership.current?.isJoint == false
        else { return }
        let settings = baton.settings
        switch baton.preference {
        case .preferred where !Mutant.isOn("preferred-to-and-fro"): return
        case .never:
            settings.reached(.neverLeaderLed)
            if let failedAt = leadership.failedAt, baton.now - failedAt < settings.electionTimeout.upperBound * 3 {
                return
            }
            guard let target = fittestSuccessor(baton), !Mutant.isOn("never-leader-stays") else { return }
            pass(to: target, .neverLeads, nil, baton, &effects)
        case .ordinary, .preferred:
            guard baton.now - max(leadership.failedAt ?? .zero, leadership.since) >= settings.preferenceInterval
            else { return }
            let now = baton.now
            let steady = successors(baton) { $0 == .preferred }.filter { peer in
                peer.steadySince.map { now - $0 >= settings.steadyInterval } ?? false
            }
            guard let target = steady.max(by: { $0.matchIndex < $1.matchIndex })?.peer else { return }
            pass(to: target, .isPreferred, nil, baton, &effects)
        }
    }

    // MARK: Going on with it

    /// Tells the target to campaign, once it holds the whole log.
    mutating func finishTransfer(_ baton: borrowing Baton, _ effects: inout Effects) {
        guard let current = transfer, !current.isSent, let at = position(of: current.target),
            progress[at].stream != nil, progress[at].matchIndex == baton.log.last.index
        else { return }
        transfer?.isSent = true
        tellToCampaign(at, baton, &effects)
    }

    mutating func tellToCampaign(_ at: Int, _ baton: borrowing Baton, _ effects: inout Effects) {
        guard let stream = progress[at].stream else { return }
        endLease(baton)
        let request = TimeoutNowRequest(term: baton.currentTerm, leader: baton.me, lastLog: baton.log.last)
        effects.add(.timeoutNow(progress[at].peer, stream, request))
    }

    /// The order may be lost on its way. A second one does no harm: its term is over by then.
    mutating func repeatOrder(_ baton: borrowing Baton, _ effects: inout Effects) {
        reconsiderSuccessor(baton)
        let told = if let transfer { transfer.isSent ? transfer.target : nil } else { membership.successor }
        guard let told, let at = position(of: told) else { return }
        baton.settings.reached(.timeoutNowRepeated)
        tellToCampaign(at, baton, &effects)
    }

    // MARK: Ending

    mutating func fail(_ failed: LeadershipTransfer, _ baton: inout Baton, _ effects: inout Effects) {
        transfer = nil
        baton.settings.reached(.transferFailed)
        baton.settings.reached(.transferTimedOut)
        switch failed.cause {
        case .neverLeads, .isPreferred: leadership.failedAt = baton.now
        case .asked, .stopping: break
        }
        let lag = position(of: failed.target).map { progress[$0].lag(behind: baton.log.last.index) } ?? 0
        let reason =
            failed.isSent
            ? "node \(failed.target) was told to campaign and has not won in time"
            : "node \(failed.target) did not catch up in time; it is \(lag) entries behind"
        effects.warn("term \(baton.currentTerm): transfer failed: \(reason); goes on leading")
        if let ticket = failed.ticket {
            effects.add(
                .fail([ticket], RaftError(.transferTimedOut, "\(reason); node \(baton.me) goes on leading")))
        }
    }

    /// The office is over: passed on, if somebody was told to take it and a later term has begun.
    mutating func endTransfer(_ baton: borrowing Baton, _ effects: inout Effects) {
        guard let ended = transfer.take() else { return }
        if ended.isSent, baton.currentTerm > leadership.term {
            baton.settings.reached(.transferSucceeded)
            if ended.cause == .neverLeads { baton.settings.reached(.neverLeaderHandedOver) }
            if ended.cause == .isPreferred { baton.settings.reached(.leadershipMovedToPreferred) }
            if let ticket = ended.ticket { effects.add(.succeed(ticket)) }
        } else if let ticket = ended.ticket {
            baton.settings.reached(.transferFailed)
            let error = RaftError(
                .transferFailed,
                ended.isSent
                    ? "node \(baton.me) lost its leadership after node \(ended.target) was told to campaign; see who leads"
                    : "leadership was lost before it could be passed on; see who leads",
                outcome: ended.isSent ? .unknown : .nothingHappened)
            effects.add(.fail([ticket], error))
        }
    }

    /// Passes the office on first if somebody can take it. Without a ticket the node's last owner is gone: nobody keeps
    /// it alive until a transfer ends, so it stops at once.
    mutating func stop(
        _ ticket: CompletionTicket?, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict {
        baton.isStopping = true
        guard let ticket else { return .become(.stopped(nil)) }
        baton.stopRequests.append(ticket)
        if transfer == nil, let target = fittestSuccessor(baton, includesNever: true) {
            pass(to: target, .stopping, nil, baton, &effects)
        }
        return transfer == nil ? .become(.stopped(nil)) : .stay
    }
}
