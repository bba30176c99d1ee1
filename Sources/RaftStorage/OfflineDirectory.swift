public import Raft

/// A data directory whose node is not running: locked, so that it is not started meanwhile, and only read.
public final class OfflineDirectory: Sendable {
    public let path: String
    /// What it says of its cluster.
    public let survivor: Survivor
    let recovered: RecoveredLog
    /// Newest first.
    private let snapshots: [(file: String, manifest: SnapshotManifest)]
    let log: OfflineLog
    let fileSystem: any FileSystem

    /// - Throws: `.wrongDirectory` when it is no data directory, of a newer format, in use, or was recovered from
    ///   before; `.corrupt` when anything in it is damaged; `.storage`.
    public convenience init(
        _ path: String, fileSystem: any FileSystem = POSIXFileSystem()
    ) throws(RaftError) {
        try self.init(path, evenIfRecovered: false, fileSystem: fileSystem)
    }

    /// - Parameter evenIfRecovered: for whoever finishes what an earlier call has begun.
    init(_ path: String, evenIfRecovered: Bool, fileSystem: any FileSystem) throws(RaftError) {
        if !evenIfRecovered { try DataDirectory.checkInUse(withoutTrailingSlashes(path), fileSystem) }
        let log = try OfflineLog(path, fileSystem: fileSystem)
        let (path, identity) = (log.path, log.identity)
        do throws(RaftError) {
            let recovered = try log.open()
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
                        damage = RaftError(error, or: .storage)
                        return false
                    }
                })
            if let damage { throw Self.damaged(damage) }
            self.recovered = recovered
            snapshots = found
        } catch {
            log.close()
            throw error
        }
        self.path = path
        self.log = log
        self.fileSystem = fileSystem
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
    public func close() { log.close() }

    deinit { log.close() }
}
