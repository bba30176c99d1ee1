// The candidate: a voter that campaigns.
// Owns the node's state while it holds the baton, and the votes of the present round.
// Takes every message of the node's mailbox; counts votes, yields to a leader of its term.
// Never asks for a vote before its own is on disk, and never counts one of another round.
// Started by the Supervisor when an election timer runs out or a leader passes its office on; ends elected or not.

actor Candidate: Role {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    nonisolated let name = NodeRole.candidate
    nonisolated(unsafe) let tenure: Tenure<CandidateRules>
    /// Kept alive here: an unowned executor keeps nothing alive.
    private let loop: any Loop

    init(loop: any Loop, isTransfer: Bool) {
        self.loop = loop
        unownedExecutor = loop.asUnownedSerialExecutor()
        tenure = Tenure(rules: CandidateRules(isTransfer: isTransfer))
    }
}
