// Passing the office on, and stopping.

extension LeaderRules {
    mutating func beginTransfer(
        to wish: NodeID?, _ ticket: CompletionTicket?, _ baton: borrowing Baton, _ effects: inout Effects
    ) {
        func refuse(_ reason: String) {
            if let ticket { effects.add(.fail([ticket], RaftError(.transferFailed, reason))) }
        }
        if wish == baton.me {
            if let ticket { effects.add(.succeed(ticket)) }
            return
        }
        if let transfer {
            refuse("leadership is being passed to node \(transfer.target) already")
            return
        }
        guard let target = wish ?? fittestSuccessor(baton) else {
            refuse("no other voter can be reached")
            return
        }
        guard baton.membership.current?.isVoter(target) == true else {
            refuse("node \(target) is not a voter")
            return
        }
        transfer = LeadershipTransfer(
            target: target, deadline: baton.now + baton.settings.electionTimeout.lowerBound, ticket: ticket)
        effects.note("term \(baton.currentTerm): passes leadership to node \(target)")
    }

    /// The voter in contact whose log is nearest to this one's.
    func fittestSuccessor(_ baton: borrowing Baton) -> NodeID? {
        let limit = baton.settings.electionTimeout.lowerBound
        let now = baton.now
        return progress.filter {
            $0.stream != nil && now - $0.heardAt < limit && baton.membership.current?.isVoter($0.peer) == true
        }.max { $0.matchIndex < $1.matchIndex }?.peer
    }

    /// Tells the target to campaign, once it holds the whole log.
    mutating func finishTransfer(_ baton: borrowing Baton, _ effects: inout Effects) {
        guard let current = transfer, !current.isSent, let at = position(of: current.target),
            let stream = progress[at].stream, progress[at].matchIndex == baton.log.last.index
        else { return }
        transfer?.isSent = true
        endLease(baton)
        let request = TimeoutNowRequest(term: baton.currentTerm, leader: baton.me, lastLog: baton.log.last)
        effects.add(.timeoutNow(current.target, stream, request))
    }

    mutating func fail(_ failed: LeadershipTransfer, _ baton: inout Baton, _ effects: inout Effects) {
        transfer = nil
        baton.settings.reached(.transferFailed)
        let reason =
            failed.isSent
            ? "node \(failed.target) was told to campaign and has not won in time"
            : "node \(failed.target) did not catch up in time"
        effects.warn("term \(baton.currentTerm): transfer failed: \(reason); goes on leading")
        if let ticket = failed.ticket { effects.add(.fail([ticket], RaftError(.transferFailed, reason))) }
    }

    /// Passes the office on first if somebody can take it. Without a ticket the node's last owner is gone: nobody keeps
    /// it alive until a transfer ends, so it stops at once.
    mutating func stop(
        _ ticket: CompletionTicket?, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict {
        baton.isStopping = true
        guard let ticket else { return .become(.stopped(nil)) }
        baton.stopRequests.append(ticket)
        if transfer == nil { beginTransfer(to: nil, nil, baton, &effects) }
        return transfer == nil ? .become(.stopped(nil)) : .stay
    }
}
