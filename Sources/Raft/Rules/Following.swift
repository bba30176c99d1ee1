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

    /// A piece of a snapshot (Figure 13).
    static func snapshot(
        _ request: SnapshotRequest, _ path: any ReplyPath, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict {
        guard acknowledge(request.leader, &baton, &effects) else { return .stay }
        let manifest = request.manifest
        let (offset, end) = (request.offset, request.end)
        guard manifest.last.term <= request.term, manifest.configurationID.index <= manifest.last.index,
            offset <= end, end <= manifest.byteCount, offset < end || manifest.byteCount == 0
        else {
            effects.alarm(
                "\(manifest) of node \(request.leader) in term \(request.term) refused: no leader of this term can have it, or bytes \(offset) to \(end) of it; look at that node's data directory"
            )
            return .stay
        }
        if contradicts(manifest, from: request.leader, baton, &effects) { return .stay }
        if has(manifest, &baton, &effects) {
            if baton.snapshots.receiver.id == manifest.id {
                baton.snapshots.receiver.end(manifest.id)
                effects.add(.endReceipt(manifest.id))
            }
            answerPosition(manifest.id, request.stream, path, &baton, &effects)
            return .stay
        }
        guard baton.snapshots.isEnabled else {
            effects.alarm(
                "\(manifest) of node \(request.leader) cannot be taken: this node's state machine takes none, or it has no store for them"
            )
            answer(.unable, manifest.id, request.stream, path, &baton, &effects)
            return .stay
        }
        guard manifest.byteCount <= UInt64(clamping: baton.settings.maximumSnapshotBytes) else {
            effects.alarm(
                "\(manifest) of node \(request.leader) refused: this node takes at most \(baton.settings.maximumSnapshotBytes) bytes (maximumSnapshotBytes); raise that and restart it, or look at what the state holds"
            )
            answer(.unable, manifest.id, request.stream, path, &baton, &effects)
            return .stay
        }
        guard request.isIntact else {
            effects.warn("\(manifest): bytes \(offset) to \(end) do not match their checksum, and are asked for again")
            answer(.received(through: offset), manifest.id, request.stream, path, &baton, &effects)
            return .stay
        }
        switch baton.snapshots.receiver.take(request) {
        case .write(let begins):
            if begins { effects.note("receives \(manifest) of node \(request.leader)") }
            // Before the snapshot can be durable: a start that finds it goes on from it.
            baton.noteJoining(&effects)
            effects.add(.receiveSnapshot(SnapshotPiece(request: request, begins: begins, path: path)))
        case .ask(let offset):
            answer(.received(through: offset), manifest.id, request.stream, path, &baton, &effects)
        case .drop:
            break
        }
        return .stay
    }

    /// A piece was written, or could not be. The answer leaves from here, since it names this node's term.
    static func wrote(
        _ piece: SnapshotPieceResult, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict {
        let manifest = piece.manifest
        switch piece.outcome {
        case .written(let offset):
            answer(.received(through: offset), manifest.id, piece.stream, piece.path, &baton, &effects)
        case .failed(let error):
            baton.snapshots.receiver.end(manifest.id)
            effects.warn("\(manifest) could not be received: \(error.message)")
            answer(.unable, manifest.id, piece.stream, piece.path, &baton, &effects)
        case .durable:
            baton.snapshots.receiver.end(manifest.id)
            if contradicts(manifest, from: nil, baton, &effects) {
                effects.add(.discardSnapshot(manifest.id))
            } else if has(manifest, &baton, &effects) {
                // The log has come there meanwhile.
                baton.note(manifest)
                answerPosition(manifest.id, piece.stream, piece.path, &baton, &effects)
            } else {
                effects.note("installs \(manifest); the log ended at \(baton.log.last)")
                let reply = SnapshotReply(
                    term: baton.currentTerm, stream: piece.stream, snapshot: manifest.id,
                    outcome: .installed(through: manifest.last.index))
                baton.install(manifest, &effects, replies: [HeldReply(path: piece.path, reply: .snapshot(reply))])
            }
        }
        return .stay
    }

    /// What is committed here is what every later leader has: a snapshot that says otherwise is of another history
    /// (openraft #1892).
    private static func contradicts(
        _ manifest: SnapshotManifest, from leader: NodeID?, _ baton: borrowing Baton, _ effects: inout Effects
    ) -> Bool {
        let last = manifest.last
        guard last.index <= baton.commitIndex, let term = baton.log.term(at: last.index), term != last.term else {
            return false
        }
        effects.alarm(
            "\(manifest)\(leader.map { " of node \($0)" } ?? "") refused: entry \(last.index) is committed here with term \(term). One of the two nodes has another cluster's data: look at both data directories"
        )
        return true
    }

    /// Whether the log holds all that the snapshot does. What a leader has a snapshot of is committed.
    private static func has(
        _ manifest: SnapshotManifest, _ baton: inout Baton, _ effects: inout Effects
    ) -> Bool {
        let last = manifest.last
        if Mutant.isOn("old-snapshot-installed"), last.index < baton.commitIndex { return false }
        if Mutant.isOn("matching-log-dropped"), last.index > baton.commitIndex { return false }
        if last.index <= baton.commitIndex { return true }
        guard baton.log.term(at: last.index) == last.term else { return false }
        baton.commit(through: last.index)
        baton.orderApply(&effects) { _ in [] }
        return true
    }

    private static func answer(
        _ outcome: SnapshotReply.Outcome, _ id: SnapshotID, _ stream: StreamID, _ path: any ReplyPath,
        _ baton: inout Baton, _ effects: inout Effects
    ) {
        let reply = SnapshotReply(term: baton.currentTerm, stream: stream, snapshot: id, outcome: outcome)
        baton.answer(path, .snapshot(reply), &effects)
    }

    /// Everything committed here, as soon as it is durable, so that the leader goes on from there with the log.
    private static func answerPosition(
        _ id: SnapshotID, _ stream: StreamID, _ path: any ReplyPath, _ baton: inout Baton, _ effects: inout Effects
    ) {
        let index = baton.commitIndex
        let reply = SnapshotReply(
            term: baton.currentTerm, stream: stream, snapshot: id, outcome: .installed(through: index))
        let held = HeldReply(path: path, reply: .snapshot(reply))
        effects.add(baton.isTermDurable && index <= baton.durableIndex ? .reply(held) : .replyAfterWrites(held))
    }

    static func heartbeat(
        _ request: HeartbeatRequest, _ path: any ReplyPath, _ baton: inout Baton, _ effects: inout Effects
    ) -> Verdict {
        guard acknowledge(request.leader, &baton, &effects) else { return .stay }
        // Capped by what this follower has acknowledged on this stream, so it agrees with the leader's log.
        if request.commit > baton.commitIndex { baton.settings.reached(.commitByHeartbeat) }
        baton.commit(through: Mutant.isOn("heartbeat-commit-uncapped") ? request.leaderCommit : request.commit)
        baton.orderApply(&effects) { _ in [] }
        baton.freshness.heard(request.freshMark, index: request.freshIndex)
        let reply = HeartbeatReply(
            term: baton.currentTerm, stream: request.stream, round: request.round, isRejected: false,
            mark: baton.freshness.mark(now: baton.now, spacing: baton.markSpacing))
        baton.answer(path, .heartbeat(reply), &effects)
        return .stay
    }
}
