/// What every role but the leader does with its own devices and with callers that only a leader can serve.
enum Housekeeping {
    /// Nil when the message is the role's own business.
    static func handle(_ message: Message, _ baton: inout Baton, _ effects: inout Effects) -> Verdict? {
        switch message {
        case .propose(let proposal):
            passOn(proposal, baton, &effects)
        case .read(let ticket, .local):
            effects.add(.serveReads([ticket], at: 0))
        case .read(let ticket, .atLeast(let index)):
            baton.awaitIndex(index, ticket, &effects)
        case .read(let ticket, .noOlderThan(let age)):
            guard let index = baton.freshness.index(noOlderThan: age, now: baton.now, baton.settings) else {
                return nil
            }
            baton.settings.reached(.staleReadServed)
            effects.add(.serveReads([ticket], at: index))
        case .request(.readIndex(let request), let path):
            baton.refuse(request, path, &effects)
        case .transfer(_, let ticket):
            effects.add(.fail([ticket], baton.notLeader()))
        case .changeMembership(let order):
            effects.add(.fail([order.ticket], baton.notLeader()))
        case .removed(let member):
            noteRemoval(by: member, &baton, &effects)
        case .durable(let id):
            if baton.finishWrites(through: id, &effects) { baton.orderApply(&effects) { _ in [] } }
        case .applied(let index):
            baton.noteApplied(through: index)
            baton.orderApply(&effects) { _ in [] }
        case .writeFailed(let error), .applyFailed(let error):
            return .become(.stopped(error))
        case .logRoom(let shortage):
            baton.noteLogRoom(shortage, &effects)
        case .stop(let ticket):
            baton.isStopping = true
            if let ticket { baton.stopRequests.append(ticket) }
            return .become(.stopped(nil))
        case .reply(.readIndex, _), .read:
            return nil
        case .reply, .streamStarted, .streamEnded:
            break  // Of a tenure that is over.
        case .pushSnapshot(_, let ticket):
            effects.add(.fail([ticket], baton.notLeader()))
        case .triggerSnapshot, .snapshotBuilt, .snapshotFailed, .snapshotUnreadable, .snapshotInstalled:
            _ = Snapshotting.handle(message, &baton, &effects)
        case .request, .initialize, .connectionBroke, .found, .tick, .overslept, .snapshotPiece:
            return nil
        }
        return .stay
    }

    /// To the leader that this node follows, once: what came from another member is not passed on.
    private static func passOn(_ proposal: Proposal, _ baton: borrowing Baton, _ effects: inout Effects) {
        guard proposal.forward != nil, let leader = baton.leaderHint, leader.id != baton.me else {
            return effects.add(.fail([proposal.ticket], baton.notLeader()))
        }
        effects.add(.forward(leader, proposal))
    }

    /// Believed until a leader is heard: whoever says so has the removal committed.
    static func noteRemoval(by member: NodeID, _ baton: inout Baton, _ effects: inout Effects) {
        guard baton.removedBy == nil else { return }
        baton.removedBy = member
        effects.warn(
            "this node was removed from the cluster, node \(member) says; it campaigns no more. Stop it, or add it again with an empty data directory"
        )
    }

    static func refuseInitialize(_ ticket: CompletionTicket, _ baton: borrowing Baton, _ effects: inout Effects) {
        effects.add(
            .fail(
                [ticket],
                RaftError(
                    .alreadyInitialized,
                    "node \(baton.me) already belongs to a cluster: its log ends at \(baton.log.last), in term \(baton.currentTerm). Change members through the leader instead"
                )))
    }
}
