// The learner: a node that follows without a vote, or belongs to no cluster yet.
// Owns the node's state while it holds the baton.
// Takes every message of the node's mailbox; follows as a follower does, and can be initialised when pristine.
// Never campaigns.
// Started by the Supervisor; ends when a configuration gives it a vote.

actor Learner: Role {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    nonisolated let name = NodeRole.learner
    nonisolated(unsafe) let tenure: Tenure<LearnerRules>
    /// Kept alive here: an unowned executor keeps nothing alive.
    private let loop: any Loop

    init(loop: any Loop) {
        self.loop = loop
        unownedExecutor = loop.asUnownedSerialExecutor()
        tenure = Tenure(rules: LearnerRules())
    }
}
