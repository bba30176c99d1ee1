internal import Raft

extension SafetyChecker {
    /// What of a status the next one is held against.
    struct Look {
        let role: NodeRole
        let currentTerm: Term
        let last: LogID
        let commitIndex: LogIndex
        let lastApplied: LogIndex
        let snapshot: LogIndex
        let purged: LogIndex
        let configuration: ClusterConfiguration?
        let configurationID: LogID
        let peers: [PeerStatus]

        init(_ status: NodeStatus) {
            role = status.role
            currentTerm = status.currentTerm
            last = status.last
            commitIndex = status.commitIndex
            lastApplied = status.lastApplied
            snapshot = status.snapshot?.last.index ?? 0
            purged = status.purged
            configuration = status.configuration
            configurationID = status.configurationID
            peers = status.peers
        }
    }

    /// I22: what waits has its limits.
    func checkBounds(_ status: NodeStatus) {
        for peer in status.peers where peer.inflightCount > limits.maximumInflightAppends {
            fail(
                "I22",
                "leader \(status.id) has \(peer.inflightCount) appends on their way to node \(peer.id), the limit is \(limits.maximumInflightAppends)"
            )
        }
        guard let entries = mirrors[status.id]?.entries else { return }
        var bytes = 0
        var count = 0
        var position = entries.count - 1
        while position >= Int(status.commitIndex.rawValue), position >= 0, entries[position].term == status.currentTerm
        {
            bytes += entries[position].bytes
            count += entries[position].bytes > 0 ? 1 : 0
            position -= 1
        }
        // A single command may be larger than the limit.
        if count > 1, bytes > limits.maximumUncommittedBytes {
            fail(
                "I22",
                "leader \(status.id) holds \(bytes) uncommitted bytes, the limit is \(limits.maximumUncommittedBytes)")
        }
    }
}
