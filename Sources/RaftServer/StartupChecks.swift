internal import Raft
internal import RaftStorage
internal import RaftTransport

/// Everything that keeps a node from starting. Each check changes nothing, and says what, with which values, and what
/// to do.
enum StartupChecks {
    /// - Throws: unless the certificate is that of this node of this cluster.
    static func identity(_ principal: Principal, _ configuration: ServerConfiguration) throws(RaftError) {
        func refuse(_ reason: String, _ advice: String) -> RaftError {
            RaftError(.transport, "\(configuration.certificate) names \(principal.uri): \(reason); \(advice)")
        }
        guard principal.role == .peer else {
            throw refuse("not a node's certificate", "issue one with `raft cert issue --role peer`")
        }
        guard principal.cluster == configuration.cluster else {
            throw refuse(
                "the cluster is \"\(configuration.cluster)\"", "correct --cluster or use that cluster's certificate")
        }
        guard principal.node == configuration.id else {
            throw refuse("this is node \(configuration.id)", "correct --id or use that node's certificate")
        }
    }

    /// - Throws: when the directory is empty and nobody said what to do then, or is somebody else's.
    static func directory(_ configuration: ServerConfiguration) throws(RaftError) -> DataDirectory.Mode {
        guard case .empty = try DataDirectory.contents(of: configuration.data) else { return .existing }
        switch configuration.firstStart {
        case .refuse:
            throw RaftError(
                .wrongDirectory,
                "\(configuration.data) is empty; start a new cluster with --bootstrap, add this node to a cluster with --join, or correct --data if the node had data"
            )
        case .bootstrap, .join: return .create
        }
    }

    /// What whoever bootstraps an empty directory must know. A node that has lost its disk has also lost its vote and
    /// what it acknowledged: made new under its old id, it can elect a leader that misses committed entries.
    static func firstStartWarning(_ configuration: ServerConfiguration) -> String {
        "made a new data directory \(configuration.data) (first start). If node \(configuration.id) was ever part of this cluster, stop it now: a member that comes back empty must not be bootstrapped again"
    }

    /// - Throws: when a member list was given that is neither the one the cluster began with nor the newest one here.
    static func members(
        _ given: ClusterConfiguration?, _ stored: [(id: LogID, payload: [UInt8])], _ path: String,
        snapshot: SnapshotManifest? = nil
    ) throws(RaftError) {
        guard let given else { return }
        let inLog = try stored.last.map { last throws(RaftError) in try ClusterConfiguration(decoding: last.payload) }
        guard let newest = inLog ?? snapshot?.configuration else { return }
        if given.hasSameMembers(as: newest) { return }
        if let first = stored.first, first.id.index == 1 {
            if given.hasSameMembers(as: try ClusterConfiguration(decoding: first.payload)) { return }
        } else if given.bootstrapMark == snapshot?.bootstrap {
            // The first entry was purged; the snapshot has its mark.
            return
        }
        func list(_ configuration: ClusterConfiguration) -> String {
            configuration.members.map { "\($0.id)=\($0.address)" }.joined(separator: ",")
        }
        throw RaftError(
            .invalidConfiguration,
            "--members says \(list(given)), but \(path) holds a cluster of \(list(newest)); correct the list, or leave it out: after the first start it is not needed"
        )
    }
}
