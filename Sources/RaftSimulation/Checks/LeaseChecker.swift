internal import Raft

/// I17: while a leader could serve a read by its lease, at this very moment of true time, nobody else has committed in a
/// later term.
///
/// Stricter than what its readers need: a leader that is paused, or asks nobody, is held to it too. Clocks drift in the
/// simulation by no more than ``Configuration/maximumClockDrift``.
enum LeaseChecker {
    static func violation(_ nodes: [SimulatedNode], _ checker: SafetyChecker) -> Violation? {
        guard let newest = checker.committed.last?.id.term else { return nil }
        // Of this cluster: a recovery makes another one.
        for node in nodes where node.checker === checker {
            guard let lease = node.lease, newest > lease.term, node.now < lease.expiry else { continue }
            return Violation(
                invariant: "I17",
                text:
                    "node \(node.id) may serve reads by its lease of term \(lease.term) for \(lease.expiry - node.now) more, and term \(newest) has committed"
            )
        }
        return nil
    }
}
