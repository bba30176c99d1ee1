internal import Raft
internal import RaftStorage

/// A node's data directory, open, without a node: the production code of RaftStorage on a simulated disk.
final class OpenedStore {
    static let cluster = "crash-states"
    static let node: NodeID = 1

    let directory: DataDirectory
    let log: SegmentedLog
    let snapshots: SnapshotDirectory
    let peers: PeerFile
    private let recovered: RecoveredLog
    private let recoveredSnapshots: RecoveredSnapshots

    /// - Parameter lives: where a new directory's incarnation is drawn from.
    init(
        _ disk: SimulatedFileSystem, _ path: String, mode: DataDirectory.Mode, segmentBytes: Int,
        lives: inout RandomSource
    ) throws {
        directory = try DataDirectory.open(
            path, cluster: Self.cluster, node: Self.node, mode: mode, fileSystem: disk, using: &lives)
        do {
            peers = try directory.peers()
            log = try SegmentedLog(directory: directory, segmentBytes: segmentBytes)
            recovered = try log.open()
            snapshots = SnapshotDirectory(directory: directory)
            recoveredSnapshots = try snapshots.open()
        } catch {
            directory.close()
            throw error
        }
    }

    func close() {
        snapshots.close()
        log.close()
        directory.close()
    }

    /// Reads everything, every byte of it.
    ///
    /// - Parameter members: whose lives may be remembered.
    func found(members: some Sequence<NodeID>) throws -> FoundStore {
        var entries: [HeldEntry] = []
        var next = recovered.purged.index.next
        while next <= recovered.last.index {
            let batch = try log.read(from: next, through: recovered.last.index, maximumBytes: 64 << 10)
            entries += batch.entries
            next = batch.lastIndex.next
        }
        for manifest in recoveredSnapshots.manifests { try snapshots.reader(of: manifest.id).verify() }
        var lives: [NodeID: Incarnation] = [:]
        for node in members { lives[node] = peers.incarnation(of: node) }
        return FoundStore(
            isNew: directory.isNew, incarnation: directory.identity.incarnation, hardState: recovered.hardState,
            purged: recovered.purged, last: recovered.last, termStarts: recovered.termStarts,
            configurations: recovered.configurations.map(\.id), entries: entries,
            snapshots: recoveredSnapshots.manifests, damagedSnapshots: recoveredSnapshots.damaged, peers: lives)
    }
}
