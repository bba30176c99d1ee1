/// A voter that follows (§5.2): answers its leader and candidates, and campaigns when it hears neither.
struct FollowerRules: RoleRules {
    /// A leader that has passed its office on stays this long before it stops: its successor may need its vote.
    private var stopAt: Instant?
    private var reads = RemoteReads()

    mutating func begin(_ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        if baton.isStopping {
            stopAt = baton.now + baton.settings.heartbeatInterval
            return .stay
        }
        // Nobody else can lead, and nobody else must be asked. It still campaigns: never in its old term (D16).
        // Unless a leader is heard, which has just made it one and may not know yet that this is committed.
        if baton.membership.current?.isSoleVoter(baton.me) == true, baton.leader == nil, baton.mayVote,
            baton.leaseOwedUntil == nil
        {
            baton.settings.reached(.soleVoterCampaigned)
            return .become(.candidate(isTransfer: false))
        }
        baton.resetElectionTimer()
        return .stay
    }

    mutating func handle(_ message: Message, _ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        if Mutant.isOn("any-request-resets-timer"), case .request = message { baton.resetElectionTimer() }
        if let verdict = TermGate.check(
            message, isPassive: true, hearsLeader: { $0.hasHeardLeaderRecently }, &baton, &effects)
        {
            return verdict
        }
        if let verdict = Housekeeping.handle(message, &baton, &effects) { return verdict }
        switch message {
        case .request(.append(let request), let path):
            return afterConfiguration(Following.append(request, path, &baton, &effects), baton)
        case .request(.heartbeat(let request), let path):
            let verdict = afterConfiguration(Following.heartbeat(request, path, &baton, &effects), baton)
            return verdict == .stay && baton.mayVote && baton.leaseOwedUntil == nil
                && baton.settings.disturbs(.earlyCampaign)
                ? .become(.candidate(isTransfer: false)) : verdict
        case .request(.snapshot(let request), let path):
            return afterConfiguration(Following.snapshot(request, path, &baton, &effects), baton)
        case .snapshotPiece(let piece):
            return afterConfiguration(Following.wrote(piece, &baton, &effects), baton)
        case .request(.vote(let request), let path):
            if Voting.answer(request, path, &baton, &effects) { baton.resetElectionTimer() }
            return .stay
        case .request(.timeoutNow(let request), _):
            return timeoutNow(request, baton)
        case .connectionBroke(let peer):
            if let suspicion = Suspicion(of: peer, baton) { effects.add(.probe(suspicion)) }
            return .stay
        case .found(let suspicion):
            if suspicion.confirm(&baton, &effects) { baton.hastenElection() }
            return .stay
        case .initialize(_, let ticket):
            Housekeeping.refuseInitialize(ticket, baton, &effects)
            return .stay
        case .read(let ticket, let consistency):
            reads.add(ticket, consistency, baton, &effects)
            return .stay
        case .reply(.readIndex(let reply), let from):
            reads.note(reply, from: from, &baton, &effects)
            return .stay
        case .tick:
            reads.tick(baton, &effects)
            return tick(&baton, &effects)
        case .overslept(let duration):
            reads.tick(baton, &effects)
            if stopAt != nil { return tick(&baton, &effects) }
            baton.settings.reached(.followerOverslept)
            effects.warn("held up for \(duration); election timer started again")
            baton.resetElectionTimer()
            return .stay
        default:
            return .stay
        }
    }

    /// A configuration that was appended, or came back by truncation, or is known to be committed now, may have taken the
    /// vote away.
    private func afterConfiguration(_ verdict: Verdict, _ baton: borrowing Baton) -> Verdict {
        verdict == .stay && !baton.mayCampaign ? .become(.learner) : verdict
    }

    private func tick(_ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        if let stopAt { return baton.now >= stopAt ? .become(.stopped(nil)) : .stay }
        guard baton.electionTimer.isDue(baton.now) else { return .stay }
        // Who was removed, or has not been bound to this life yet, has no vote to begin with.
        guard baton.removedBy == nil, baton.mayVote else {
            baton.resetElectionTimer()
            return .stay
        }
        // The leader that it heard may serve reads in the trust that this node elects nobody else yet.
        if let owedUntil = baton.leaseOwedUntil {
            baton.electionTimer.set(owedUntil)
            return .stay
        }
        // A disk that does not answer could not store a vote either.
        if baton.oldestWriteAge > baton.settings.electionTimeout.lowerBound {
            baton.settings.reached(.campaignHeldBack)
            effects.warn("no campaign: a log write is out for \(baton.oldestWriteAge)")
            baton.resetElectionTimer()
            return .stay
        }
        return .become(.candidate(isTransfer: false))
    }

    /// Obeyed only from the leader of this very term, and only with the log that it speaks of (R35).
    private func timeoutNow(_ request: TimeoutNowRequest, _ baton: borrowing Baton) -> Verdict {
        guard baton.mayVote, request.term == baton.currentTerm, request.leader == baton.leader,
            baton.log.term(at: request.lastLog.index) == request.lastLog.term
        else {
            baton.settings.reached(.timeoutNowIgnored)
            return .stay
        }
        baton.settings.reached(.timeoutNowObeyed)
        return .become(.candidate(isTransfer: true))
    }

    mutating func endTurn(_ baton: inout Baton, _ effects: inout Effects) { reads.endTurn(&baton, &effects) }

    mutating func end(_ baton: inout Baton, _ effects: inout Effects) {
        reads.fail("this node follows no more", baton, &effects)
    }

    func deadline(_ baton: borrowing Baton) -> Instant? {
        earliest(stopAt ?? baton.electionTimer.deadline, reads.deadline)
    }
}
