public import Raft

/// A node's directory: locked, and certainly this node's.
///
/// A directory is made in an order that a crash cannot confuse: term and vote, an empty log, and then, by a rename, the
/// identity. So a directory with an identity has all of it, and one without has never held an entry or a vote; such a
/// half-made one counts as empty.
public final class DataDirectory: Sendable {
    /// What must be there already.
    public enum Mode: Hashable, Sendable {
        /// The node's first start: makes the directory if it is absent, empty or half-made. One that is there and
        /// ours is opened.
        case create
        /// Any later start: the directory must be there.
        case existing
    }

    /// What a path holds.
    public enum Contents: Hashable, Sendable {
        /// Nothing, or what a crash left of making a directory.
        case empty
        /// A data directory.
        case ours(Identity)
        /// Something else; why it is not a data directory.
        case foreign(String)
    }

    /// Where it is.
    public let path: String
    /// Whose it is.
    public let identity: Identity
    /// Whether this call made it.
    public let isNew: Bool
    let fileSystem: any FileSystem
    private let lock: any FileHandle

    var logPath: String { Self.logPath(path) }
    var votePath: String { path + "/vote" }

    /// How many bytes the log's files have. Looks at each of them.
    public func logBytes() throws(RaftError) -> Int {
        var bytes = 0
        for name in try fileSystem.list(logPath) where Segment.number(in: name) != nil {
            let file = try fileSystem.open(logPath + "/" + name, .read)
            defer { file.close() }
            bytes += try file.size()
        }
        return bytes
    }

    static func logPath(_ path: String) -> String { path + "/log" }
    static func identityPath(_ path: String) -> String { path + "/identity" }

    init(path: String, identity: Identity, isNew: Bool, fileSystem: any FileSystem, lock: any FileHandle) {
        self.path = path
        self.identity = identity
        self.isNew = isNew
        self.fileSystem = fileSystem
        self.lock = lock
    }

    /// Looks at a path and changes nothing.
    ///
    /// - Throws: `.corrupt` or `.wrongDirectory` when there is an identity that cannot be read; `.storage`.
    public static func contents(of path: String, fileSystem: any FileSystem = POSIXFileSystem()) throws(RaftError)
        -> Contents
    {
        switch try fileSystem.kind(of: path) {
        case nil: return .empty
        case .directory: break
        default: return .foreign("it is not a directory")
        }
        if try fileSystem.kind(of: identityPath(path)) == .file {
            let file = try fileSystem.open(identityPath(path), .read)
            defer { file.close() }
            return .ours(try Identity(decoding: try file.bytes(0..<4096), path: identityPath(path)))
        }
        if try fileSystem.kind(of: unfinishedPath(path)) != nil {
            return .foreign("what was to be recovered into it is not whole; do that again")
        }
        // Making a directory leaves these, and a log that holds nothing; a file system may add the last.
        for name in try fileSystem.list(path)
        where !["lock", "vote", "log", "identity.tmp", "unfinished.tmp", "lost+found"].contains(name) {
            return .foreign("it has no identity file, but holds \(name)")
        }
        guard try fileSystem.kind(of: logPath(path)) == .directory else { return .empty }
        for name in try fileSystem.list(logPath(path)) where !Segment.isTemporary(name) {
            guard Segment.number(in: name) == 1, try isUnused(logPath(path) + "/" + name, fileSystem) else {
                return .foreign("it has no identity file, but a log that is not empty: \(name)")
            }
        }
        return .empty
    }

    private static func isUnused(_ path: String, _ fileSystem: any FileSystem) throws(RaftError) -> Bool {
        let file = try fileSystem.open(path, .read)
        defer { file.close() }
        let size = try file.size()
        guard size == Format.minimumSegmentBytes else { return false }
        return try file.bytes(Format.firstFrame..<size).withUnsafeBytes(Sectors.isZero)
    }

    /// Opens, or makes, the directory of one node. A directory that is refused is not touched.
    ///
    /// - Parameters:
    ///   - generator: where a new directory's incarnation is drawn from.
    /// - Throws: `.wrongDirectory` when it is another node's or cluster's, of a newer format, in use by another
    ///   process, not a data directory, or, with ``Mode/existing``, empty. `.corrupt` when its identity is damaged.
    ///   `.invalidConfiguration` for a cluster name or node id that cannot be one. `.storage`.
    public static func open(
        _ path: String, cluster: String, node: NodeID, mode: Mode, fileSystem: any FileSystem = POSIXFileSystem(),
        using generator: inout some RandomNumberGenerator
    ) throws(RaftError) -> DataDirectory {
        try checkNames(path, cluster: cluster, node: node)
        let path = withoutTrailingSlashes(path)
        try check(try contents(of: path, fileSystem: fileSystem), path, cluster, node, mode)
        try checkInUse(path, fileSystem)
        try fileSystem.makeDirectories(path)
        let lock = try takeLock(path, fileSystem)
        do throws(RaftError) {
            // Again: another process may have made it while this one came to the lock.
            let contents = try contents(of: path, fileSystem: fileSystem)
            try check(contents, path, cluster, node, mode)
            try checkInUse(path, fileSystem)
            if case .ours(let identity) = contents {
                // The process that made it may have died before the last of this was durable.
                if !Mutant.isOn("start-syncs-no-names") { try fileSystem.syncDirectory(path) }
                return DataDirectory(path: path, identity: identity, isNew: false, fileSystem: fileSystem, lock: lock)
            }
            let incarnation = Incarnation(rawValue: UInt64.random(in: 1...UInt64.max, using: &generator))
            let identity = Identity(cluster: cluster, node: node, incarnation: incarnation)
            let directory = DataDirectory(
                path: path, identity: identity, isNew: true, fileSystem: fileSystem, lock: lock)
            try directory.make()
            return directory
        } catch {
            lock.close()
            throw error
        }
    }

    /// - Throws: `.invalidConfiguration` for a path, a cluster or a node that cannot be one.
    static func checkNames(_ path: String, cluster: String, node: NodeID) throws(RaftError) {
        guard !cluster.isEmpty, cluster.utf8.count <= 255, !cluster.utf8.contains(where: { $0 < 32 || $0 == 127 })
        else {
            throw RaftError(
                .invalidConfiguration,
                "the cluster's name has \(cluster.utf8.count) bytes; it must have 1 to 255, and no control characters")
        }
        guard node.rawValue > 0 else { throw RaftError(.invalidConfiguration, "node id 0; ids begin at 1") }
        guard !path.isEmpty else {
            throw RaftError(.invalidConfiguration, "the data directory's path is empty; name one for this node alone")
        }
    }

    private static func check(
        _ contents: Contents, _ path: String, _ cluster: String, _ node: NodeID, _ mode: Mode
    ) throws(RaftError) {
        func refuse(_ reason: String, _ advice: String) -> RaftError {
            RaftError(.wrongDirectory, "\(path): \(reason). Nothing was changed. \(advice)")
        }
        switch contents {
        case .foreign(let reason):
            throw refuse("not a data directory: \(reason)", "Give the node an empty directory, or the one it had.")
        case .empty:
            guard mode == .create else {
                throw refuse(
                    "the directory is empty",
                    "Bootstrap a new cluster or join one with it, or give the node the directory it had.")
            }
        case .ours(let identity):
            guard identity.cluster == cluster else {
                throw refuse(
                    "the directory belongs to cluster \"\(identity.cluster)\", not to \"\(cluster)\"",
                    "Correct the cluster's name or the directory.")
            }
            guard identity.node == node else {
                throw refuse(
                    "the directory belongs to node \(identity.node), not to node \(node)",
                    "Correct the node's id or the directory.")
            }
        }
    }

    static func takeLock(_ path: String, _ fileSystem: any FileSystem) throws(RaftError) -> any FileHandle {
        let lock = try fileSystem.open(path + "/lock", .createOrKeep)
        guard try lock.tryLock() else {
            let holder = String(decoding: try lock.bytes(0..<32).prefix { $0 > 32 }, as: UTF8.self)
            lock.close()
            throw RaftError(
                .wrongDirectory,
                "\(path): in use by \(holder.isEmpty ? "another process" : "process \(holder)"). Stop that one first, or give this node its own directory."
            )
        }
        let text = "\(fileSystem.processID)\n"
        try lock.write(Array((text + String(repeating: " ", count: max(0, 32 - text.utf8.count))).utf8), at: 0)
        return lock
    }

    /// - Parameters:
    ///   - state: the term that it begins in.
    ///   - fill: writes what else it begins with, before it counts.
    func make(
        state: HardState = HardState(), fill: () throws(RaftError) -> Void = {}
    ) throws(RaftError) {
        // A start that made the directory itself, or any of those above it, may have died before its name was durable.
        // Whoever was given a directory may not be allowed to read the one above it, and need not be.
        var above = path
        while parentDirectory(of: above) != above {
            above = parentDirectory(of: above)
            try? fileSystem.syncDirectory(above)
        }
        try VoteFile.create(votePath, state: state, incarnation: identity.incarnation, fileSystem: fileSystem)
        if try fileSystem.kind(of: logPath) == nil { try fileSystem.makeDirectory(logPath) }
        // What a crash left of an earlier attempt is of another incarnation. It holds nothing: see `contents`.
        let leftover = logPath + "/" + Segment.name(of: 1)
        if try fileSystem.kind(of: leftover) != nil { try fileSystem.remove(leftover) }
        // The smallest there is, so that a first start does not wait: the next one is made while it is in use.
        let first = try Segment.create(
            number: 1, size: Format.minimumSegmentBytes, incarnation: identity.incarnation, in: logPath,
            fileSystem: fileSystem)
        first.file.close()
        try fill()
        try fileSystem.syncDirectory(path)
        try fileSystem.replace(Self.identityPath(path), with: identity.encoded)
    }

    /// Gives the directory free. Whatever used it is closed before.
    public func close() { lock.close() }
}
