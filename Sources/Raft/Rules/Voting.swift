/// Whether to vote for a candidate (RequestVote, Figure 2; §5.4.1), and what a pre-vote would find (dissertation §9.6).
/// The same in every role; the three rules above the table have been applied already.
enum Voting {
    /// Answers the request. Returns whether a *vote* was granted.
    ///
    /// A granted vote rides with the write that makes it durable. A granted pre-vote changes nothing.
    static func answer(
        _ request: VoteRequest, _ path: any ReplyPath, _ baton: inout Baton, _ effects: inout Effects
    ) -> Bool {
        guard wouldGrant(request, baton) else {
            refuse(request, path, &baton, &effects)
            return false
        }
        let reply = PeerReply.vote(
            VoteReply(phase: request.phase, round: request.round, term: request.term, isGranted: true))
        switch request.phase {
        case .preVote:
            baton.answer(path, reply, &effects)
            return false
        case .vote:
            if baton.hardState.votedFor == request.candidate {
                // Asked again: the vote may still be on its way to the disk.
                baton.settings.reached(.voteRepeated)
                effects.add(.replyAfterWrites(HeldReply(path: path, reply: reply)))
            } else {
                let vote = HardState(currentTerm: baton.currentTerm, votedFor: request.candidate)
                if Mutant.isOn("vote-before-disk") { effects.add(.reply(HeldReply(path: path, reply: reply))) }
                _ = baton.persist(vote, &effects, replies: [HeldReply(path: path, reply: reply)])
            }
            return true
        }
    }

    /// One vote per term, first come first served, only for a log at least as up to date as mine, and none by a node
    /// that may have forgotten an earlier one.
    static func wouldGrant(_ request: VoteRequest, _ baton: borrowing Baton) -> Bool {
        guard baton.mayVote, request.candidate != baton.me else { return false }
        guard isUpToDate(request.lastLog, baton.log.last) else {
            baton.settings.reached(request.phase == .preVote ? .preVoteRefusedForLog : .voteRefusedForLog)
            return false
        }
        if request.phase == .preVote, request.term > baton.currentTerm { return true }
        guard request.term == baton.currentTerm else { return false }
        guard let vote = baton.hardState.votedFor, vote != request.candidate else { return true }
        baton.settings.reached(.voteRefusedForAnother)
        return false
    }

    /// Whether a log that ends with `theirs` is at least as up to date as one that ends with `mine`: the later term
    /// decides, and in one term the greater index (§5.4.1).
    private static func isUpToDate(_ theirs: LogID, _ mine: LogID) -> Bool {
        if Mutant.isOn("vote-for-any-log") { return true }
        if Mutant.isOn("index-before-term") { return (theirs.index, theirs.term) >= (mine.index, mine.term) }
        return theirs >= mine
    }

    static func refuse(
        _ request: VoteRequest, _ path: any ReplyPath, _ baton: inout Baton, _ effects: inout Effects
    ) {
        let reply = VoteReply(
            phase: request.phase, round: request.round, term: baton.currentTerm, isGranted: false)
        baton.answer(path, .vote(reply), &effects)
    }
}
