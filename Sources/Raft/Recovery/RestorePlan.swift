/// How one member of a new cluster begins with the state of a saved snapshot. Each of them makes its own start, from the
/// same file and the same list of members; together they are a cluster that begins with that state.
///
/// What becomes of what the snapshot holds:
/// - The state and the clients' sessions are taken over as they are: a command that is in them and is made again is
///   answered with its first reply.
/// - The members are those of the list, each with a vote, and bound to no life yet, as after a bootstrap
///   (<doc:Incarnations>). Who belonged to the old cluster, who was removed from it, who should lead, and whether there
///   were leases, is forgotten.
///
/// The new cluster has a birth mark of its own (``Hello/bootstrap``), made of the snapshot, the cluster's name and the
/// members. So members that were restored from another file or with another list refuse each other, and members of the
/// old cluster and the new one do, in both directions.
public struct RestorePlan: Hashable, Sendable {
    /// What the file says of itself.
    public let source: SnapshotManifest
    public let cluster: String
    /// Whose start it is.
    public let node: NodeID
    /// Of the life that begins.
    public let incarnation: Incarnation
    public let configuration: ClusterConfiguration
    /// The entry that the new members are: the next one behind the snapshot, in a term above the snapshot's.
    public let id: LogID
    /// The birth mark of the new cluster: the same on each member.
    public let mark: UInt64

    /// - Parameters:
    ///   - members: who belongs to the new cluster, and where each listens.
    ///   - incarnation: drawn at random.
    /// - Throws: ``RaftError/Code/invalidConfiguration`` when `node` is not in the list, when somebody of it has no
    ///   vote or is bound to a life, or when nothing can come behind the snapshot.
    public init(
        of source: SnapshotManifest, cluster: String, node: NodeID, members: ClusterConfiguration,
        incarnation: Incarnation
    ) throws(RaftError) {
        func refuse(_ reason: String) -> RaftError { RaftError(.invalidConfiguration, "restore refused: \(reason)") }
        let plain = try ClusterConfiguration(
            voters: members.members.map { .init(id: $0.id, address: $0.address) })
        guard members == plain else {
            throw refuse("the members \(members) are more than a list of voters; name ids and addresses only")
        }
        guard members.contains(node) else {
            throw refuse("the members \(members) do not name node \(node), whose start this is")
        }
        guard incarnation.rawValue != 0 else { throw refuse("the new life of node \(node) must not be 0") }
        guard source.last.term.rawValue < .max - 1, source.last.index.rawValue < .max - 2 else {
            throw refuse("nothing can come behind entry \(source.last) of the snapshot")
        }
        self.source = source
        self.cluster = cluster
        self.node = node
        self.incarnation = incarnation
        configuration = members
        id = LogID(term: source.last.term.next, index: source.last.index.next)
        // A zero between them: a name holds none, and a manifest knows its length.
        mark = ClusterConfiguration.birthMark(of: source.encoded + Array(cluster.utf8) + [0] + members.encoded)
    }

    /// What the vote file begins with.
    public var hardState: HardState { HardState(currentTerm: id.term) }

    /// What the snapshot that the new log begins behind says of itself.
    public var manifest: SnapshotManifest {
        source.beginning(at: id, configuration, mark: mark, builder: incarnation)
    }
}
