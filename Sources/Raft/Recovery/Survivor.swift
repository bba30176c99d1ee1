/// What the data directory of one member says of its cluster, read while its node is not running.
public struct Survivor: Hashable, Sendable {
    public var cluster: String
    public var node: NodeID
    public var incarnation: Incarnation
    public var hardState: HardState
    /// The end of its log; where the log was replaced by a snapshot, that of the snapshot.
    public var last: LogID
    /// The end of the newest snapshot: through there everything is known to be committed. Nil when there is none.
    public var snapshot: LogID?
    /// The newest configuration, committed or not, and the one before it, if that is still known.
    public var configuration: ClusterConfiguration
    public var configurationID: LogID
    public var configurationBefore: ClusterConfiguration?
    /// Which life of each other member it met first.
    public var met: [NodeID: Incarnation]

    public init(
        cluster: String, node: NodeID, incarnation: Incarnation, hardState: HardState, last: LogID, snapshot: LogID?,
        configuration: ClusterConfiguration, configurationID: LogID,
        configurationBefore: ClusterConfiguration? = nil, met: [NodeID: Incarnation] = [:]
    ) {
        self.cluster = cluster
        self.node = node
        self.incarnation = incarnation
        self.hardState = hardState
        self.last = last
        self.snapshot = snapshot
        self.configuration = configuration
        self.configurationID = configurationID
        self.configurationBefore = configurationBefore
        self.met = met
    }

    /// - Parameters:
    ///   - recovered: what its log holds.
    ///   - snapshots: newest first, each seen to be whole.
    ///   - isReadable: reads a whole snapshot. Only asked about one that is about to replace the log.
    /// - Throws: ``RaftError/Code/corrupt`` when log and snapshots do not fit together,
    ///   ``RaftError/Code/wrongDirectory`` when it was never told of a cluster.
    package init(
        cluster: String, node: NodeID, recovered: RecoveredLog, snapshots: [SnapshotManifest],
        met: (NodeID) -> Incarnation?, isReadable: (SnapshotManifest) -> Bool
    ) throws(RaftError) {
        let recovery = try SnapshotRecovery(recovered, snapshots, isReadable: isReadable)
        guard let configuration = recovery.membership.current else {
            throw RaftError(
                .wrongDirectory,
                "node \(node) of cluster \(cluster) holds no member list: it has never been part of a cluster, and there is nothing to recover from it"
            )
        }
        self.init(
            cluster: cluster, node: node, incarnation: recovered.incarnation, hardState: recovered.hardState,
            last: recovery.log.last, snapshot: recovery.snapshots.first?.last, configuration: configuration,
            configurationID: recovery.membership.currentID, configurationBefore: recovery.membership.before)
        for id in knownMembers.map(\.id) where id != node {
            if let life = met(id) { self.met[id] = life }
        }
    }

    /// Those of the newest configuration, then those of the one before it: who is in both comes twice.
    var knownMembers: [ClusterConfiguration.Member] { configuration.members + (configurationBefore?.members ?? []) }

    /// Which of two logs is the further one, as in an election (§5.4.1).
    public func isFurther(than other: Survivor) -> Bool { last > other.last }

    /// Where it listens, or listened, as far as it knows.
    public var address: String? {
        configuration.address(of: node) ?? configurationBefore?.address(of: node)
    }
}
