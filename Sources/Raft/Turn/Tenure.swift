internal import DequeModule

/// One role's time in office: its rules, and the baton while it holds it. The turn is the same in every role.
///
/// Not `Sendable`: it lives inside one role actor.
final class Tenure<Rules: RoleRules> {
    private(set) var rules: Rules
    private var baton: Baton?
    private var effects = Effects()

    init(rules: Rules) { self.rules = rules }

    /// Takes the baton, and with it the office. Returns who comes next if that ends at once.
    func begin(_ taken: consuming Baton, now: Instant) -> NextRole? {
        baton = consume taken
        return begin(&baton!, now)
    }

    private func begin(_ held: inout Baton, _ now: Instant) -> NextRole? {
        held.now = now
        let before = TurnInvariants(held)
        let verdict = rules.begin(&held, &effects)
        return finish(&held, verdict, before)
    }

    /// Decides on every message that waits. Synchronous and pure: nothing suspends, nothing is done. Returns who comes
    /// next when the office has ended.
    func turn(_ messages: inout [Message], now: Instant) -> NextRole? {
        guard baton != nil else { return nil }
        // In its place: a baton is some hundred words long.
        return turn(&baton!, &messages, now)
    }

    private func turn(_ held: inout Baton, _ messages: inout [Message], _ now: Instant) -> NextRole? {
        held.now = now
        held.inbox.append(contentsOf: messages)
        messages.removeAll(keepingCapacity: true)
        let before = TurnInvariants(held)
        var verdict = Verdict.stay
        while verdict == .stay, let message = held.inbox.popFirst() {
            verdict = rules.handle(message, &held, &effects)
            if case .handOver = verdict {
                held.inbox.prepend(message)
                held.handOverCount += 1
            } else {
                held.handOverCount = 0
            }
        }
        return finish(&held, verdict, before)
    }

    private func finish(_ held: inout Baton, _ verdict: Verdict, _ before: TurnInvariants) -> NextRole? {
        var next: NextRole?
        switch verdict {
        case .stay:
            rules.endTurn(&held, &effects)
            Snapshotting.maintain(&held, held: rules.heldIndex, &effects)
        case .become(let role), .handOver(let role):
            next = role
            rules.end(&held, &effects)
        }
        held.serveIndexReads(&effects)
        var bug: String?
        if let violation = before.violation(held) {
            bug = "a rule of this node was broken, a bug: \(violation)"
        } else if held.handOverCount > 3 {
            bug = "a message was handed over \(held.handOverCount) times, a bug"
        }
        if let bug {
            if next == nil { rules.end(&held, &effects) }
            let error = RaftError(.invariantViolated, bug, outcome: .unknown)
            effects.abandon(error)
            next = .stopped(error)
        }
        return next
    }

    /// Gives the baton up. Nil when it is held by nobody here.
    func surrender() -> Baton? { baton.take() }

    func takeEffects() -> [Effect] { effects.takeAll() }

    /// When this role wants to be woken.
    var deadline: Instant? { withBaton { baton, rules in rules.deadline(baton) } ?? nil }

    /// Looks at the baton, and at the rules, where they are. Nil when it is held by nobody here.
    @inline(__always)
    func withBaton<Result>(_ body: (inout Baton, inout Rules) -> Result) -> Result? {
        guard baton != nil else { return nil }
        return body(&baton!, &rules)
    }
}
