// The follower: a voter that follows.
// Owns the node's state while it holds the baton, and the moment at which it will campaign.
// Takes every message of the node's mailbox; answers peers, refuses callers with a hint.
// Never waits, never touches disk or network itself: its turn decides, the devices act.
// Started by the Supervisor; ends when it hands the baton on.

actor Follower: Role {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    nonisolated let name = NodeRole.follower
    nonisolated(unsafe) let tenure: Tenure<FollowerRules>
    /// Kept alive here: an unowned executor keeps nothing alive.
    private let loop: any Loop

    init(loop: any Loop) {
        self.loop = loop
        unownedExecutor = loop.asUnownedSerialExecutor()
        tenure = Tenure(rules: FollowerRules())
    }
}
