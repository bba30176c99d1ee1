internal import Raft

extension ClusterConfiguration {
    /// Whether these are a majority of each set of voters. Counted apart from what the nodes count with: they may be
    /// wrong.
    func isDecided(by agrees: (NodeID) -> Bool) -> Bool {
        voterSets.allSatisfy { set in set.count { agrees($0) } * 2 > set.count }
    }
}

extension SafetyChecker {
    /// I13: the configuration in force is one that the log holds, committed or not.
    func checkConfiguration(_ status: NodeStatus) {
        let id = status.configurationID
        if id != before[status.id]?.configurationID, let said = configurations[id], status.configuration != said {
            fail("I13", "node \(status.id) is in configuration \(id), and takes another for it than that entry")
        }
        if id.index > status.last.index {
            fail("I13", "node \(status.id) is in configuration \(id), and its log ends at \(status.last)")
        }
        // What a snapshot stands for is committed.
        if id != before[status.id]?.configurationID, id.index > 0, id.index <= status.snapshot?.last.index ?? 0,
            id.index.rawValue <= UInt64(committed.count), committed[Int(id.index.rawValue) - 1].id != id
        {
            fail("I13", "node \(status.id) is in configuration \(id), which is not committed, by its snapshot")
        }
        // Where everything is on the disk, the disk knows; but for what a snapshot stands for.
        guard status.durableIndex == status.last.index, id.index > status.snapshot?.last.index ?? 0,
            let entries = mirrors[status.id]?.entries, id.index.rawValue <= UInt64(entries.count), id.index > 0
        else { return }
        let held = entries[Int(id.index.rawValue) - 1].term
        if held != id.term {
            fail("I13", "node \(status.id) is in configuration \(id); its disk has that entry of term \(held)")
        }
    }

    /// Whether the members are committed without this one, which was one of them.
    func isRemoved(_ node: NodeID) -> Bool {
        guard let last = committed.last?.id, let id = history(of: configurations, through: last).last,
            let configuration = configurations[id]
        else { return false }
        return !configuration.contains(node) && configuration.removed.contains { $0.id == node }
    }

    /// I12: what was asked for only these members was not done to others.
    ///
    /// - Parameter asked: what the leader that was asked says of itself in that moment.
    func isOutdated(_ seen: LogID, _ asked: NodeStatus) -> Bool {
        guard asked.role == .leader, let old = configurations[seen], let new = asked.configuration else { return false }
        return old.voterSets != new.voterSets || old.members.map(\.id) != new.members.map(\.id)
    }

    /// A node has told a leader what it holds, if that is what the reply is about.
    func acknowledged(_ reply: PeerReply, by node: NodeID, to leader: NodeID) {
        let (term, index): (Term, LogIndex)
        switch reply {
        case .append(let append):
            guard case .accepted(let through) = append.outcome else { return }
            (term, index) = (append.term, through)
        case .snapshot(let snapshot):
            guard case .installed(let through) = snapshot.outcome else { return }
            (term, index) = (snapshot.term, through)
        case .vote, .heartbeat, .readIndex, .forward: return
        }
        if acks[leader]?.term ?? 0 > term { return }
        if acks[leader]?.term != term { acks[leader] = (term, [:]) }
        acks[leader]!.through[node] = max(acks[leader]!.through[node] ?? 0, index)
    }

    /// I6: what a leader takes for durable on a peer is on that peer's disk, as the leader has it, and the peer has said
    /// so in this term.
    func checkMatches(_ status: NodeStatus) {
        let old = before[status.id]?.peers ?? []
        for peer in status.peers where peer.matchIndex > 0 {
            if old.contains(where: { $0.id == peer.id && $0.matchIndex == peer.matchIndex }) { continue }
            let told = acks[status.id].flatMap { $0.term == status.currentTerm ? $0.through[peer.id] : nil } ?? 0
            if told < peer.matchIndex {
                return fail(
                    "I6",
                    "leader \(status.id) takes entry \(peer.matchIndex) for durable on node \(peer.id), which has acknowledged \(told) in term \(status.currentTerm)"
                )
            }
            // Who has moved on to a later term may have cut its log since; nothing is committed by this leader then.
            guard let mirror = mirrors[peer.id], mirror.hardState.currentTerm <= status.currentTerm else { continue }
            // A durable snapshot counts before a log that it is about to take the place of: a start goes on from it.
            let theirs =
                snapshotPrefix(at: peer.matchIndex, on: peer.id)
                ?? counted(peer.id, at: peer.matchIndex).prefix(at: peer.matchIndex)
            guard let theirs else {
                return fail(
                    "I6",
                    "leader \(status.id) takes entry \(peer.matchIndex) for durable on node \(peer.id), whose disk ends at \(mirror.entries.count)"
                )
            }
            if let own = mirrors[status.id]!.prefix(at: peer.matchIndex), own != theirs {
                fail("I6", "node \(peer.id) has another entry \(peer.matchIndex) than leader \(status.id) takes it for")
            }
        }
    }

    /// I13: on a majority of each set of voters, by the configuration in force where it is claimed, or by the one that
    /// governs this entry.
    func isQuorum(_ holders: [NodeID], of index: LogIndex, by status: NodeStatus) -> Bool {
        let governing = mirrors[holders[0]]!.configurations.last { $0.index <= index }.flatMap { configurations[$0] }
        // A leader may commit and change the configuration in one turn.
        let claims =
            [status.configuration, before[status.id]?.configuration] + (status.role == .leader ? [] : [governing])
        return claims.contains { claim in
            claim.map { $0.isDecided { holders.contains($0) } } ?? false
        }
    }

    /// I7: where a node that has everything on its disk counts an entry as committed, it holds that entry.
    func checkHeld(_ status: NodeStatus) {
        let index = status.commitIndex
        guard index > status.snapshot?.last.index ?? 0, status.durableIndex == status.last.index,
            let held = mirrors[status.id]?.prefix(at: index), case let truth = committed[Int(index.rawValue) - 1],
            held != truth.prefix
        else { return }
        fail("I7", "node \(status.id) counts entry \(index) as committed, and holds another than \(truth.id)")
    }

    // MARK: What messages claim

    /// A request has left for `node`.
    func checkClaims(of request: PeerRequest, to node: NodeID) {
        switch request {
        case .vote(let vote): take(messages?.violation(of: vote))
        case .heartbeat(let heartbeat): take(messages?.violation(of: heartbeat, to: node))
        case .append, .timeoutNow, .snapshot, .readIndex, .forward: break
        }
    }

    /// A request has arrived at `node`.
    func arrived(_ request: PeerRequest, at node: NodeID) {
        switch request {
        case .append(let append): tenures?.led(by: append.leader, in: append.term, at: node, now: now())
        case .heartbeat(let heartbeat): tenures?.led(by: heartbeat.leader, in: heartbeat.term, at: node, now: now())
        case .snapshot(let snapshot): tenures?.led(by: snapshot.leader, in: snapshot.term, at: node, now: now())
        case .timeoutNow(let order):
            guard leaders[order.term]?.node == order.leader else { return }
            messages?.ordered(node, toCampaignIn: order.term)
        case .vote, .readIndex, .forward: break
        }
    }

    // MARK: Reads

    /// A leader has served a read that came at `time`.
    func served(by node: NodeID, askedAt time: Int64, _ status: NodeStatus?) {
        let configurations = [status?.configuration, before[node]?.configuration].compactMap { $0 }
        if !configurations.isEmpty, !reads.isConfirmed(by: node, since: time, configurations) {
            fail("I16", "node \(node) served a read without a quorum that answered after it had come")
        }
    }
}
