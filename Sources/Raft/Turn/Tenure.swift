internal import DequeModule

/// One role's time in office: its rules, and the baton while it holds it. The turn is the same in every role.
///
/// Not `Sendable`: it lives inside one role actor.
final class Tenure<Rules: RoleRules> {
    // Unchecked: one turn at a time, each from its beginning to its end, and the runtime would look at every use.
    @exclusivity(unchecked) private(set) var rules: Rules
    @exclusivity(unchecked) private var baton: Baton?
    @exclusivity(unchecked) private var effects = Effects()
    /// Storage that the turn before has emptied.
    @exclusivity(unchecked) private var emptied: [Effect] = []

    init(rules: Rules) { self.rules = rules }

    /// Takes the baton, and with it the office. Returns who comes next if that ends at once.
    func begin(_ taken: consuming Baton, now: Instant) -> NextRole? {
        baton = consume taken
        return Self.begin(&rules, &baton!, &effects, now)
    }

    /// Decides on every message that waits. Synchronous and pure: nothing suspends, nothing is done. Returns who comes
    /// next when the office has ended.
    func turn(_ messages: inout [Message], now: Instant) -> NextRole? {
        guard baton != nil else { return nil }
        // Everything in its place: a baton is some hundred words long, and so are a leader's rules.
        return Self.turn(&rules, &baton!, &effects, &messages, now)
    }

    private static func begin(
        _ rules: inout Rules, _ held: inout Baton, _ effects: inout Effects, _ now: Instant
    ) -> NextRole? {
        held.now = now
        let before = TurnInvariants(held)
        let verdict = rules.begin(&held, &effects)
        return finish(&rules, &held, &effects, verdict, before)
    }

    private static func turn(
        _ rules: inout Rules, _ held: inout Baton, _ effects: inout Effects, _ messages: inout [Message],
        _ now: Instant
    ) -> NextRole? {
        held.now = now
        let before = TurnInvariants(held)
        var verdict = Verdict.stay
        // What the baton brought along came before.
        while verdict == .stay, let message = held.inbox.popFirst() {
            verdict = rules.handle(message, &held, &effects)
            if !isTaken(verdict, &held) { held.inbox.prepend(message) }
        }
        var next = 0
        while verdict == .stay, next < messages.count {
            verdict = rules.handle(messages[next], &held, &effects)
            if isTaken(verdict, &held) { next += 1 }
        }
        if next < messages.count { held.inbox.append(contentsOf: messages[next...]) }
        messages.empty()
        return finish(&rules, &held, &effects, verdict, before)
    }

    /// Whether the message was answered here, or is left in front for the role that it was handed over to.
    private static func isTaken(_ verdict: Verdict, _ held: inout Baton) -> Bool {
        if case .handOver = verdict {
            held.handOverCount += 1
            return false
        }
        held.handOverCount = 0
        return true
    }

    private static func finish(
        _ rules: inout Rules, _ held: inout Baton, _ effects: inout Effects, _ verdict: Verdict,
        _ before: TurnInvariants
    ) -> NextRole? {
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

    /// Hands over what the turn has decided, if that is anything.
    @inline(__always)
    func perform(_ body: ([Effect]) -> Void) {
        guard !effects.list.isEmpty else { return }
        var decided: [Effect] = []
        swap(&decided, &emptied)
        effects.takeAll(into: &decided)
        body(decided)
        decided.empty()
        emptied = decided
    }

    /// Looks at the baton, and at the rules, where they are. Nil when it is held by nobody here.
    @inline(__always)
    func withBaton<Result>(_ body: (inout Baton, inout Rules) -> Result) -> Result? {
        guard baton != nil else { return nil }
        return body(&baton!, &rules)
    }
}
