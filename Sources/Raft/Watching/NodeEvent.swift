/// Something that happened to a node, as ``RaftNode/events`` tells it. Nothing that happens for each command.
public enum NodeEvent: Sendable {
    /// It plays another role now. In a term that it may still rise above as a candidate.
    case role(NodeRole, term: Term)
    /// It asks for votes: in `term` already, or, before that, for the one after it (pre-vote, dissertation §9.6).
    case election(term: Term)
    /// It knows of another leader, or of none.
    case leader(LeaderHint?, term: Term)
    /// Another configuration of members is in force; it need not be committed yet. The entry names it.
    case configuration(ClusterConfiguration, LogID)
    /// The configuration of this entry is committed.
    case configurationCommitted(LogID)
    /// A newer snapshot is durable here: built, or received from a leader.
    case snapshot(SnapshotStatus)
    /// On a leader: a peer can be reached, or cannot any more, for this reason. A new leader begins with all of them not
    /// reached yet.
    case peer(NodeID, isReachable: Bool, reason: String?)
    /// The disk has no room for more entries, or has again (nil).
    case logShortage(RaftError?)
    /// Certificates were read anew, or could not be: whoever reads them says so with
    /// ``RaftNode/announceCertificates(_:isUsed:)``.
    case certificates(String, isUsed: Bool)
    /// It was removed from the cluster, and takes no part any more.
    case removed
    /// So many events were left out, since nobody took them for long.
    case missed(Int)
    /// It has ended: why, or nil when it was asked to. The last event.
    case stopped(RaftError?)

    /// What happened between two looks, in this order.
    static func between(_ old: NodeStatus, _ new: NodeStatus) -> [NodeEvent] {
        var events: [NodeEvent] = []
        if new.role != old.role { events.append(.role(new.role, term: new.currentTerm)) }
        if new.role == .candidate, old.role != .candidate || old.currentTerm != new.currentTerm {
            events.append(.election(term: new.currentTerm))
        }
        if new.leader?.id != old.leader?.id || (new.leader != nil && new.currentTerm != old.currentTerm) {
            events.append(.leader(new.leader, term: new.currentTerm))
        }
        if new.configurationID != old.configurationID, let configuration = new.configuration {
            events.append(.configuration(configuration, new.configurationID))
        }
        let wasCommitted =
            old.configurationID == new.configurationID && old.commitIndex >= old.configurationID.index
        if !wasCommitted, new.configuration != nil, new.commitIndex >= new.configurationID.index {
            events.append(.configurationCommitted(new.configurationID))
        }
        if let snapshot = new.snapshot, snapshot.id != old.snapshot?.id { events.append(.snapshot(snapshot)) }
        events += peers(old, new)
        if (new.logShortage == nil) != (old.logShortage == nil) { events.append(.logShortage(new.logShortage)) }
        if new.isRemoved, !old.isRemoved { events.append(.removed) }
        return events
    }

    private static func peers(_ old: NodeStatus, _ new: NodeStatus) -> [NodeEvent] {
        new.peers.compactMap { peer in
            let wasReachable = old.peers.first { $0.id == peer.id }?.isReachable ?? false
            guard peer.isReachable != wasReachable else { return nil }
            return .peer(peer.id, isReachable: peer.isReachable, reason: peer.lastFailure)
        }
    }
}

/// This node's leadership, which it gains and loses by turns: see ``RaftNode/onLeadershipChange(_:)``.
public enum LeadershipChange: Hashable, Sendable {
    /// It leads. What it proposes is not committed yet for that, and another may lead in a later term already.
    case gained(term: Term)
    /// It leads no longer, or has ended. Named with the term in which it led.
    case lost(term: Term)
}
