public import Raft

/// A recovery from the permanent loss of a quorum, from its plan to its end: see ``RecoveryPlan``.
///
/// The survivor's directory is only read. What it comes to is written to another one, which is no data directory before
/// all of it is durable; then the old one is marked, so that no node starts on it again. A crash in between leaves the
/// one or the other whole, and the same call again finishes what was begun.
public final class OfflineRecovery: Sendable {
    public let plan: RecoveryPlan
    private let source: OfflineDirectory
    private let compared: [OfflineDirectory]

    /// Locks and reads the directories, and changes nothing.
    ///
    /// - Parameters:
    ///   - data: the directory to recover from.
    ///   - others: of every other member that is at hand.
    ///   - address: where the node will be reached; nil for where it was.
    ///   - generator: where the new incarnation and the cluster's new mark are drawn from.
    /// - Throws: as ``OfflineDirectory/init(_:fileSystem:)`` and
    ///   ``RecoveryPlan/init(of:comparing:address:incarnation:mark:)``.
    public init(
        data: String, comparing others: [String] = [], address: String? = nil,
        fileSystem: any FileSystem = POSIXFileSystem(), using generator: inout some RandomNumberGenerator
    ) throws(RaftError) {
        let source = try OfflineDirectory(data, fileSystem: fileSystem)
        var compared: [OfflineDirectory] = []
        for other in others { compared.append(try OfflineDirectory(other, fileSystem: fileSystem)) }
        plan = try RecoveryPlan(
            of: source.survivor, comparing: compared.map(\.survivor), address: address,
            incarnation: Incarnation(rawValue: .random(in: 1...UInt64.max, using: &generator)),
            mark: .random(in: 1...UInt64.max, using: &generator))
        self.source = source
        self.compared = compared
    }

    /// Does it.
    ///
    /// - Parameters:
    ///   - path: where the recovered node will live: absent or empty.
    ///   - machine: makes the state machine, without any state. Called once.
    ///   - settings: how much is applied at a time, and the limits of sessions.
    ///   - progress: told from time to time how far the log is applied, and how many bytes of state are written.
    /// - Throws: `.wrongDirectory` when `path` is not free; `.corrupt`, `.storage`, `.stateMachine`,
    ///   `.snapshotFailed`. The old directory is as it was then, and the new one no data directory.
    public func apply<Machine: StateMachine>(
        into path: String, settings: Configuration, machine: () throws -> sending Machine,
        progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) throws(RaftError) {
        let path = withoutTrailingSlashes(path)
        let (plan, source) = (plan, source)
        let identity = Identity(
            cluster: plan.survivor.cluster, node: plan.survivor.node, incarnation: plan.incarnation)
        let directory = try DataDirectory.found(
            path, identity: identity, state: plan.hardState, fileSystem: source.fileSystem
        ) { snapshots throws(RaftError) in
            let made: Machine
            do { made = try machine() } catch {
                throw RaftError(error, or: .stateMachine)
            }
            _ = try OfflineReplay.writeSnapshot(
                of: made, log: WatchedLog(source.log) { progress(.applying($0, of: source.survivor.last.index)) },
                recovered: source.recovered, manifests: source.manifests,
                to: RecoveryStore(
                    source, snapshots,
                    rewrite: { state throws(RaftError) in try plan.manifest(of: state) },
                    progress: { progress(.writing($0)) }),
                as: SnapshotID(builder: plan.incarnation, number: 1), settings: settings)
        }
        directory.close()
        try source.retire(to: path)
    }

    /// How far it has come.
    public enum Progress: Hashable, Sendable {
        /// Entries through this one are read, to be applied.
        case applying(LogIndex, of: LogIndex)
        /// So many bytes of state are written.
        case writing(UInt64)
    }

    /// Whether `path` is what a recovery from `data` came to that ended before it had marked the old directory; marks
    /// it then.
    ///
    /// - Throws: as ``OfflineDirectory/init(_:fileSystem:)``.
    public static func finish(
        data: String, into path: String, fileSystem: any FileSystem = POSIXFileSystem()
    ) throws(RaftError) -> Bool {
        let (data, path) = (withoutTrailingSlashes(data), withoutTrailingSlashes(path))
        guard case .ours(let old) = try DataDirectory.contents(of: data, fileSystem: fileSystem),
            case .ours(let new) = try DataDirectory.contents(of: path, fileSystem: fileSystem),
            old.cluster == new.cluster, old.node == new.node, old.incarnation != new.incarnation
        else { return false }
        let earlier = ClusterConfiguration.Removed(id: old.node, incarnation: old.incarnation)
        let isIts = try SnapshotDirectory.inspect(path, verifies: false, fileSystem: fileSystem).contains { found in
            (try? found.manifest.get())?.configuration.removed.contains(earlier) == true
        }
        guard isIts else { return false }
        let source = try OfflineDirectory(data, evenIfRecovered: true, fileSystem: fileSystem)
        defer { source.close() }
        if try DataDirectory.successor(of: data, fileSystem) == nil { try source.retire(to: path) }
        return true
    }

    /// Gives the directories free.
    public func close() {
        source.close()
        for directory in compared { directory.close() }
    }
}

/// Reads the survivor's snapshots, and writes one to the new directory, as the new cluster has it.
private final class RecoveryStore: SnapshotStore {
    private let source: OfflineDirectory
    private let target: SnapshotDirectory
    private let rewrite: @Sendable (SnapshotManifest) throws(RaftError) -> SnapshotManifest
    private let progress: @Sendable (UInt64) -> Void

    init(
        _ source: OfflineDirectory, _ target: SnapshotDirectory,
        rewrite: @escaping @Sendable (SnapshotManifest) throws(RaftError) -> SnapshotManifest,
        progress: @escaping @Sendable (UInt64) -> Void
    ) {
        self.source = source
        self.target = target
        self.rewrite = rewrite
        self.progress = progress
    }

    func open() -> RecoveredSnapshots { RecoveredSnapshots(manifests: source.manifests, damaged: []) }
    func begin(_ origin: SnapshotOrigin) throws -> any SnapshotWriter {
        RewritingWriter(try target.begin(origin), rewrite: rewrite, progress: progress)
    }
    func reader(of id: SnapshotID) throws -> any SnapshotReader {
        try source.reader(of: id)
    }
    // The survivor's directory stays as it is.
    func setAside(_ id: SnapshotID) {}
    func prune(endingBefore index: LogIndex) {}
    func close() {}
}

/// Commits what is written under another manifest.
final class RewritingWriter: SnapshotWriter {
    private let inner: any SnapshotWriter
    private let rewrite: @Sendable (SnapshotManifest) throws(RaftError) -> SnapshotManifest
    private let progress: @Sendable (UInt64) -> Void

    init(
        _ inner: any SnapshotWriter,
        rewrite: @escaping @Sendable (SnapshotManifest) throws(RaftError) -> SnapshotManifest,
        progress: @escaping @Sendable (UInt64) -> Void
    ) {
        self.inner = inner
        self.rewrite = rewrite
        self.progress = progress
    }

    var byteCount: UInt64 { inner.byteCount }
    var checksum: UInt32 { inner.checksum }
    func write(_ bytes: ArraySlice<UInt8>) throws {
        try inner.write(bytes)
        progress(inner.byteCount)
    }
    func commit(_ manifest: SnapshotManifest) throws { try inner.commit(try rewrite(manifest)) }
    func abandon() { inner.abandon() }
}

/// Says how far a log has been read.
private final class WatchedLog: LogStore {
    private let inner: any LogStore
    private let watch: @Sendable (LogIndex) -> Void

    init(_ inner: any LogStore, _ watch: @escaping @Sendable (LogIndex) -> Void) {
        self.inner = inner
        self.watch = watch
    }

    func open() throws -> RecoveredLog { try inner.open() }
    func write(_ operations: [LogOperation]) throws { try inner.write(operations) }
    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        let batch = try inner.read(from: first, through: last, maximumBytes: maximumBytes)
        watch(batch.lastIndex)
        return batch
    }
    var shortage: RaftError? { inner.shortage }
    func close() { inner.close() }
}
