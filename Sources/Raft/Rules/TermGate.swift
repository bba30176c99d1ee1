/// The three rules above the table: what a message's term means, before any role looks at it (Figure 2, "Rules for
/// servers"; dissertation §4.2.3 and §9.6). First, a lower term is answered or dropped; second, a higher one is
/// adopted, except from a pre-vote or a grant; third, who hears a leader refuses votes without a look at their term.
enum TermGate {
    /// No cluster gets this far by elections. Who adopted the last term that there can be would have no next one to
    /// campaign in, and would vote twice in it.
    private static let lastTerm = Term(.max >> 1)
    /// How far above this node's term another's can be and still be believed. Pre-vote keeps honest nodes close
    /// together; one frame of a broken or hostile peer must not carry a cluster to the end of all terms, from where no
    /// election leads on and nobody comes back.
    private static let greatestStep: UInt64 = 1 << 32

    private static func isBelievable(_ term: Term, _ baton: borrowing Baton) -> Bool {
        term <= lastTerm && term.rawValue <= baton.currentTerm.rawValue + greatestStep
    }

    /// Answers or adopts what the term alone decides. Nil when the role has to look at the message itself.
    ///
    /// - Parameter isPassive: the role follows anyway, so adopting a term does not end it.
    /// - Parameter hearsLeader: rule 3's condition in this role: a leader was heard within the minimum election timeout,
    ///   or, for a leader, a quorum answered within it. Asked only by a vote request.
    static func check(
        _ message: Message, isPassive: Bool, hearsLeader: (borrowing Baton) -> Bool, _ baton: inout Baton,
        _ effects: inout Effects
    ) -> Verdict? {
        switch message {
        case .request(let request, _) where !isBelievable(request.term, baton):
            effects.alarm(
                "request of node \(request.sender) ignored: its term \(request.term) is too far above this node's, \(baton.currentTerm); look at that node's data directory and certificate"
            )
            return .stay
        case .reply(let reply, let from) where !isBelievable(reply.term, baton):
            effects.alarm(
                "reply of node \(from) ignored: its term \(reply.term) is too far above this node's, \(baton.currentTerm); look at that node's data directory and certificate"
            )
            return .stay
        case .request(.vote(let request), let path):
            return checkVote(request, path, isPassive: isPassive, hearsLeader: hearsLeader(baton), &baton, &effects)
        case .request(.timeoutNow, _), .request(.readIndex, _):
            return nil
        case .request(let request, let path):
            if request.term < baton.currentTerm {
                if let refusal = refusal(of: request, in: baton.currentTerm) {
                    baton.answer(path, refusal, &effects)
                }
                return .stay
            }
            return adopt(request.term, isPassive: isPassive, &baton, &effects)
        case .reply(let reply, _):
            guard let (term, isRejection) = termOf(reply) else { return nil }
            if term < baton.currentTerm { return counts(reply) ? nil : .stay }
            if term == baton.currentTerm { return nil }
            // Only a refusal teaches a term: a grant of a later one can answer nothing that we asked (R02, R05).
            guard isRejection else { return .stay }
            if Mutant.isOn("pre-vote-refusal-ignored"), case .vote(let vote) = reply, vote.phase == .preVote {
                return .stay
            }
            baton.settings.reached(.termLearnedFromReply)
            baton.adopt(term, &effects)
            return isPassive ? .stay : .become(baton.passiveRole)
        default:
            return nil
        }
    }

    private static func checkVote(
        _ request: VoteRequest, _ path: any ReplyPath, isPassive: Bool, hearsLeader: Bool, _ baton: inout Baton,
        _ effects: inout Effects
    ) -> Verdict? {
        if (hearsLeader && !request.isTransfer) || request.term < baton.currentTerm {
            if hearsLeader, baton.leader == baton.me { baton.settings.reached(.leaderRefusedVote) }
            if hearsLeader, request.phase == .preVote { baton.settings.reached(.preVoteRefusedForLeader) }
            Voting.refuse(request, path, &baton, &effects)
            return .stay
        }
        // The prospective term of a pre-vote is nobody's term yet.
        if request.phase == .preVote, !Mutant.isOn("pre-vote-raises-term") { return nil }
        return adopt(request.term, isPassive: isPassive, &baton, &effects)
    }

    /// Whether a reply of a term that is over still counts. None does.
    private static func counts(_ reply: PeerReply) -> Bool {
        switch reply {
        case .vote: Mutant.isOn("votes-of-other-rounds")
        case .append: Mutant.isOn("ack-of-other-term")
        case .heartbeat: Mutant.isOn("round-of-other-term")
        case .snapshot, .readIndex, .forward: false
        }
    }

    private static func adopt(
        _ term: Term, isPassive: Bool, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict? {
        guard term > baton.currentTerm else { return nil }
        baton.settings.reached(.termLearnedFromRequest)
        baton.adopt(term, &effects)
        return isPassive ? nil : .handOver(baton.passiveRole)
    }

    /// The term that a reply speaks of, and whether it refuses. Nil for a granted pre-vote, whose term is prospective.
    private static func termOf(_ reply: PeerReply) -> (Term, isRejection: Bool)? {
        switch reply {
        case .vote(let reply):
            reply.phase == .preVote && reply.isGranted ? nil : (reply.term, !reply.isGranted)
        case .append(let reply): (reply.term, reply.outcome == .rejected)
        case .heartbeat(let reply): (reply.term, reply.isRejected)
        case .snapshot(let reply): (reply.term, reply.outcome == .rejected)
        case .readIndex(let reply): (reply.term, reply.index == nil)
        case .forward: nil
        }
    }

    private static func refusal(of request: PeerRequest, in term: Term) -> PeerReply? {
        switch request {
        case .append(let request):
            .append(AppendReply(term: term, stream: request.stream, sequence: request.sequence, outcome: .rejected))
        case .heartbeat(let request):
            .heartbeat(HeartbeatReply(term: term, stream: request.stream, round: request.round, isRejected: true))
        case .vote(let request):
            .vote(VoteReply(phase: request.phase, round: request.round, term: term, isGranted: false))
        case .snapshot(let request):
            .snapshot(
                SnapshotReply(
                    term: term, stream: request.stream, snapshot: request.manifest.id, outcome: .rejected))
        case .timeoutNow, .readIndex, .forward:
            nil
        }
    }
}

extension Baton {
    /// Sends a reply that says nothing of the log. It names the current term, so it waits until that is durable.
    mutating func answer(_ path: any ReplyPath, _ reply: PeerReply, _ effects: inout Effects) {
        let held = HeldReply(path: path, reply: reply)
        if !isTermDurable { settings.reached(.replyHeld) }
        effects.add(isTermDurable || Mutant.isOn("term-before-disk") ? .reply(held) : .replyAfterWrites(held))
    }

    /// A node that does not lead, or not in the term of the question, knows no index.
    mutating func refuse(_ request: ReadIndexRequest, _ path: any ReplyPath, _ effects: inout Effects) {
        answer(path, .readIndex(ReadIndexReply(term: currentTerm, id: request.id, index: nil)), &effects)
    }
}
