internal import DequeModule

/// One role's time in office: its rules, and the baton while it holds it. The turn is the same in every role.
///
/// Not `Sendable`: it lives inside one role actor.
final class Tenure<Rules: RoleRules> {
    private(set) var rules: Rules
    private var baton: Baton?
    private var effects = Effects()

    init(rules: Rules) { self.rules = rules }

    /// How the turn ended.
    enum End {
        case goesOn
        case next(NextRole)
    }

    /// Takes the baton, and with it the office.
    func begin(_ taken: consuming Baton, now: Instant) -> End {
        var held = taken
        held.now = now
        let before = TurnInvariants(held)
        let verdict = rules.begin(&held, &effects)
        return finish(held, verdict, before)
    }

    /// Decides on every message that waits. Synchronous and pure: nothing suspends, nothing is done.
    func turn(_ messages: inout [Message], now: Instant) -> End {
        guard var held = baton.take() else { return .goesOn }
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
        return finish(held, verdict, before)
    }

    private func finish(_ decided: consuming Baton, _ verdict: Verdict, _ before: TurnInvariants) -> End {
        var held = decided
        var next: NextRole?
        switch verdict {
        case .stay:
            rules.endTurn(&held, &effects)
            Snapshotting.maintain(&held, held: rules.heldIndex, &effects)
        case .become(let role), .handOver(let role):
            next = role
            rules.end(&held, &effects)
        }
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
        baton = consume held
        return next.map(End.next) ?? .goesOn
    }

    /// Gives the baton up. Nil when it is held by nobody here.
    func surrender() -> Baton? { baton.take() }

    func takeEffects() -> [Effect] { effects.takeAll() }

    /// When this role wants to be woken.
    var deadline: Instant? {
        guard baton != nil else { return nil }
        return rules.deadline(baton!)
    }

    func withBaton<Result>(_ body: (borrowing Baton, Rules) -> Result) -> Result? {
        guard baton != nil else { return nil }
        return body(baton!, rules)
    }
}
