// Peers that need what was purged, and callers who want a snapshot sent.

/// Callers who want peers to be sent a snapshot that includes everything applied when they asked.
struct SnapshotPush: Sendable {
    let ticket: SnapshotTicket
    /// Who has not answered yet.
    var peers: [NodeID]
    /// The snapshot must end here or later.
    let index: LogIndex
    /// Somebody has it.
    var isTaken = false
    /// On which stream's behalf it was sent: a stream that begins anew does not hear the old one's answer.
    var sent: [(peer: NodeID, stream: StreamID)] = []
}

extension LeaderRules {
    /// What peers need next while they take a snapshot, and until they have caught up with the newest.
    var heldIndex: LogIndex? { progress.compactMap(\.heldIndex).min() }

    /// The peer's next entry was purged. One that is being built is newer: it is worth the wait.
    mutating func sendSnapshot(
        _ at: Int, _ stream: StreamID, _ baton: borrowing Baton, _ effects: inout Effects
    ) {
        let snapshots = baton.snapshots
        guard let manifest = snapshots.newest, snapshots.damaged == nil, snapshots.building == nil else { return }
        order(manifest, at, stream, baton, &effects)
    }

    private mutating func order(
        _ manifest: SnapshotManifest, _ at: Int, _ stream: StreamID, _ baton: borrowing Baton,
        _ effects: inout Effects
    ) {
        effects.note("node \(progress[at].peer) needs a snapshot: sends \(manifest)")
        progress[at].becomeSnapshot(manifest, now: baton.now)
        let order = SnapshotOrder(
            term: baton.currentTerm, leader: baton.me, stream: stream, manifest: manifest)
        effects.add(.sendSnapshot(progress[at].peer, order))
    }

    mutating func noteSnapshot(
        _ reply: SnapshotReply, _ at: Int, _ baton: borrowing Baton, _ effects: inout Effects
    ) {
        let peer = progress[at].peer
        switch reply.outcome {
        case .received, .rejected:
            break  // The snapshot stream goes on by itself; the term gate has dealt with a later term.
        case .unable:
            effects.warn("node \(peer) cannot take snapshot \(reply.snapshot) now; its own log says why")
        case .installed(let through):
            guard through <= baton.log.last.index else {
                effects.alarm(
                    "node \(peer) says that it holds entry \(through); the log here ends at \(baton.log.last)")
                return
            }
            if case .snapshot(reply.snapshot) = progress[at].state {
                effects.note("node \(peer) has everything through \(through); goes on with the log")
            }
            progress[at].installed(through: through, now: baton.now)
            finishPushes(peer, reply.snapshot, baton, &effects)
        }
    }

    /// Ends snapshot streams that have done their work, and begins anew what was lost to a damaged file.
    mutating func tendSnapshot(_ at: Int, _ baton: borrowing Baton, _ effects: inout Effects) {
        guard progress[at].heldIndex != nil || progress[at].hasSnapshotStream, let newest = baton.snapshots.newest
        else { return }
        if case .snapshot(let id) = progress[at].state {
            if let stream = progress[at].stream, id != newest.id, baton.snapshots.damaged == nil,
                baton.snapshots.unreadable.contains(id)
            {
                order(newest, at, stream, baton, &effects)
            }
            return
        }
        if progress[at].hasSnapshotStream, progress[at].state == .replicate || progress[at].matchIndex > 0 {
            progress[at].endSnapshotStream()
            effects.add(.endSnapshot(progress[at].peer))
        }
        progress[at].release(beyond: newest.last.index)
    }

    // MARK: Pushing

    mutating func push(
        to peer: NodeID?, _ ticket: SnapshotTicket, _ baton: inout Baton, _ effects: inout Effects
    ) {
        func refuse(_ reason: String) {
            effects.add(.fail([ticket], RaftError(.snapshotFailed, "no snapshot is sent: \(reason)")))
        }
        guard baton.snapshots.isEnabled else {
            return refuse("this node builds none; its state machine makes none, or there is no store for them")
        }
        guard baton.applyOrdered > 0 else { return refuse("nothing was applied here yet") }
        let peers = peer.map { [$0] } ?? progress.map(\.peer)
        guard !peers.isEmpty else { return refuse("node \(baton.me) is the only member") }
        for peer in peers {
            guard position(of: peer) != nil else { return refuse("node \(peer) is not another member") }
        }
        pushes.append(SnapshotPush(ticket: ticket, peers: peers, index: baton.applyOrdered))
        // Nobody waits for the build itself: those who wait for the push are told by it.
        baton.snapshots.request(SnapshotTicket { _ in }, through: baton.applyOrdered)
    }

    mutating func continuePushes(_ baton: borrowing Baton, _ effects: inout Effects) {
        guard !pushes.isEmpty else { return }
        pushes.removeAll { $0.ticket.isSettled }
        dropDeparted(baton, &effects)
        guard let newest = baton.snapshots.newest, baton.snapshots.damaged == nil else { return }
        for push in pushes.indices where newest.last.index >= pushes[push].index {
            for peer in pushes[push].peers {
                guard let at = position(of: peer), let stream = progress[at].stream,
                    !pushes[push].sent.contains(where: { $0 == (peer, stream) })
                else { continue }
                pushes[push].sent.removeAll { $0.peer == peer }
                pushes[push].sent.append((peer, stream))
                order(newest, at, stream, baton, &effects)
            }
        }
    }

    /// Who is no member any more is waited for no longer.
    private mutating func dropDeparted(_ baton: borrowing Baton, _ effects: inout Effects) {
        for push in pushes.indices {
            guard let gone = pushes[push].peers.first(where: { position(of: $0) == nil }) else { continue }
            let here = pushes[push].peers.filter { position(of: $0) != nil }
            pushes[push].peers = here
            guard here.isEmpty else { continue }
            if pushes[push].isTaken, let newest = baton.snapshots.newest {
                effects.add(.succeedSnapshot([pushes[push].ticket], newest))
            } else {
                let error = RaftError(.snapshotFailed, "node \(gone) was removed before it had the snapshot")
                effects.add(.fail([pushes[push].ticket], error))
            }
        }
        pushes.removeAll { $0.peers.isEmpty }
    }

    private mutating func finishPushes(
        _ peer: NodeID, _ id: SnapshotID, _ baton: borrowing Baton, _ effects: inout Effects
    ) {
        guard let newest = baton.snapshots.newest else { return }
        for push in pushes.indices where pushes[push].sent.contains(where: { $0.peer == peer }) {
            pushes[push].peers.removeAll { $0 == peer }
            pushes[push].isTaken = true
            if pushes[push].peers.isEmpty { effects.add(.succeedSnapshot([pushes[push].ticket], newest)) }
        }
        pushes.removeAll { $0.peers.isEmpty }
    }

    /// The build that they wait for has failed.
    mutating func failPushes(awaiting error: RaftError, _ baton: borrowing Baton, _ effects: inout Effects) {
        let built = baton.snapshots.newest?.last.index ?? 0
        let tickets: [Ticket] = pushes.filter { $0.index > built }.map(\.ticket)
        pushes.removeAll { $0.index > built }
        if !tickets.isEmpty { effects.add(.fail(tickets, error)) }
    }

    mutating func failPushes(_ baton: borrowing Baton, _ effects: inout Effects) {
        let tickets: [Ticket] = pushes.map(\.ticket)
        pushes = []
        if !tickets.isEmpty { effects.add(.fail(tickets, baton.notLeader())) }
    }
}
