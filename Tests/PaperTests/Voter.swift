@testable import Raft

/// One node of the paper: a voter 1 of 1...n with a log, and the rules of the role it is in. No thread and no time: the
/// test says what happens next.
final class Voter<Rules: RoleRules> {
    var rules: Rules
    var baton: Baton
    private(set) var effects: [Effect] = []
    private(set) var verdict = Verdict.stay

    init(_ rules: Rules, term: Term, vote: NodeID? = nil, log: [Term] = [], commit: LogIndex = 0, of count: UInt64 = 3)
    {
        self.rules = rules
        var membership = MembershipHistory()
        let members = (1...count).map { ClusterConfiguration.Member(id: NodeID($0), address: "node-\($0)") }
        do { membership.append(try ClusterConfiguration(voters: members), at: .zero) } catch {
            preconditionFailure("\(error)")
        }
        baton = Baton(
            settings: Configuration(id: 1),
            recovered: RecoveredLog(
                hardState: HardState(currentTerm: term, votedFor: vote), purged: .zero, termStarts: [], last: .zero,
                configurations: [], incarnation: Incarnation(rawValue: 1)),
            membership: membership, applied: .zero, random: RandomSource(seed: 3), now: .seconds(100))
        var effects = Effects()
        if !log.isEmpty { baton.write(keeping: .zero, [entries(from: 1, log)], configurations: [], &effects) }
        self.effects = effects.takeAll()
        sync()
        baton.commit(through: commit)
        baton.orderApply(&effects) { _ in [] }
        baton.noteApplied(through: commit)
    }

    func begin() { turn { $0.begin(&$1, &$2) } }
    func take(_ messages: Message...) {
        turn { rules, baton, effects in
            var verdict = Verdict.stay
            for message in messages where verdict == .stay { verdict = rules.handle(message, &baton, &effects) }
            return verdict
        }
    }
    func take(_ request: PeerRequest) { take(.request(request, reply: Path())) }
    func take(_ reply: PeerReply, from: NodeID) { take(.reply(reply, from: from)) }

    private func turn(_ body: (inout Rules, inout Baton, inout Effects) -> Verdict) {
        var gathered = Effects()
        verdict = body(&rules, &baton, &gathered)
        if verdict == .stay { rules.endTurn(&baton, &gathered) } else { rules.end(&baton, &gathered) }
        effects = gathered.takeAll()
    }

    /// The disk answers what the last turn wrote.
    func sync() {
        var none = Effects()
        for case .write(_, let id, _) in effects { _ = baton.finishWrites(through: id, &none) }
    }

    // MARK: What the last turn did

    var log: [Term] { (0..<baton.log.last.index.rawValue).map { baton.log.term(at: LogIndex($0 + 1))! } }
    /// Replies that leave at once.
    var replies: [PeerReply] { effects.compactMap { if case .reply(let held) = $0 { held.reply } else { nil } } }
    /// Replies that leave only after the disk has answered.
    var repliesAfterWrite: [PeerReply] {
        effects.flatMap { effect -> [PeerReply] in
            switch effect {
            case .write(_, _, let replies): replies.map(\.reply)
            case .replyAfterWrites(let held): [held.reply]
            default: []
            }
        }
    }
    var written: [HardState] {
        effects.flatMap { effect -> [HardState] in
            guard case .write(let operations, _, _) = effect else { return [] }
            return operations.compactMap { if case .hardState(let state) = $0 { state } else { nil } }
        }
    }
    var appends: [(to: NodeID, request: AppendRequest)] {
        effects.compactMap { if case .append(let peer, _, let order) = $0 { (peer, order.request) } else { nil } }
    }
    var heartbeats: [NodeID] { effects.compactMap { if case .heartbeat(let peer, _, _) = $0 { peer } else { nil } } }
    var questions: [(to: [NodeID], request: VoteRequest)] {
        effects.compactMap { if case .requestVotes(let voters, let request) = $0 { (voters, request) } else { nil } }
    }
    var applied: [ClosedRange<LogIndex>] {
        effects.compactMap { if case .apply(let order) = $0 { order.first...order.through } else { nil } }
    }
}

final class Path: ReplyPath {
    func send(_ reply: PeerReply) {}
}

extension LogID {
    init(_ index: LogIndex, _ term: Term) { self.init(term: term, index: index) }
}

/// Entries with these terms from `first` on.
func entries(from first: LogIndex, _ terms: [Term]) -> EntryBatch {
    var bytes: [UInt8] = []
    for (offset, term) in terms.enumerated() {
        let id = LogID(first.advanced(by: offset), term)
        EntryRecord.append(
            to: &bytes, group: 0, kind: .command, id: id, payload: UnsafeRawBufferPointer(start: nil, count: 0))
    }
    do { return try EntryBatch(parsing: bytes) } catch { preconditionFailure("\(error)") }
}

let stream = StreamID(rawValue: 7)

func append(
    _ term: Term, from leader: NodeID = 2, after previous: LogID, _ terms: [Term] = [], commit: LogIndex = 0
) -> PeerRequest {
    .append(
        AppendRequest(
            term: term, leader: leader, stream: stream, sequence: 1, previous: previous, leaderCommit: commit,
            entries: terms.isEmpty ? [] : [entries(from: previous.index.next, terms)]))
}

func accepted(_ term: Term, through index: LogIndex) -> PeerReply {
    .append(AppendReply(term: term, stream: stream, sequence: 1, outcome: .accepted(through: index)))
}

func askVote(_ term: Term, for candidate: NodeID, last: LogID) -> PeerRequest {
    .vote(VoteRequest(phase: .vote, term: term, candidate: candidate, lastLog: last, round: 1))
}

func voteReply(_ term: Term, _ isGranted: Bool, round: UInt64 = 1) -> PeerReply {
    .vote(VoteReply(phase: .vote, round: round, term: term, isGranted: isGranted))
}
