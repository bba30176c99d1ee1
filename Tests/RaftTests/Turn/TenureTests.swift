import Testing

@testable import Raft

/// Rules that do what a test says, for what is the same in every role.
private struct ScriptedRules: RoleRules {
    var onTick: @Sendable (inout Baton, inout Effects) -> Verdict = { _, _ in .stay }
    var waiting: [Ticket] = []

    mutating func begin(_ baton: inout Baton, _ effects: inout Effects) -> Verdict { .stay }
    mutating func handle(_ message: Message, _ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        switch message {
        case .tick: return onTick(&baton, &effects)
        case .read(let ticket, _): waiting.append(ticket)
        case .stop: return .become(.stopped(nil))
        case .request: return .handOver(.follower)
        default: break
        }
        return .stay
    }
    mutating func end(_ baton: inout Baton, _ effects: inout Effects) {
        effects.add(.fail(waiting, RaftError(.notLeader, "the role has ended")))
        waiting = []
    }
    func deadline(_ baton: borrowing Baton) -> Instant? { nil }
}

@Suite("A role's time in office")
struct TenureTests {
    private func tenure(_ rules: ScriptedRules) -> Tenure<ScriptedRules> {
        let tenure = Tenure(rules: rules)
        _ = tenure.begin(baton(), now: .seconds(1))
        return tenure
    }

    private func baton() -> Baton {
        Baton(
            settings: Configuration(id: 1),
            recovered: RecoveredLog(
                hardState: HardState(currentTerm: 5, votedFor: 2), purged: .zero, termStarts: [], last: .zero,
                configurations: [], incarnation: Incarnation(rawValue: 1)), membership: MembershipHistory(),
            applied: .zero, random: RandomSource(seed: 1), now: .zero)
    }

    @Test("A turn that breaks a rule stops the node: nothing that it decided happens, and everyone who waits is told")
    func violation() {
        var rules = ScriptedRules()
        let proposer = Ticket()
        let reader = Ticket()
        let admin = CompletionTicket { _ in }
        rules.onTick = { baton, effects in
            effects.add(.apply(ApplyOrder(first: 1, through: 1, entries: [], tickets: [(1, proposer)])))
            effects.add(.serveReads([reader], at: 1))
            effects.add(.succeed(admin))
            _ = baton.persist(HardState(currentTerm: 4), &effects)
            return .stay
        }
        let tenure = tenure(rules)
        var messages: [Message] = [.read(Ticket()), .tick]
        let next = tenure.turn(&messages, now: .seconds(2))
        guard case .stopped(let reason?)? = next else { return #expect(Bool(false), "it goes on") }
        #expect(reason.code == .invariantViolated)
        #expect(reason.message.contains("currentTerm went back from 5 to 4"))
        var acts: [Act] = []
        tenure.perform { acts = $0.map(Act.init) }
        #expect(
            acts == [
                .fail(1, .invariantViolated), .fail(1, .invariantViolated), .fail(1, .invariantViolated),
                .fail(1, .notLeader),
            ])
    }

    @Test("What is not answered travels on with the baton, and what is handed over comes first")
    func inboxTravels() throws {
        let tenure = tenure(ScriptedRules())
        let path = Path()
        var messages: [Message] = [
            .tick, .request(.timeoutNow(TimeoutNowRequest(term: 5, leader: 2, lastLog: .zero)), reply: path), .tick,
        ]
        let next = tenure.turn(&messages, now: .seconds(2))
        #expect(next == .follower)
        #expect(messages.isEmpty)
        guard let baton = tenure.surrender() else { return #expect(Bool(false), "no baton") }
        let count = baton.inbox.count
        guard case .request? = baton.inbox.first else { return #expect(Bool(false), "not in front") }
        #expect(count == 2)
        #expect(tenure.turn(&messages, now: .seconds(2)) == nil, "without the baton there is no turn")
    }

    @Test("A message that is handed over more than three times is a bug, and ends the node")
    func handedOverTooOften() {
        var held: Baton? = baton()
        var messages: [Message] = [
            .request(.timeoutNow(TimeoutNowRequest(term: 5, leader: 2, lastLog: .zero)), reply: Path())
        ]
        var ends: [NextRole?] = []
        for _ in 0..<4 {
            let tenure = Tenure(rules: ScriptedRules())
            _ = tenure.begin(held.take()!, now: .zero)
            ends.append(tenure.turn(&messages, now: .zero))
            held = tenure.surrender()
        }
        #expect(ends[..<3].allSatisfy { $0 == .follower })
        #expect(ends[3] == .stopped(RaftError(.invariantViolated, "")))
    }
}
