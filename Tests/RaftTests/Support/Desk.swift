import Testing

@testable import Raft

/// One node's state with one role's rules over it: no actor, no clock, no `await`.
///
/// A message is fed with everything that it may do. What a test does not name, an effect or a change of state, fails
/// it.
final class Desk<Rules: RoleRules> {
    var rules: Rules
    var baton: Baton
    let path = Path()
    /// When the election timer was last started; its length is random.
    private var timerStartedAt: Instant?
    private var timerDeadline: Instant?

    /// Everything of the baton that a message can change.
    struct State: Equatable {
        var hardState: HardState
        var durableHardState: HardState
        var last: LogID
        var purged = LogID.zero
        var durableIndex: LogIndex
        var commitIndex: LogIndex
        var applyOrdered: LogIndex
        var lastApplied: LogIndex
        var leader: NodeID?
        var leaderHeardAt: Instant?
        /// When the election timer was started; nil while it does not run.
        var timerStartedAt: Instant?
        var snapshot: LogID? = nil
        var isStopping: Bool
        var voters: [NodeID]?
    }

    /// - Parameters:
    ///   - log: the terms of the entries from index 1 on; all of them durable.
    ///   - voters: nil for a node that belongs to no cluster.
    init(
        _ rules: Rules, me: NodeID = 1, term: Term = 1, vote: NodeID? = nil, log: [Term] = [],
        commit: LogIndex = 0, voters: [NodeID]? = [1, 2, 3], nextVoters: [NodeID]? = nil, learners: [NodeID] = [],
        leader: NodeID? = nil, heardAt: Instant? = nil, now: Instant = .seconds(100), hasJoined: Bool = false,
        configuration: ClusterConfiguration? = nil, makesSnapshots: Bool = false,
        configure: (inout Configuration) -> Void = { _ in }
    ) {
        self.rules = rules
        var settings = Configuration(id: me)
        configure(&settings)
        var membership = MembershipHistory()
        if let voters {
            membership.append(configuration ?? Self.configuration(voters, nextVoters, learners), at: .zero)
        }
        baton = Baton(
            settings: settings,
            recovered: RecoveredLog(
                hardState: HardState(currentTerm: term, votedFor: vote), purged: .zero, termStarts: [], last: .zero,
                configurations: [], incarnation: Incarnation(rawValue: 1)),
            membership: membership, applied: .zero, hasJoined: hasJoined, random: RandomSource(seed: 7), now: now,
            snapshots: SnapshotLedger(builder: Incarnation(rawValue: 1), isEnabled: makesSnapshots, now: now))
        var effects = Effects()
        if !log.isEmpty {
            baton.write(keeping: .zero, [batch(from: 1, log)], configurations: [], &effects)
            sync(effects.takeAll())
        }
        if commit > 0 {
            baton.commit(through: commit)
            baton.orderApply(&effects) { _ in [] }
            baton.noteApplied(through: commit)
        }
        baton.leader = leader
        baton.leaderHeardAt = heardAt
    }

    static func configuration(
        _ voters: [NodeID], _ nextVoters: [NodeID]? = nil, _ learners: [NodeID] = []
    ) -> ClusterConfiguration {
        let ids = Set(voters + (nextVoters ?? []) + learners).sorted()
        do {
            return try ClusterConfiguration(
                voterSets: [voters] + (nextVoters.map { [$0] } ?? []),
                members: ids.map { .init(id: $0, address: "node-\($0)") })
        } catch { preconditionFailure("a test's own configuration: \(error)") }
    }

    var state: State {
        if baton.electionTimer.deadline != timerDeadline {
            timerDeadline = baton.electionTimer.deadline
            timerStartedAt = timerDeadline == nil ? nil : baton.now
        }
        return State(
            hardState: baton.hardState, durableHardState: baton.durableHardState, last: baton.log.last,
            purged: baton.log.purged, durableIndex: baton.durableIndex, commitIndex: baton.commitIndex,
            applyOrdered: baton.applyOrdered,
            lastApplied: baton.lastApplied, leader: baton.leader, leaderHeardAt: baton.leaderHeardAt,
            timerStartedAt: timerStartedAt, snapshot: baton.snapshots.newest?.last, isStopping: baton.isStopping,
            voters: baton.membership.current?.voters)
    }

    var now: Instant {
        get { baton.now }
        set { baton.now = newValue }
    }

    /// What `#expect` can look at: a baton cannot be copied.
    var isRemoved: Bool { baton.isRemoved }
    var hasJoined: Bool { baton.hasJoined }
    var mayVote: Bool { baton.mayVote }
    var isConfigurationCommitted: Bool { baton.isConfigurationCommitted }
    var commitIndex: LogIndex { baton.commitIndex }

    // MARK: Turns

    private(set) var lastWrite: WriteID?
    private(set) var effects: [Effect] = []

    /// One turn with these messages, as `Tenure` does it.
    @discardableResult
    func turn(_ messages: [Message]) -> (verdict: Verdict, acts: [Act]) {
        run { rules, baton, effects in
            var verdict = Verdict.stay
            for message in messages where verdict == .stay { verdict = rules.handle(message, &baton, &effects) }
            return verdict
        }
    }

    @discardableResult
    func begin() -> (verdict: Verdict, acts: [Act]) { run { $0.begin(&$1, &$2) } }

    private func run(
        _ body: (inout Rules, inout Baton, inout Effects) -> Verdict
    ) -> (verdict: Verdict, acts: [Act]) {
        var gathered = Effects()
        let before = TurnInvariants(baton)
        let verdict = body(&rules, &baton, &gathered)
        if verdict == .stay {
            rules.endTurn(&baton, &gathered)
            Snapshotting.maintain(&baton, held: rules.heldIndex, &gathered)
        } else {
            rules.end(&baton, &gathered)
        }
        baton.serveIndexReads(&gathered)
        if let violation = before.violation(baton) { Issue.record("invariant: \(violation)") }
        effects = gathered.takeAll()
        for effect in effects {
            switch effect {
            case .write(_, let id, _): lastWrite = id
            case .fail(let tickets, let error): for ticket in tickets { ticket.fail(error) }
            case .succeed(let ticket): ticket.succeed()
            default: break
            }
        }
        return (verdict, effects.map(Act.init))
    }

    /// The disk answers every write that is out.
    func sync(_ effects: [Effect]) {
        var none = Effects()
        for case .write(_, let id, _) in effects { _ = baton.finishWrites(through: id, &none) }
    }

    /// Feeds one message, and compares everything that it did with what the test says.
    func expect(
        _ message: Message, _ verdict: Verdict = .stay, _ acts: [Act] = [],
        at location: SourceLocation = #_sourceLocation, changing change: (inout State) -> Void = { _ in }
    ) {
        check({ turn([message]) }, verdict, acts, location, change)
    }

    func expectBegin(
        _ verdict: Verdict = .stay, _ acts: [Act] = [], at location: SourceLocation = #_sourceLocation,
        changing change: (inout State) -> Void = { _ in }
    ) {
        check({ begin() }, verdict, acts, location, change)
    }

    private func check(
        _ act: () -> (verdict: Verdict, acts: [Act]), _ verdict: Verdict, _ acts: [Act], _ location: SourceLocation,
        _ change: (inout State) -> Void
    ) {
        var expected = state
        change(&expected)
        let (got, did) = act()
        let reached = state
        #expect(got == verdict, sourceLocation: location)
        #expect(did == acts, sourceLocation: location)
        #expect(reached == expected, sourceLocation: location)
    }

    // MARK: Messages

    func request(_ request: PeerRequest) -> Message { .request(request, reply: path) }
}

/// A way back that goes nowhere: the replies of rules are looked at as effects.
final class Path: ReplyPath {
    func send(_ reply: PeerReply) {}
}

/// A caller who remembers what he was told.
final class Caller: Sendable {
    private let answers = Lock<[RaftError?]>([])
    var answerCount: Int { answers.withLock { $0.count } }
    /// The error of the one answer; nil when it was a success, or none came.
    var error: RaftError? { answers.withLock { $0.first ?? nil } }

    var completion: CompletionTicket { CompletionTicket { [self] result in note(result) } }
    func note(_ result: Result<some Any, RaftError>) {
        answers.withLock { answers in
            switch result {
            case .success: answers.append(nil)
            case .failure(let error): answers.append(error)
            }
        }
    }
}

extension Message {
    static func command(_ text: String, _ ticket: Ticket = Ticket()) -> Message {
        .propose(Proposal(payload: Array(text.utf8), ticket: ticket))
    }
}

extension StreamID {
    init(_ number: UInt64) { self.init(rawValue: number) }
}

extension Duration {
    static func ms(_ count: Int64) -> Duration { .milliseconds(count) }
}
