public import Raft

/// The log of a node that is not running: its directory is locked, so that it is not started meanwhile, and only read.
public final class OfflineLog: LogStore {
    /// Of the data directory.
    public let path: String
    public let identity: Identity
    /// How many segment files it has.
    public let segmentCount: Int
    /// The entry before the first one; `.zero` when the log begins at its beginning.
    public let purged: LogID
    /// The last entry that can be read, or ``purged`` when there is none.
    public let last: LogID
    /// What a crash left of a write that was never acknowledged, if it did: a start passes it over.
    public let torn: (path: String, offset: Int)?
    /// Why a start refuses this log, if it does. What stands before the damage can be read.
    public let damage: RaftError?
    private let recovery: LogRecovery
    private let fileSystem: any FileSystem
    private let lock: any FileHandle

    /// - Throws: `.wrongDirectory` when `path` is no data directory, of a newer format, or in use; `.corrupt` when its
    ///   identity is damaged; `.storage`.
    public init(_ path: String, fileSystem: any FileSystem = POSIXFileSystem()) throws(RaftError) {
        let path = withoutTrailingSlashes(path)
        switch try DataDirectory.contents(of: path, fileSystem: fileSystem) {
        case .ours(let found): identity = found
        case .empty: throw RaftError(.wrongDirectory, "\(path) is empty; name the data directory of a node")
        case .foreign(let reason): throw RaftError(.wrongDirectory, "\(path): not a data directory: \(reason)")
        }
        lock = try DataDirectory.takeLock(path, fileSystem)
        var recovery = LogRecovery(
            directory: DataDirectory.logPath(path), fileSystem: fileSystem, incarnation: identity.incarnation,
            mode: .read)
        do throws(RaftError) {
            try recovery.run()
            damage = nil
        } catch {
            guard error.code == .corrupt else {
                lock.close()
                throw error
            }
            damage = error
        }
        self.path = path
        self.recovery = recovery
        self.fileSystem = fileSystem
        segmentCount = recovery.segments.count
        purged = recovery.shape.purged
        last = recovery.shape.last
        torn = recovery.torn.map { ($0.segment.file.path, $0.offset) }
    }

    /// What a start would find.
    ///
    /// - Throws: what it would refuse: ``damage``, or that of term and vote.
    public func open() throws(RaftError) -> RecoveredLog {
        if let damage { throw damage }
        return RecoveredLog(
            hardState: try VoteFile.inspect(
                path + "/vote", incarnation: identity.incarnation, fileSystem: fileSystem
            ).state,
            purged: purged, termStarts: recovery.shape.termStarts, last: last,
            configurations: recovery.configurations, incarnation: identity.incarnation)
    }

    /// - Throws: `.storage`, always: nothing is written here.
    public func write(_ operations: [LogOperation]) throws {
        throw RaftError(.storage, "this log is only read")
    }

    /// - Throws: `.storage` when an entry of the range is not held, or the disk fails; `.corrupt`, with file and offset.
    public func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        let extents = recovery.index.extents(from: first, through: last, maximumBytes: maximumBytes)
        guard !extents.isEmpty else {
            throw RaftError(.storage, "entries \(first) through \(last) are not all in the log")
        }
        return try ExtentReader.read(extents, from: first, through: last, maximumBytes: maximumBytes)
    }

    public var shortage: RaftError? { nil }

    /// Gives the directory free.
    public func close() { lock.close() }

    deinit { lock.close() }
}
