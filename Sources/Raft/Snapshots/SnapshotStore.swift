/// Where snapshots are kept. ``MemorySnapshotStore`` keeps them in memory, `SnapshotDirectory` of RaftStorage on disk.
///
/// A snapshot lasts exactly as long as the log that was purged behind it must: a log on disk needs a store on disk.
/// Calls are synchronous, may block, and come from several threads, but never from the node's own loop.
public protocol SnapshotStore: AnyObject, Sendable {
    /// Says what is there, and removes what a crash left of a snapshot that was never complete. Called once, first.
    ///
    /// - Throws: when the store cannot be used. A snapshot that is damaged is set aside, not an error.
    func open() throws -> RecoveredSnapshots

    /// Begins a snapshot. One may be written for each origin at a time: an earlier one of the same origin is abandoned.
    func begin(_ origin: SnapshotOrigin) throws -> any SnapshotWriter

    /// - Throws: when it is not there, or cannot be read.
    func reader(of id: SnapshotID) throws -> any SnapshotReader

    /// Takes a damaged snapshot out of use and keeps it for whoever wants to look.
    func setAside(_ id: SnapshotID) throws

    /// Removes every snapshot that the log cannot go on from any more: those that end before entry `index`, and those
    /// behind the second. The newest always stays.
    func prune(endingBefore index: LogIndex) throws

    func close()
}

/// What a store held when it was opened.
public struct RecoveredSnapshots: Sendable {
    /// Newest first. Each has been seen to be complete; that its bytes are still right shows when it is read.
    public var manifests: [SnapshotManifest]
    /// One line for each that is damaged and was set aside.
    public var damaged: [String]
    public init(manifests: [SnapshotManifest], damaged: [String]) {
        self.manifests = manifests
        self.damaged = damaged
    }
}

/// Where a snapshot comes from.
public enum SnapshotOrigin: Hashable, Sendable {
    /// Built from this node's state machine.
    case own
    /// Received from a leader.
    case leader
}

/// One snapshot while it is written, front to back. Nobody sees it before ``commit(_:)``.
public protocol SnapshotWriter: AnyObject, Sendable {
    /// What was written so far, and its checksum.
    var byteCount: UInt64 { get }
    var checksum: UInt32 { get }
    func write(_ bytes: ArraySlice<UInt8>) throws
    /// Makes the snapshot durable under its name: the bytes, then the name, then the directory that holds it.
    ///
    /// - Throws: ``RaftError/Code/corrupt`` when `manifest` speaks of other bytes than those written; then, and after
    ///   any other error, there is no such snapshot.
    func commit(_ manifest: SnapshotManifest) throws
    /// Gives it up. Harmless after a commit.
    func abandon()
}

/// One snapshot, open for reading; it stays readable after it was removed. Safe to use from one thread at a time.
public protocol SnapshotReader: AnyObject, Sendable {
    var manifest: SnapshotManifest { get }
    /// State bytes from `offset` on: at least one, at most `maximumBytes`; none only at the end.
    ///
    /// - Throws: ``RaftError/Code/corrupt`` when they are not what was written.
    func read(at offset: UInt64, maximumBytes: Int) throws -> [UInt8]
}

extension SnapshotReader {
    /// Reads all of it, and throws unless every byte is what was written.
    public func verify() throws {
        var contents = SnapshotContents(self)
        while try contents.next() != nil {}
    }
}
