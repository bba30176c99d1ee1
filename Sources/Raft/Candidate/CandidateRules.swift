/// A voter that campaigns (§5.2): first it asks whether it would win (pre-vote, dissertation §9.6), and only then
/// raises its term and asks for votes.
///
/// Every round starts with no votes, under a number of its own: an answer to an earlier round, phase or term never
/// counts (D1, D2, R37).
struct CandidateRules: RoleRules {
    private(set) var phase = Phase.preVote
    private(set) var round: UInt64 = 0
    /// Who has granted in this round, sorted.
    private(set) var granted: [NodeID] = []
    private var isTransfer: Bool
    private var hasAsked = false

    enum Phase: Equatable {
        case preVote
        /// The own vote is on its way to the disk; nobody is asked before it is there.
        case storingOwnVote(WriteID)
        case vote
    }

    init(isTransfer: Bool = false) { self.isTransfer = isTransfer }

    mutating func begin(_ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        guard !baton.isStopping else { return .become(.stopped(nil)) }
        baton.leader = nil
        if isTransfer { return startVote(&baton, &effects) }
        return startPreVote(&baton, &effects)
    }

    mutating func handle(_ message: Message, _ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        if let verdict = TermGate.check(
            message, isPassive: false, hearsLeader: { $0.hasHeardLeaderRecently }, &baton, &effects)
        {
            return verdict
        }
        switch message {
        case .reply(.vote(let reply), let from):
            return tally(reply, from, &baton, &effects)
        case .durable(let id):
            if baton.finishWrites(through: id, &effects) { baton.orderApply(&effects) { _ in [] } }
            return ownVoteDurable(&baton, &effects)
        case .snapshotPiece(let piece):
            // What a follower makes of a whole snapshot changes the log that this campaign is about.
            if case .durable = piece.outcome { return .handOver(baton.passiveRole) }
            Snapshotting.outlive(piece, &baton, &effects)
            return .stay
        case .request(.append, _), .request(.heartbeat, _), .request(.snapshot, _):
            baton.settings.reached(.candidateYielded)
            return .handOver(baton.passiveRole)  // Somebody leads this term.
        case .request(.vote(let request), let path):
            return Voting.answer(request, path, &baton, &effects) ? .become(baton.passiveRole) : .stay
        case .request(.timeoutNow, _):
            baton.settings.reached(.timeoutNowIgnored)
            return .stay
        case .read(let ticket, .linearizable), .read(let ticket, .lease):
            effects.add(.fail([ticket], baton.notLeader()))
            return .stay
        case .initialize(_, let ticket):
            Housekeeping.refuseInitialize(ticket, baton, &effects)
            return .stay
        case .removed(let member):
            Housekeeping.noteRemoval(by: member, &baton, &effects)
            return .become(baton.passiveRole)
        case .tick:
            guard baton.electionTimer.isDue(baton.now) else { return .stay }
            if phase == .vote { baton.settings.reached(.splitVote) }
            baton.shortRounds = max(0, baton.shortRounds - 1)
            return startPreVote(&baton, &effects)
        case .overslept(let duration):
            effects.warn("held up for \(duration); this round is void")
            return startPreVote(&baton, &effects)
        default:
            if let verdict = Housekeeping.handle(message, &baton, &effects) { return verdict }
            if case .read(let ticket, _) = message {
                baton.settings.reached(.staleReadRefused)
                effects.add(.fail([ticket], baton.tooStale("no leader is known")))
            }
            return .stay
        }
    }

    /// A new round: no votes, a new number, a new timeout, and no transfer flag (it belongs to one vote round).
    private mutating func startPreVote(_ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        phase = .preVote
        isTransfer = false
        round = baton.random.next()
        granted = [baton.me]
        hasAsked = false
        baton.startRoundTimer()
        if isElected(baton) { return startVote(&baton, &effects) }
        ask(&baton, &effects)
        return .stay
    }

    private mutating func startVote(_ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        let term = baton.currentTerm.next
        round = baton.random.next()
        granted = []
        hasAsked = false
        baton.electionTimer.stop()  // Starts when the own vote is durable.
        phase = .storingOwnVote(baton.persist(HardState(currentTerm: term, votedFor: baton.me), &effects))
        if Mutant.isOn("questions-before-own-vote") { ask(&baton, &effects) }
        return .stay
    }

    private mutating func ownVoteDurable(_ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        switch phase {
        case .storingOwnVote where baton.durableHardState == baton.hardState || Mutant.isOn("any-write-is-own-vote"):
            phase = .vote
            granted = [baton.me]
            baton.startRoundTimer()
            if isElected(baton) { return win(baton, &effects) }
            ask(&baton, &effects)
        case .preVote:
            ask(&baton, &effects)
        default:
            break
        }
        return .stay
    }

    /// Asks every other voter, once a round, and not before the current term is durable: a prospective term gives it
    /// away.
    private mutating func ask(_ baton: inout Baton, _ effects: inout Effects) {
        guard !hasAsked, baton.isTermDurable || Mutant.isOn("questions-before-own-vote"),
            let configuration = baton.membership.current
        else { return }
        hasAsked = true
        let request = VoteRequest(
            phase: phase == .preVote ? .preVote : .vote,
            term: phase == .preVote ? baton.currentTerm.next : baton.currentTerm,
            candidate: baton.me, lastLog: baton.log.last, round: round, isTransfer: isTransfer)
        effects.add(.requestVotes(configuration.voters.filter { $0 != baton.me }, request))
    }

    private mutating func tally(
        _ reply: VoteReply, _ from: NodeID, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict {
        if reply.round != round { baton.settings.reached(.lateVoteReply) }
        guard reply.isGranted, !granted.contains(from) else { return .stay }
        if Mutant.isOn("votes-of-other-rounds"), (reply.phase, phase) == (.vote, .vote) {
            return count(from, baton, &effects)
        }
        if Mutant.isOn("pre-votes-are-votes"), (reply.phase, phase) == (.preVote, .vote) {
            return count(from, baton, &effects)
        }
        guard reply.round == round else { return .stay }
        switch (reply.phase, phase) {
        case (.preVote, .preVote) where reply.term == baton.currentTerm.next:
            granted.append(from)
            granted.sort()
            return isElected(baton) ? startVote(&baton, &effects) : .stay
        case (.vote, .vote) where reply.term == baton.currentTerm:
            return count(from, baton, &effects)
        default:
            return .stay
        }
    }

    private mutating func count(_ voter: NodeID, _ baton: borrowing Baton, _ effects: inout Effects) -> Verdict {
        granted.append(voter)
        granted.sort()
        return isElected(baton) ? win(baton, &effects) : .stay
    }

    private func isElected(_ baton: borrowing Baton) -> Bool {
        guard let configuration = baton.membership.current else { return false }
        return Quorum(configuration).isReached { granted.contains($0) }
    }

    private func win(_ baton: borrowing Baton, _ effects: inout Effects) -> Verdict {
        let votes = granted.map(\.description).joined(separator: ", ")
        let count = baton.membership.current?.voters.count ?? 0
        effects.note("term \(baton.currentTerm): leader (votes \(votes) of \(count); log ends \(baton.log.last))")
        return .become(.leader)
    }

    func deadline(_ baton: borrowing Baton) -> Instant? { baton.electionTimer.deadline }
}
