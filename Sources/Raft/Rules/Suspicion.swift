/// That the leader has died: its connection to this node ended without a goodbye. The Raft papers wait for the election
/// timeout; a machine that refuses a connection at the leader's address says it at once.
///
/// It clears the mark of having heard a leader, which keeps a node from voting (dissertation §4.2.3), and nothing else.
/// So a wrong one costs an election, never an entry; and it is never held where leases rest on that mark.
struct Suspicion: Sendable, Equatable {
    let leader: NodeID
    let term: Term
    /// When the connection ended: what was heard later speaks against it.
    let since: Instant
}

extension Suspicion {
    /// Nil where the end of a connection with `peer` says nothing.
    init?(of peer: NodeID, _ baton: borrowing Baton) {
        guard peer == baton.leader, baton.mayVote, Self.isAllowed(baton), !Mutant.isOn("dead-leader-awaited") else {
            return nil
        }
        leader = peer
        term = baton.currentTerm
        since = baton.now
    }

    /// Nobody listens at the leader's address any more. Returns whether this node now believes that it is gone.
    func confirm(_ baton: inout Baton, _ effects: inout Effects) -> Bool {
        guard baton.leader == leader, baton.currentTerm == term, Self.isAllowed(baton),
            baton.leaderHeardAt.map({ $0 <= since }) ?? true
        else {
            baton.settings.reached(.suspicionDropped)
            return false
        }
        baton.settings.reached(.leaderFoundGone)
        effects.note("the leader, node \(leader), is gone: its connection broke, and nothing listens at its address")
        baton.leader = nil
        baton.leaderHeardAt = nil
        return true
    }

    /// Never where leases are allowed: they rest on the mark.
    private static func isAllowed(_ baton: borrowing Baton) -> Bool {
        baton.membership.current?.leaseWindow == nil || Mutant.isOn("leader-forgotten-under-lease")
    }
}
