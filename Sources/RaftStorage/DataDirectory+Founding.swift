internal import Raft

// Directories that begin with a state: what a recovery writes, and what it leaves behind.

extension DataDirectory {
    static func unfinishedPath(_ path: String) -> String { path + "/unfinished" }
    static func recoveredPath(_ path: String) -> String { path + "/recovered" }

    /// Makes a directory whose log begins behind a snapshot.
    ///
    /// Until all of it is durable it is no data directory, and no node starts on it; what a crash leaves of it is
    /// begun anew by the next call.
    ///
    /// - Parameters:
    ///   - path: absent, empty, or left behind by an earlier call that did not get to its end.
    ///   - state: the term that the node begins in.
    ///   - fill: writes one snapshot to the store. What it throws ends the call.
    /// - Returns: the directory, locked.
    /// - Throws: `.wrongDirectory` when there is something at `path`, or another process is at work there;
    ///   `.invalidConfiguration`, `.storage`, and what `fill` throws.
    static func found(
        _ path: String, identity: Identity, state: HardState, fileSystem: any FileSystem,
        fill: (SnapshotDirectory) throws(RaftError) -> Void
    ) throws(RaftError) -> DataDirectory {
        try checkNames(path, cluster: identity.cluster, node: identity.node)
        let path = withoutTrailingSlashes(path)
        try checkIsFree(path, fileSystem)
        try fileSystem.makeDirectories(path)
        let lock = try takeLock(path, fileSystem)
        do throws(RaftError) {
            // Again: another process may have made it while this one came to the lock.
            try checkIsFree(path, fileSystem)
            try fileSystem.replace(unfinishedPath(path), with: Array("not whole; begin anew\n".utf8))
            let directory = DataDirectory(
                path: path, identity: identity, isNew: true, fileSystem: fileSystem, lock: lock)
            try directory.clearSnapshots()
            try directory.make(state: state) { () throws(RaftError) in
                let snapshots = SnapshotDirectory(directory: directory)
                do { _ = try snapshots.open() } catch {
                    throw RaftError(error, or: .storage)
                }
                try fill(snapshots)
                snapshots.close()
            }
            try fileSystem.remove(unfinishedPath(path))
            try fileSystem.syncDirectory(path)
            return directory
        } catch {
            lock.close()
            throw error
        }
    }

    private static func checkIsFree(_ path: String, _ fileSystem: any FileSystem) throws(RaftError) {
        if try fileSystem.kind(of: unfinishedPath(path)) != nil, try fileSystem.kind(of: identityPath(path)) == nil {
            return
        }
        let reason: String
        switch try contents(of: path, fileSystem: fileSystem) {
        case .empty: return
        case .ours(let identity): reason = "it holds the data of node \(identity.node) of cluster \(identity.cluster)"
        case .foreign(let why): reason = why
        }
        throw RaftError(
            .wrongDirectory, "\(path) is not empty: \(reason). Nothing was changed. Name an empty or absent directory.")
    }

    private func clearSnapshots() throws(RaftError) {
        let snapshots = path + "/snapshots"
        guard try fileSystem.kind(of: snapshots) != nil else { return }
        for name in try fileSystem.list(snapshots) { try fileSystem.remove(snapshots + "/" + name) }
        try fileSystem.syncDirectory(snapshots)
    }

    /// - Throws: `.wrongDirectory` when the node's cluster goes on elsewhere.
    static func checkInUse(_ path: String, _ fileSystem: any FileSystem) throws(RaftError) {
        guard let successor = try successor(of: path, fileSystem) else { return }
        throw RaftError(
            .wrongDirectory,
            "\(path): the cluster was recovered from this directory, and goes on in \(successor). It must never be started again. Nothing was changed. Start the node on \(successor)."
        )
    }

    /// Where a recovery from this directory went; nil when there was none.
    static func successor(of path: String, _ fileSystem: any FileSystem) throws(RaftError) -> String? {
        guard try fileSystem.kind(of: recoveredPath(path)) == .file else { return nil }
        let file = try fileSystem.open(recoveredPath(path), .read)
        defer { file.close() }
        let line = try file.bytes(0..<4096).prefix { $0 != 10 }
        return String(decoding: line, as: UTF8.self)
    }
}
