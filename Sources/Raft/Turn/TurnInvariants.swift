/// What may change between two looks at a node, checked at the end of every turn, in release builds too.
/// A violation is a bug of ours: the node stops with it as the reason. Nothing that comes from the network or
/// the disk can cause one.
struct TurnInvariants: Sendable {
    private let hardState: HardState
    private let commitIndex: LogIndex
    private let lastApplied: LogIndex
    private let applyOrdered: LogIndex
    private let last: LogID
    private let purged: LogIndex

    init(_ baton: borrowing Baton) {
        hardState = baton.hardState
        commitIndex = baton.commitIndex
        lastApplied = baton.lastApplied
        applyOrdered = baton.applyOrdered
        last = baton.log.last
        purged = baton.log.purged.index
    }

    /// The first rule that the step from then to now breaks; nil when none.
    func violation(_ now: borrowing Baton) -> String? {
        if now.hardState.currentTerm < hardState.currentTerm {
            return "currentTerm went back from \(hardState.currentTerm) to \(now.hardState.currentTerm)"
        }
        if now.hardState.currentTerm == hardState.currentTerm, let vote = hardState.votedFor,
            now.hardState.votedFor != vote
        {
            return "the vote of term \(hardState.currentTerm) changed from \(vote)"
        }
        if now.commitIndex < commitIndex { return "commitIndex went back from \(commitIndex) to \(now.commitIndex)" }
        if now.lastApplied < lastApplied { return "lastApplied went back from \(lastApplied) to \(now.lastApplied)" }
        if now.applyOrdered < applyOrdered { return "apply went back from \(applyOrdered) to \(now.applyOrdered)" }
        if now.lastApplied > now.applyOrdered { return "entry \(now.lastApplied) was applied without being told to" }
        if now.applyOrdered > now.commitIndex { return "apply of \(now.applyOrdered) is above \(now.commitIndex)" }
        if now.commitIndex > now.log.last.index { return "commitIndex is above the log's end \(now.log.last)" }
        if now.durableIndex > now.log.last.index { return "more is durable than the log's end \(now.log.last)" }
        if now.log.last.term > now.currentTerm { return "the log ends at \(now.log.last), above the current term" }
        if now.log.purged.index < purged { return "the log's beginning went back from \(purged) to \(now.log.purged)" }
        if now.log.purged.index > purged, now.log.purged.index > now.snapshots.newest?.last.index ?? 0 {
            return "the log was purged through \(now.log.purged), above the newest snapshot"
        }
        if now.log.last.index < commitIndex { return "the log was cut to \(now.log.last), below \(commitIndex)" }
        return nil
    }
}
