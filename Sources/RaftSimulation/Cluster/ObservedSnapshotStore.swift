internal import Raft

/// A snapshot store that tells the checker what has become durable.
final class ObservedSnapshotStore: SnapshotStore, @unchecked Sendable {
    // @unchecked: as the scheduler.
    private let inner: any SnapshotStore
    private let node: NodeID
    private let checker: SafetyChecker
    /// Whether the machine is failing in the middle of what it does: nobody is told of that any more.
    var isFailing = false
    /// Whether one that was received has become durable.
    private(set) var hasReceived = false

    init(_ inner: any SnapshotStore, node: NodeID, checker: SafetyChecker) {
        self.inner = inner
        self.node = node
        self.checker = checker
    }

    func takeReceived() -> Bool {
        defer { hasReceived = false }
        return hasReceived
    }

    func open() throws -> RecoveredSnapshots {
        let found = try inner.open()
        checker.recoveredSnapshots(found, on: node)
        return found
    }

    func begin(_ origin: SnapshotOrigin) throws -> any SnapshotWriter {
        ObservedSnapshotWriter(try inner.begin(origin)) { [self] manifest in
            guard !isFailing else { return }
            if origin == .own { checker.snapshotBuilt(manifest, on: node) } else { hasReceived = true }
            checker.snapshotDurable(manifest, on: node)
        }
    }

    func reader(of id: SnapshotID) throws -> any SnapshotReader { try inner.reader(of: id) }
    func setAside(_ id: SnapshotID) throws { try inner.setAside(id) }
    func prune(endingBefore index: LogIndex) throws { try inner.prune(endingBefore: index) }
    func close() { inner.close() }
}

private final class ObservedSnapshotWriter: SnapshotWriter, @unchecked Sendable {
    // @unchecked: as the scheduler.
    private let inner: any SnapshotWriter
    private let onCommit: (SnapshotManifest) -> Void

    init(_ inner: any SnapshotWriter, onCommit: @escaping (SnapshotManifest) -> Void) {
        self.inner = inner
        self.onCommit = onCommit
    }

    var byteCount: UInt64 { inner.byteCount }
    var checksum: UInt32 { inner.checksum }
    func write(_ bytes: ArraySlice<UInt8>) throws { try inner.write(bytes) }
    func commit(_ manifest: SnapshotManifest) throws {
        try inner.commit(manifest)
        onCommit(manifest)
    }
    func abandon() { inner.abandon() }
}
