public import Raft

/// The snapshots of one node, in its ``DataDirectory``; see `SnapshotFile`.
///
/// A snapshot gets its name after its bytes are durable, and counts after its name is. An older one stays until the
/// log no longer goes on from it.
public final class SnapshotDirectory: SnapshotStore {
    private let directory: DataDirectory
    private let path: String
    /// Newest first.
    private let manifests = Lock<[SnapshotManifest]>([])

    private var fileSystem: any FileSystem { directory.fileSystem }

    /// - Parameter directory: must stay open for as long as the snapshots are used.
    public init(directory: DataDirectory) {
        self.directory = directory
        path = directory.path + "/snapshots"
    }

    private static func temporaryName(_ origin: SnapshotOrigin) -> String {
        origin == .own ? "own.tmp" : "leader.tmp"
    }

    public func open() throws -> RecoveredSnapshots {
        try fileSystem.makeDirectories(path)
        var found = RecoveredSnapshots(manifests: [], damaged: [])
        for name in try fileSystem.list(path) {
            if [SnapshotOrigin.own, .leader].contains(where: { Self.temporaryName($0) == name }) {
                try fileSystem.remove(path + "/" + name)
            } else if name.hasSuffix(SnapshotFile.suffix) {
                do throws(RaftError) {
                    found.manifests.append(try SnapshotFileReader(path + "/" + name, fileSystem: fileSystem).manifest)
                } catch {
                    guard error.code == .corrupt else { throw error }
                    found.damaged.append(error.message)
                    try fileSystem.rename(path + "/" + name, to: path + "/" + name + ".broken")
                }
            }
        }
        // The process that gave a snapshot its name may have died before that was durable.
        try fileSystem.syncDirectory(path)
        found.manifests.sort { $0.last.index > $1.last.index }
        manifests.withLock { $0 = found.manifests }
        return found
    }

    public func begin(_ origin: SnapshotOrigin) throws -> any SnapshotWriter {
        try SnapshotFileWriter(temporary: Self.temporaryName(origin), in: path, fileSystem: fileSystem) {
            [manifests] manifest in
            manifests.withLock { manifests in
                manifests.removeAll { $0.id == manifest.id }
                let at = manifests.firstIndex { $0.last.index <= manifest.last.index } ?? manifests.endIndex
                manifests.insert(manifest, at: at)
            }
        }
    }

    public func reader(of id: SnapshotID) throws -> any SnapshotReader {
        guard let manifest = manifests.withLock({ $0.first { $0.id == id } }) else {
            throw RaftError(.storage, "there is no snapshot \(id) in \(path)")
        }
        return try SnapshotFileReader(path + "/" + SnapshotFile.name(of: manifest), fileSystem: fileSystem)
    }

    public func setAside(_ id: SnapshotID) throws {
        for manifest in take(where: { _, manifest in manifest.id == id }) {
            let file = path + "/" + SnapshotFile.name(of: manifest)
            try fileSystem.rename(file, to: file + ".broken")
        }
        try fileSystem.syncDirectory(path)
    }

    public func prune(endingBefore index: LogIndex) throws {
        let gone = take { position, manifest in position > 1 || (position == 1 && manifest.last.index < index) }
        for manifest in gone { try fileSystem.remove(path + "/" + SnapshotFile.name(of: manifest)) }
        if !gone.isEmpty { try fileSystem.syncDirectory(path) }
    }

    private func take(where isGone: (Int, SnapshotManifest) -> Bool) -> [SnapshotManifest] {
        manifests.withLock { manifests in
            let gone = manifests.enumerated().filter { isGone($0.offset, $0.element) }.map(\.element)
            manifests.removeAll { gone.contains($0) }
            return gone
        }
    }

    public func close() { manifests.withLock { $0 = [] } }
}

extension SnapshotDirectory {
    /// What the snapshots in a data directory say of themselves, newest first. Looks only; the node may be running.
    ///
    /// - Parameter verifies: also reads every byte.
    /// - Returns: for each file its manifest, or what is wrong with it.
    /// - Throws: `.wrongDirectory` when it is no data directory; `.storage` when it cannot be read.
    public static func inspect(
        _ directory: String, verifies: Bool, fileSystem: any FileSystem = POSIXFileSystem()
    ) throws(RaftError) -> [(path: String, manifest: Result<SnapshotManifest, RaftError>)] {
        let path = withoutTrailingSlashes(directory) + "/snapshots"
        guard try fileSystem.kind(of: path) == .directory else {
            // A wrong path must not read as a node without snapshots.
            guard try fileSystem.kind(of: withoutTrailingSlashes(directory) + "/identity") == .file else {
                throw RaftError(
                    .wrongDirectory,
                    "\(directory) is no data directory: it holds no identity file; name the --data of a node")
            }
            return []
        }
        var found: [(path: String, manifest: Result<SnapshotManifest, RaftError>)] = []
        for name in try fileSystem.list(path).reversed() where name.hasSuffix(SnapshotFile.suffix) {
            let file = path + "/" + name
            do {
                let reader = try SnapshotFileReader(file, fileSystem: fileSystem)
                if verifies { try reader.verify() }
                found.append((file, .success(reader.manifest)))
            } catch {
                found.append((file, .failure(RaftError(error, or: .storage))))
            }
        }
        return found
    }
}
