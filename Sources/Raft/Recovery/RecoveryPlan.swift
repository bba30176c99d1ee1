/// How a cluster goes on after the permanent loss of a quorum: from the data of one member, as a new cluster.
///
/// Nothing in Raft makes this safe. What only the lost members held is gone, though it was acknowledged; and what this
/// one holds and nobody had acknowledged is taken for committed. So it is never done but by an operator's explicit word
/// (`raft recover`).
///
/// The new cluster has this member alone, as another life of it (``Incarnation``), and another birth mark
/// (``Hello/bootstrap``): its log begins behind a snapshot of everything that the member holds, which carries both. A
/// member that was lost and comes back after all belongs to the old cluster, by its mark, and is refused on every link
/// in both directions; its id can be used again with an empty directory.
public struct RecoveryPlan: Hashable, Sendable {
    /// Whose data the cluster goes on from.
    public let survivor: Survivor
    /// The others whose data was looked at.
    public let others: [Survivor]
    /// Of the life that begins.
    public let incarnation: Incarnation
    /// The birth mark of the new cluster.
    public let mark: UInt64
    /// The entry that the new members are: behind everything that the survivor holds, in a term that is above every
    /// term it has heard of.
    public let id: LogID
    public let configuration: ClusterConfiguration

    /// - Parameters:
    ///   - others: of every other directory that is at hand: so that none is passed over that holds more.
    ///   - address: where the node will be reached; nil for where it was.
    ///   - incarnation: drawn at random; not the survivor's.
    ///   - mark: drawn at random. Two recoveries of one cluster are two clusters.
    /// - Throws: ``RaftError/Code/invalidConfiguration`` when the cluster needs no recovery, when another one of the
    ///   members must be recovered from, or when the directories do not belong together.
    public init(
        of survivor: Survivor, comparing others: [Survivor] = [], address: String? = nil, incarnation: Incarnation,
        mark: UInt64
    ) throws(RaftError) {
        func refuse(_ reason: String) -> RaftError { RaftError(.invalidConfiguration, "recovery refused: \(reason)") }
        let me = survivor.node
        for (position, other) in others.enumerated() {
            guard other.cluster == survivor.cluster else {
                throw refuse("node \(other.node) is of cluster \(other.cluster), node \(me) of \(survivor.cluster)")
            }
            guard other.node != me, !others[..<position].contains(where: { $0.node == other.node }) else {
                throw refuse("two of the directories are of node \(other.node); give each member's own")
            }
        }
        if let furthest = others.max(by: { $1.isFurther(than: $0) }), furthest.isFurther(than: survivor) {
            throw refuse(
                "node \(furthest.node) holds more: its log ends at \(furthest.last), that of node \(me) at \(survivor.last); recover from node \(furthest.node)"
            )
        }
        let old = survivor.configuration
        guard !old.isRemoved(me, survivor.incarnation) else {
            throw refuse("node \(me) was removed from the cluster, which went on without it")
        }
        if old.isSoleVoter(me) {
            throw refuse("node \(me) is the only voter of its cluster: it needs nobody else; start it")
        }
        let present = ([survivor] + others).filter { one in
            old.member(one.node).map { $0.incarnation == nil || $0.incarnation == one.incarnation } ?? false
        }.map(\.node)
        if Quorum(old).isReached(where: present.contains) {
            throw refuse(
                "nodes \(present.sorted()) are a majority of the voters \(old.voters): no quorum is lost; start them"
            )
        }
        guard let address = address ?? survivor.address else {
            throw refuse("node \(me) is no member by its own log, so nobody knows where it listens; give its address")
        }
        guard incarnation != survivor.incarnation, incarnation.rawValue != 0 else {
            throw refuse("the new life of node \(me) must be another one than \(survivor.incarnation)")
        }
        let term = max(survivor.hardState.currentTerm, survivor.last.term)
        guard term.rawValue < .max - 1, survivor.last.index.rawValue < .max - 2 else {
            throw refuse("there is no term above \(term), or no entry behind \(survivor.last)")
        }
        self.survivor = survivor
        self.others = others
        self.incarnation = incarnation
        self.mark = mark
        id = LogID(term: term.next, index: survivor.last.index.next)
        configuration = try ClusterConfiguration(
            voterSets: [[me]], members: [.init(id: me, address: address, incarnation: incarnation)],
            removed: Self.removed(survivor, others), leaseWindow: old.leaseWindow)
    }

    /// Everybody whose data belongs to the old cluster, with the life that it was as far as anybody knows, behind those
    /// who were removed before.
    private static func removed(_ survivor: Survivor, _ others: [Survivor]) -> [ClusterConfiguration.Removed] {
        let old = survivor.configuration
        var ids: Set<NodeID> = []
        var gone: [ClusterConfiguration.Removed] = []
        for member in survivor.knownMembers where ids.insert(member.id).inserted {
            let life =
                member.id == survivor.node
                ? survivor.incarnation
                : member.incarnation ?? others.first { $0.node == member.id }?.incarnation ?? survivor.met[member.id]
            gone.append(.init(id: member.id, incarnation: life))
        }
        if !ids.contains(survivor.node) { gone.append(.init(id: survivor.node, incarnation: survivor.incarnation)) }
        gone.sort { $0.id < $1.id }
        let all = old.removed.filter { !gone.contains($0) } + gone
        return Array(all.suffix(ClusterConfiguration.maximumRemovedCount))
    }

    /// Who is left behind: the old members whose data must never be started again.
    public var lost: [ClusterConfiguration.Removed] {
        configuration.removed.filter { gone in
            gone.id != survivor.node && survivor.knownMembers.contains { $0.id == gone.id }
                && !survivor.configuration.removed.contains(gone)
        }
    }

    /// What the vote file of the new life begins with.
    public var hardState: HardState { HardState(currentTerm: id.term) }

    /// What the snapshot that the new log begins behind says of itself, given one of the survivor's whole state.
    ///
    /// - Throws: ``RaftError/Code/invariantViolated`` when that is not the state at the survivor's last entry.
    public func manifest(of state: SnapshotManifest) throws(RaftError) -> SnapshotManifest {
        guard state.last == survivor.last else {
            throw RaftError(
                .invariantViolated,
                "the state was built through \(state.last), but the log of node \(survivor.node) ends at \(survivor.last)"
            )
        }
        return state.beginning(at: id, configuration, mark: mark, builder: incarnation)
    }
}

extension SnapshotManifest {
    /// The same state, as what a new cluster begins with: the log goes on behind `id`, the entry that its members are.
    func beginning(
        at id: LogID, _ configuration: ClusterConfiguration, mark: UInt64, builder: Incarnation
    ) -> SnapshotManifest {
        SnapshotManifest(
            id: SnapshotID(builder: builder, number: 1), last: id, configuration: configuration, configurationID: id,
            bootstrap: mark, byteCount: byteCount, checksum: checksum, sessionBytes: sessionBytes)
    }
}
