/// How a follower and a learner treat their leader: the same rules for both.
enum Following {
    /// Notes who leads this term, and that it lives. False when that cannot be.
    private static func acknowledge(_ leader: NodeID, _ baton: inout Baton, _ effects: inout Effects) -> Bool {
        if let known = baton.leader, known != leader {
            effects.alarm(
                "term \(baton.currentTerm): node \(leader) says that it leads, but node \(known) does. Two leaders in one term cannot be: look at node \(leader)'s data directory and certificate"
            )
            return false
        }
        if baton.leader == nil { effects.note("term \(baton.currentTerm): node \(leader) leads") }
        baton.leader = leader
        baton.leaderHeardAt = baton.now
        baton.removedBy = nil
        if baton.electionTimer.deadline != nil { baton.resetElectionTimer() }
        return true
    }

    static func append(
        _ request: AppendRequest, _ path: any ReplyPath, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict {
        guard acknowledge(request.leader, &baton, &effects) else { return .stay }
        func reply(_ outcome: AppendReply.Outcome, in term: Term) -> HeldReply {
            HeldReply(
                path: path,
                reply: .append(
                    AppendReply(
                        term: term, stream: request.stream, sequence: request.sequence, outcome: outcome)))
        }
        let term = baton.currentTerm
        if request.previous.index < baton.commitIndex { baton.settings.reached(.previousBelowCommit) }
        switch LogMatching.match(request, against: baton.log, commitIndex: baton.commitIndex) {
        case .malformed(let fault):
            effects.alarm("append of node \(request.leader) in term \(request.term) ignored: \(fault)")
            return .stay
        case .conflict(let hint):
            baton.answer(path, reply(.conflict(previous: request.previous.index, hint: hint), in: term).reply, &effects)
            return .stay
        case .nothingNew:
            // It may speak of entries that are still on their way to the disk, so it rides on the latest write.
            let end = Mutant.isOn("ack-own-end") ? baton.log.last.index : request.last.index
            let held = reply(.accepted(through: end), in: term)
            if Mutant.isOn("repeat-acked-before-disk") { effects.add(.reply(held)) }
            let isDurable = baton.isTermDurable && request.last.index <= baton.durableIndex
            if !request.entries.isEmpty { baton.settings.reached(.appendRepeated) }
            if !isDurable { baton.settings.reached(.replyHeld) }
            effects.add(isDurable ? .reply(held) : .replyAfterWrites(held))
        case .extend(let keep, let batches):
            guard keep.index >= baton.commitIndex else {
                effects.alarm(
                    "append of node \(request.leader) in term \(request.term) ignored: it would cut the log behind \(keep), below the committed entry \(baton.commitIndex)"
                )
                return .stay
            }
            if keep.index < baton.log.last.index {
                baton.settings.reached(
                    baton.log.term(at: keep.index.next) == baton.log.last.term ? .cutOneTerm : .cutManyTerms)
            }
            var configurations: [(LogID, ClusterConfiguration)] = []
            for entry in batches.flatMap(\.configurations) {
                guard let configuration = try? ClusterConfiguration(decoding: entry.payload) else {
                    effects.alarm(
                        "append of node \(request.leader) ignored: configuration entry \(entry.id) cannot be read; is that node of a newer version?"
                    )
                    return .stay
                }
                configurations.append((entry.id, configuration))
            }
            let held = reply(.accepted(through: request.last.index), in: term)
            if Mutant.isOn("ack-before-disk") { effects.add(.reply(held)) }
            baton.noteJoining(&effects)
            baton.write(keeping: keep, batches, configurations: configurations, &effects, replies: [held])
        }
        let limit = Mutant.isOn("commit-beyond-append") ? LogIndex(.max) : request.last.index
        baton.commit(through: min(request.leaderCommit, limit))
        baton.orderApply(&effects) { _ in [] }
        return .stay
    }

    static func heartbeat(
        _ request: HeartbeatRequest, _ path: any ReplyPath, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict {
        guard acknowledge(request.leader, &baton, &effects) else { return .stay }
        // Capped by what this follower has acknowledged on this stream, so it agrees with the leader's log.
        if request.commit > baton.commitIndex { baton.settings.reached(.commitByHeartbeat) }
        baton.commit(through: Mutant.isOn("heartbeat-commit-uncapped") ? request.leaderCommit : request.commit)
        baton.orderApply(&effects) { _ in [] }
        let reply = HeartbeatReply(
            term: baton.currentTerm, stream: request.stream, round: request.round, isRejected: false)
        baton.answer(path, .heartbeat(reply), &effects)
        return .stay
    }
}
