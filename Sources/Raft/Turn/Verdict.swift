/// Which role comes next.
enum NextRole: Sendable, Hashable {
    case follower
    /// With the transfer flag (dissertation §3.10): no pre-vote, and voters do not refuse because they hear a leader.
    case candidate(isTransfer: Bool)
    case leader
    case learner
    case stopped(RaftError?)

    static func == (a: NextRole, b: NextRole) -> Bool {
        switch (a, b) {
        case (.follower, .follower), (.leader, .leader), (.learner, .learner): true
        case (.candidate(let x), .candidate(let y)): x == y
        case (.stopped(let x), .stopped(let y)): x?.code == y?.code
        default: false
        }
    }
    func hash(into hasher: inout Hasher) {
        switch self {
        case .follower: hasher.combine(0)
        case .candidate(let flag): hasher.combine(flag ? 2 : 1)
        case .leader: hasher.combine(3)
        case .learner: hasher.combine(4)
        case .stopped: hasher.combine(5)
        }
    }
}

/// What a role makes of one message.
enum Verdict: Sendable, Hashable {
    /// Handled; the role goes on.
    case stay
    /// Handled; another role takes over.
    case become(NextRole)
    /// Not handled: another role takes over, and answers this message.
    case handOver(NextRole)
}

/// The rules of one role: decisions only. No I/O, no clock, no randomness of their own, no `await`, nothing thrown.
protocol RoleRules: Sendable {
    /// Takes office. Called once, before any message.
    mutating func begin(_ baton: inout Baton, _ effects: inout Effects) -> Verdict
    mutating func handle(_ message: Message, _ baton: inout Baton, _ effects: inout Effects) -> Verdict
    /// Does once what many messages of one turn asked for. Called when no message is left, or the role ends.
    mutating func endTurn(_ baton: inout Baton, _ effects: inout Effects)
    /// Leaves office: lets go of everyone who waits for this role.
    mutating func end(_ baton: inout Baton, _ effects: inout Effects)
    /// The log behind this entry is still wanted by somebody, and must not be purged; nil for nobody.
    var heldIndex: LogIndex? { get }
    /// When it wants to be woken by `.tick`; nil for never.
    func deadline(_ baton: borrowing Baton) -> Instant?
    /// What the node's status says that only this role knows; with `withPeers` also what costs a look at every peer.
    func report(into status: inout NodeStatus, withPeers: Bool, _ baton: borrowing Baton)
}

extension RoleRules {
    var heldIndex: LogIndex? { nil }
    mutating func endTurn(_ baton: inout Baton, _ effects: inout Effects) {}
    mutating func end(_ baton: inout Baton, _ effects: inout Effects) {}
    func report(into status: inout NodeStatus, withPeers: Bool, _ baton: borrowing Baton) { status.endLeadership() }
}
