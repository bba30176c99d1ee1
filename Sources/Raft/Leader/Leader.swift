// The leader.
// Owns the node's state while it holds the baton, what it knows of each peer, and the callers who wait.
// Takes every message of the node's mailbox; its ReplicationStreams carry what it decides to the peers.
// Never counts itself before its own disk has answered; never leads on without a quorum in contact.
// Started by the Supervisor when a candidate has won; ends with a higher term, without a quorum, or to stop.

actor Leader: Role {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    nonisolated let name = NodeRole.leader
    nonisolated(unsafe) let tenure: Tenure<LeaderRules>
    /// Kept alive here: an unowned executor keeps nothing alive.
    private let loop: any Loop

    init(loop: any Loop) {
        self.loop = loop
        unownedExecutor = loop.asUnownedSerialExecutor()
        tenure = Tenure(rules: LeaderRules())
    }
}
