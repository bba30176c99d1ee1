public import Raft

/// Makes the data directory of one member of a new cluster out of a saved snapshot: see ``RestorePlan``.
///
/// The file is only read. The directory is no data directory before all of it is durable; a crash leaves the one or the
/// other, and the same call again begins anew.
public final class OfflineRestore: Sendable {
    public let plan: RestorePlan
    private let source: SavedSnapshot
    private let fileSystem: any FileSystem

    /// Reads what the file says of itself, and changes nothing.
    ///
    /// - Parameter generator: where the new incarnation is drawn from.
    /// - Throws: as ``SavedSnapshot/init(_:fileSystem:)`` and
    ///   ``RestorePlan/init(of:cluster:node:members:incarnation:)``.
    public init(
        _ file: String, cluster: String, node: NodeID, members: ClusterConfiguration,
        fileSystem: any FileSystem = POSIXFileSystem(), using generator: inout some RandomNumberGenerator
    ) throws(RaftError) {
        source = try SavedSnapshot(file, fileSystem: fileSystem)
        plan = try RestorePlan(
            of: source.manifest, cluster: cluster, node: node, members: members,
            incarnation: Incarnation(rawValue: .random(in: 1...UInt64.max, using: &generator)))
        self.fileSystem = fileSystem
    }

    /// How far it has come.
    public enum Progress: Hashable, Sendable {
        /// So many bytes were given to the state machine, which can take them over.
        case checking(UInt64, of: UInt64)
        /// So many bytes are written.
        case writing(UInt64, of: UInt64)
    }

    /// Does it.
    ///
    /// - Parameters:
    ///   - path: where the node will live: absent or empty.
    ///   - machine: makes the state machine, without any state. Called once; it takes the snapshot over, so that a file
    ///     of another machine is refused here and not by a node, and is let go of.
    ///   - progress: told from time to time.
    /// - Throws: `.wrongDirectory` when `path` is not free; `.corrupt` when the file is damaged or of another state
    ///   machine; `.invalidConfiguration`, `.storage`, `.stateMachine`. There is no new data directory then.
    public func apply<Machine: StateMachine>(
        into path: String, machine: () throws -> sending Machine,
        progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) throws(RaftError) {
        let (plan, reader) = (plan, source.reader)
        let count = reader.manifest.byteCount
        let identity = Identity(cluster: plan.cluster, node: plan.node, incarnation: plan.incarnation)
        let directory = try DataDirectory.found(
            path, identity: identity, state: plan.hardState, fileSystem: fileSystem
        ) { snapshots throws(RaftError) in
            do {
                try OfflineReplay.takeOver(
                    WatchedSnapshot(reader) { progress(.checking($0, of: count)) }, with: try machine())
                let writer = RewritingWriter(
                    try snapshots.begin(.own), rewrite: { _ in plan.manifest },
                    progress: { progress(.writing($0, of: count)) })
                var contents = SnapshotContents(reader)
                while let bytes = try contents.next() { try writer.write(bytes[...]) }
                try writer.commit(reader.manifest)
            } catch {
                throw RaftError(error, or: .stateMachine)
            }
        }
        directory.close()
    }
}

/// Says how far a snapshot has been read.
private final class WatchedSnapshot: SnapshotReader {
    private let inner: any SnapshotReader
    private let watch: @Sendable (UInt64) -> Void
    var manifest: SnapshotManifest { inner.manifest }

    init(_ inner: any SnapshotReader, _ watch: @escaping @Sendable (UInt64) -> Void) {
        self.inner = inner
        self.watch = watch
    }

    func read(at offset: UInt64, maximumBytes: Int) throws -> [UInt8] {
        let bytes = try inner.read(at: offset, maximumBytes: maximumBytes)
        watch(offset + UInt64(bytes.count))
        return bytes
    }
}
