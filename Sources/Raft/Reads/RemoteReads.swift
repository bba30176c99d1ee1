/// Linearizable reads at a node that does not lead: it asks the leader from which index on they may be served, once for
/// everybody who waits, and then waits for its own state machine (dissertation §6.4).
///
/// An answer counts only from the leader that was asked, in the term in which it was asked, while this node still follows
/// it: whatever happened during the wait is looked at again.
struct RemoteReads: Sendable {
    private struct Reader {
        let ticket: Ticket
        let consistency: ReadConsistency
    }
    private struct Question {
        let id: UInt64
        let term: Term
        let leader: NodeID
        /// When it was asked first: whoever was acknowledged before is below the answer.
        let askedAt: Instant
        var repeatAt: Instant
        let readers: [Reader]
    }
    private var waiting: [Reader] = []
    private var question: Question?

    private var count: Int { waiting.count + (question?.readers.count ?? 0) }

    mutating func add(
        _ ticket: Ticket, _ consistency: ReadConsistency, _ baton: borrowing Baton, _ effects: inout Effects
    ) {
        guard baton.leader != nil, baton.leaderHint != nil else {
            return effects.add(.fail([ticket], Self.refusal(of: consistency, baton, "no leader is known")))
        }
        if count >= baton.settings.maximumWaitingCalls { waiting.removeAll { $0.ticket.isSettled } }
        guard count < baton.settings.maximumWaitingCalls else {
            return effects.add(.fail([ticket], baton.tooManyReads()))
        }
        waiting.append(Reader(ticket: ticket, consistency: consistency))
    }

    /// Asks for everybody who waits; lets everybody go whose leader is not the leader any more. Called once a turn.
    mutating func endTurn(_ baton: inout Baton, _ effects: inout Effects) {
        if let question, question.term != baton.currentTerm || question.leader != baton.leader {
            baton.settings.reached(.followerReadAborted)
            return fail("the leader changed", baton, &effects)
        }
        // The question names the term, which must not be told before it is durable.
        guard question == nil, !waiting.isEmpty, baton.isTermDurable else { return }
        guard let leader = baton.leader else { return fail("no leader is known", baton, &effects) }
        let asked = Question(
            id: baton.random.next(), term: baton.currentTerm, leader: leader, askedAt: baton.now,
            repeatAt: baton.now + baton.settings.heartbeatInterval, readers: waiting)
        if waiting.count > 1 { baton.settings.reached(.followerReadsShared) }
        waiting = []
        question = asked
        ask(asked, baton, &effects)
    }

    private func ask(_ question: Question, _ baton: borrowing Baton, _ effects: inout Effects) {
        let mayUseLease = question.readers.allSatisfy { $0.consistency == .lease }
        let request = ReadIndexRequest(
            term: question.term, asker: baton.me, id: question.id, mayUseLease: mayUseLease)
        effects.add(.askReadIndex(question.leader, request))
    }

    mutating func note(
        _ reply: ReadIndexReply, from: NodeID, _ baton: inout Baton, _ effects: inout Effects
    ) {
        guard let asked = question, asked.id == reply.id, asked.leader == from, reply.term == asked.term,
            asked.term == baton.currentTerm, asked.leader == baton.leader
        else { return }
        guard let index = reply.index else {
            return fail("node \(from) could not answer", baton, &effects)
        }
        question = nil
        baton.freshness.note(at: asked.askedAt, index: index)
        baton.settings.reached(.followerReadServed)
        effects.add(.serveReads(asked.readers.map(\.ticket), at: index))
    }

    /// Asks again, in case that the question or the answer was lost; gives up after a while.
    mutating func tick(_ baton: borrowing Baton, _ effects: inout Effects) {
        guard let asked = question, baton.now >= asked.repeatAt else { return }
        guard baton.now - asked.askedAt < baton.settings.electionTimeout.upperBound else {
            return fail("node \(asked.leader) does not answer", baton, &effects)
        }
        question?.repeatAt = baton.now + baton.settings.heartbeatInterval
        ask(asked, baton, &effects)
    }

    var deadline: Instant? { question?.repeatAt }

    /// Lets go of everybody. A reader is not told more than that it was not served: it may ask again, here or there.
    mutating func fail(_ reason: String, _ baton: borrowing Baton, _ effects: inout Effects) {
        let readers = (question?.readers ?? []) + waiting
        question = nil
        waiting = []
        for reader in readers {
            effects.add(.fail([reader.ticket], Self.refusal(of: reader.consistency, baton, reason)))
        }
    }

    private static func refusal(
        of consistency: ReadConsistency, _ baton: borrowing Baton, _ reason: String
    ) -> RaftError {
        guard case .noOlderThan = consistency else { return baton.notLeader() }
        baton.settings.reached(.staleReadRefused)
        return baton.tooStale(reason)
    }
}
