internal import Raft

extension SafetyChecker {
    /// What of a status the next one is held against.
    final class Look {
        private(set) var role = NodeRole.stopped
        private(set) var currentTerm: Term = 0
        private(set) var last = LogID.zero
        private(set) var commitIndex: LogIndex = 0
        private(set) var lastApplied: LogIndex = 0
        private(set) var snapshot: LogIndex = 0
        private(set) var purged: LogIndex = 0
        private(set) var configuration: ClusterConfiguration?
        private(set) var configurationID = LogID.zero
        private(set) var peers: [PeerStatus] = []

        init(_ status: NodeStatus) { take(status) }

        func take(_ status: NodeStatus) {
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

    /// The durable snapshots of one node.
    struct DurableSnapshots {
        /// In the order in which they became so.
        private(set) var manifests: [SnapshotManifest] = []
        /// Where the one ends that goes furthest; 0 when there is none.
        private(set) var end: LogIndex = 0

        mutating func add(_ manifest: SnapshotManifest) {
            manifests.append(manifest)
            end = max(end, manifest.last.index)
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
