public import Raft

/// A data directory whose node is not running: locked, so that it is not started meanwhile, and only read.
public final class OfflineDirectory: Sendable {
    public let path: String
    /// What it says of its cluster.
    public let survivor: Survivor
    let recovered: RecoveredLog
    /// Newest first.
    private let snapshots: [(file: String, manifest: SnapshotManifest)]
    let log: any LogStore
    let fileSystem: any FileSystem
    private let lock: any FileHandle

    /// - Throws: `.wrongDirectory` when it is no data directory, of a newer format, in use, or was recovered from
    ///   before; `.corrupt` when anything in it is damaged; `.storage`.
    public convenience init(
        _ path: String, fileSystem: any FileSystem = POSIXFileSystem()
    ) throws(RaftError) {
        try self.init(path, evenIfRecovered: false, fileSystem: fileSystem)
    }

    /// - Parameter evenIfRecovered: for whoever finishes what an earlier call has begun.
    init(_ path: String, evenIfRecovered: Bool, fileSystem: any FileSystem) throws(RaftError) {
        let path = withoutTrailingSlashes(path)
        let identity: Identity
        switch try DataDirectory.contents(of: path, fileSystem: fileSystem) {
        case .ours(let found): identity = found
        case .empty: throw RaftError(.wrongDirectory, "\(path) is empty; name the data directory of a node")
        case .foreign(let reason): throw RaftError(.wrongDirectory, "\(path): not a data directory: \(reason)")
        }
        if !evenIfRecovered { try DataDirectory.checkInUse(path, fileSystem) }
        let lock = try DataDirectory.takeLock(path, fileSystem)
        do throws(RaftError) {
            var recovery = LogRecovery(
                directory: DataDirectory.logPath(path), fileSystem: fileSystem, incarnation: identity.incarnation)
            try recovery.run()
            let recovered = RecoveredLog(
                hardState: try VoteFile.state(
                    in: path + "/vote", incarnation: identity.incarnation, fileSystem: fileSystem),
                purged: recovery.shape.purged, termStarts: recovery.shape.termStarts, last: recovery.shape.last,
                configurations: recovery.configurations, incarnation: identity.incarnation)
            var found: [(file: String, manifest: SnapshotManifest)] = []
            for (file, manifest) in try SnapshotDirectory.inspect(path, verifies: false, fileSystem: fileSystem) {
                do throws(RaftError) { found.append((file, try manifest.get())) } catch {
                    throw Self.damaged(error)
                }
            }
            found.sort { $0.manifest.last.index > $1.manifest.last.index }
            let peers = try PeerFile(directory: path, fileSystem: fileSystem)
            var damage: RaftError?
            survivor = try Survivor(
                cluster: identity.cluster, node: identity.node, recovered: recovered, snapshots: found.map(\.manifest),
                met: { peers.incarnation(of: $0) },
                isReadable: { manifest in
                    do {
                        try Self.reader(of: manifest.id, among: found, fileSystem).verify()
                        return true
                    } catch {
                        damage = error as? RaftError ?? RaftError(.storage, "\(error)")
                        return false
                    }
                })
            if let damage { throw Self.damaged(damage) }
            self.recovered = recovered
            snapshots = found
            log = OfflineLog(recovered, recovery.index)
        } catch {
            lock.close()
            throw error
        }
        self.path = path
        self.fileSystem = fileSystem
        self.lock = lock
    }

    /// It may hold what the log does not.
    private static func damaged(_ error: RaftError) -> RaftError {
        RaftError(
            .corrupt,
            "\(error.message): a damaged snapshot. Nothing was changed. Move it away only if what it held may be lost")
    }

    /// Newest first.
    var manifests: [SnapshotManifest] { snapshots.map(\.manifest) }

    func reader(of id: SnapshotID) throws -> any SnapshotReader {
        try Self.reader(of: id, among: snapshots, fileSystem)
    }

    private static func reader(
        of id: SnapshotID, among snapshots: [(file: String, manifest: SnapshotManifest)], _ fileSystem: any FileSystem
    ) throws -> any SnapshotReader {
        guard let found = snapshots.first(where: { $0.manifest.id == id }) else {
            throw RaftError(.storage, "there is no snapshot \(id) in this directory")
        }
        return try SnapshotFileReader(found.file, fileSystem: fileSystem)
    }

    /// Keeps, durably, that the cluster goes on in `successor`: no node starts on this directory any more.
    func retire(to successor: String) throws(RaftError) {
        try fileSystem.replace(DataDirectory.recoveredPath(path), with: Array((successor + "\n").utf8))
    }

    /// Gives the directory free.
    public func close() { lock.close() }

    deinit { lock.close() }
}

/// A log that is read and never written.
private final class OfflineLog: LogStore {
    private let recovered: RecoveredLog
    private let index: Lock<ExtentIndex>

    init(_ recovered: RecoveredLog, _ index: ExtentIndex) {
        self.recovered = recovered
        self.index = Lock(index)
    }

    func open() -> RecoveredLog { recovered }

    func write(_ operations: [LogOperation]) throws {
        throw RaftError(.storage, "this log is only read")
    }

    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        let extents = index.withLock { $0.extents(from: first, through: last, maximumBytes: maximumBytes) }
        guard !extents.isEmpty else {
            throw RaftError(.storage, "entries \(first) through \(last) are not all in the log")
        }
        return try ExtentReader.read(extents, from: first, through: last, maximumBytes: maximumBytes)
    }

    func close() {}
}
