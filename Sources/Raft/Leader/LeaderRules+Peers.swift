// What the leader and its peers say to each other.

extension LeaderRules {
    func position(of peer: NodeID) -> Int? { progress.firstIndex { $0.peer == peer } }

    mutating func answer(
        _ request: PeerRequest, _ path: any ReplyPath, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict {
        switch request {
        case .append, .heartbeat, .snapshot:
            effects.alarm(
                "term \(baton.currentTerm): node \(request.sender) says that it leads, and so does this node. Two leaders in one term cannot be: look at node \(request.sender)'s data directory and certificate"
            )
        case .vote(let request):
            _ = Voting.answer(request, path, &baton, &effects)  // Its own vote of this term is its own.
        case .timeoutNow:
            baton.settings.reached(.timeoutNowIgnored)
        case .readIndex(let request):
            answer(request, path, &baton, &effects)
        case .forward:
            break  // The port makes a proposal of it.
        }
        return .stay
    }

    mutating func note(
        _ reply: PeerReply, _ from: NodeID, _ baton: borrowing Baton, _ effects: inout Effects
    ) {
        guard let at = position(of: from) else { return }
        switch reply {
        case .append(let reply):
            guard reply.stream == progress[at].stream || Mutant.isOn("ack-of-other-term") else {
                return baton.settings.reached(.replyOfOldStream)
            }
            let isAwaited = progress[at].isAwaited(reply.sequence)
            if !isAwaited { baton.settings.reached(.replyNotAnswer) }
            progress[at].heard(now: baton.now)
            switch reply.outcome {
            case .accepted(let through):
                guard through <= baton.log.last.index else {
                    effects.alarm("node \(from) acknowledged entry \(through); the log here ends at \(baton.log.last)")
                    return
                }
                _ = progress[at].accepted(sequence: reply.sequence, through: through, now: baton.now)
            case .conflict(let previous, let hint):
                if Mutant.isOn("refusal-counts") {
                    _ = progress[at].accepted(sequence: reply.sequence, through: previous, now: baton.now)
                }
                let agreeable = baton.log.terms.lastAgreeable(with: hint)
                if !isAwaited { baton.settings.reached(.lateRefusal) }
                if agreeable.index.next < previous { baton.settings.reached(.backUpOverTerms) }
                progress[at].refused(
                    sequence: reply.sequence, previous: previous, agreeable: agreeable.index, now: baton.now)
            case .rejected:
                break  // Of this term: cannot be; of a later one: the term gate has dealt with it.
            }
        case .heartbeat(let reply):
            guard reply.stream == progress[at].stream || Mutant.isOn("round-of-other-term") else { return }
            guard reply.round <= reads.round || Mutant.isOn("round-of-other-term") else { return }
            progress[at].heard(now: baton.now)
            progress[at].confirm(round: reply.round)
            progress[at].note(mark: reply.mark)
            hasNewRound = true
        case .snapshot(let reply):
            guard reply.stream == progress[at].stream else { return }
            progress[at].heard(now: baton.now)
            noteSnapshot(reply, at, baton, &effects)
        case .readIndex, .forward:
            break  // Of a time when it followed.
        case .vote:
            baton.settings.reached(.lateVoteReply)  // Of an election that is won.
        }
    }

    /// One line when a peer is lost, and one for each new reason why it cannot be reached again; not one a second.
    mutating func streamEnded(_ at: Int, _ id: StreamID, _ reason: String, _ effects: inout Effects) {
        if progress[at].stream == id {
            effects.warn("node \(progress[at].peer) lost: \(reason)")
        } else if progress[at].stream == nil, progress[at].lastFailure != reason {
            effects.warn("node \(progress[at].peer) cannot be reached: \(reason)")
        } else {
            return
        }
        progress[at].streamEnded(reason)
    }

    mutating func replicate(_ at: Int, _ baton: borrowing Baton, _ effects: inout Effects) {
        guard let stream = progress[at].stream else { return }
        let last = baton.log.last.index
        tendSnapshot(at, baton, &effects)
        while true {
            // Field by field: what is known of a peer is some thirty words long.
            let (state, nextIndex) = (progress[at].state, progress[at].nextIndex)
            if case .snapshot = state { return }
            // A probe may be empty; after it only entries are worth a message.
            guard state == .probe || nextIndex <= last else { return }
            let previousIndex = nextIndex.previous
            guard let previousTerm = baton.log.term(at: previousIndex) else {
                return sendSnapshot(at, stream, baton, &effects)
            }
            guard var window = progress[at].window(baton.settings) else { return baton.settings.reached(.windowFull) }
            if baton.settings.disturbs(.shortAppend) { window = 1 }
            var request = AppendRequest(
                term: baton.currentTerm, leader: baton.me, stream: stream, sequence: progress[at].nextSequence,
                previous: LogID(term: previousTerm, index: previousIndex), leaderCommit: baton.commitIndex, entries: [])
            if let entries = baton.log.entries(from: nextIndex, through: last, maximumBytes: window) {
                if state == .replicate || !baton.settings.disturbs(.emptyProbe) { request.entries = entries }
                if entries.isEmpty { baton.settings.reached(.emptyProbe) }
                let bytes = request.byteCount
                guard state == .probe || progress[at].isWorthSending(bytes: bytes) else { return }
                progress[at].sent(last: request.last.index, bytes: bytes, now: baton.now)
                effects.add(.append(progress[at].peer, stream, AppendOrder(request: request)))
            } else {
                // What is on its way to the disk cannot be read there yet.
                let through = min(last, baton.durableIndex)
                baton.settings.reached(.readForPeer)
                progress[at].sent(last: nil, bytes: window, now: baton.now)
                effects.add(.append(progress[at].peer, stream, AppendOrder(request: request, readThrough: through)))
            }
            if state == .probe { return }
        }
    }

    mutating func sendHeartbeat(_ at: Int, _ baton: borrowing Baton, _ effects: inout Effects) {
        guard let stream = progress[at].stream else { return }
        let heartbeat = HeartbeatRequest(
            term: baton.currentTerm, leader: baton.me, stream: stream, round: reads.round,
            commit: min(progress[at].matchIndex, baton.commitIndex), leaderCommit: baton.commitIndex,
            freshMark: progress[at].fresh.mark, freshIndex: progress[at].fresh.index)
        effects.add(.heartbeat(progress[at].peer, stream, heartbeat))
    }
}
