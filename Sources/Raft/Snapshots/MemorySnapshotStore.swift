/// Snapshots in memory: for nodes whose log is in memory too.
public final class MemorySnapshotStore: SnapshotStore {
    fileprivate struct Stored: Sendable {
        var manifest: SnapshotManifest
        var bytes: [UInt8]
    }
    /// Newest first.
    private let stored = Lock<[Stored]>([])

    public init() {}

    public func open() throws -> RecoveredSnapshots {
        RecoveredSnapshots(manifests: stored.withLock { $0.map(\.manifest) }, damaged: [])
    }

    public func begin(_ origin: SnapshotOrigin) throws -> any SnapshotWriter { MemorySnapshotWriter(self) }

    public func reader(of id: SnapshotID) throws -> any SnapshotReader {
        guard let found = stored.withLock({ $0.first { $0.manifest.id == id } }) else {
            throw RaftError(.storage, "there is no snapshot \(id)")
        }
        return SnapshotInMemory(manifest: found.manifest, bytes: found.bytes)
    }

    public func setAside(_ id: SnapshotID) throws { stored.withLock { $0.removeAll { $0.manifest.id == id } } }

    public func prune(endingBefore index: LogIndex) throws {
        stored.withLock { stored in
            stored = stored.enumerated().filter { position, snapshot in
                position == 0 || (position == 1 && snapshot.manifest.last.index >= index)
            }.map(\.element)
        }
    }

    public func close() {}

    fileprivate func add(_ snapshot: Stored) {
        stored.withLock { stored in
            stored.removeAll { $0.manifest.id == snapshot.manifest.id }
            let at = stored.firstIndex { $0.manifest.last.index <= snapshot.manifest.last.index } ?? stored.endIndex
            stored.insert(snapshot, at: at)
        }
    }
}

private final class MemorySnapshotWriter: SnapshotWriter {
    private let store: MemorySnapshotStore
    private let state = Lock<(bytes: [UInt8], checksum: UInt32)>(([], 0))

    init(_ store: MemorySnapshotStore) { self.store = store }

    var byteCount: UInt64 { state.withLock { UInt64($0.bytes.count) } }
    var checksum: UInt32 { state.withLock { $0.checksum } }

    func write(_ bytes: ArraySlice<UInt8>) throws {
        state.withLock { state in
            state.bytes.append(contentsOf: bytes)
            state.checksum = SnapshotChecksum.of(bytes, continuing: state.checksum)
        }
    }

    func commit(_ manifest: SnapshotManifest) throws {
        try manifest.check(byteCount: byteCount, checksum: checksum)
        store.add(.init(manifest: manifest, bytes: state.withLock { $0.bytes }))
    }

    func abandon() {}
}

/// A snapshot whose bytes are at hand.
final class SnapshotInMemory: SnapshotReader {
    let manifest: SnapshotManifest
    private let bytes: [UInt8]

    init(manifest: SnapshotManifest, bytes: [UInt8]) {
        self.manifest = manifest
        self.bytes = bytes
    }

    func read(at offset: UInt64, maximumBytes: Int) throws -> [UInt8] {
        let start = min(Int(clamping: offset), bytes.count)
        return Array(bytes[start..<min(bytes.count, start + max(1, maximumBytes))])
    }
}

extension SnapshotManifest {
    /// - Throws: ``RaftError/Code/corrupt`` unless the state has this many bytes with this checksum.
    public func check(byteCount: UInt64, checksum: UInt32) throws(RaftError) {
        guard byteCount == self.byteCount, checksum == self.checksum else {
            throw RaftError(
                .corrupt,
                "snapshot \(id): \(byteCount) bytes with checksum \(String(checksum, radix: 16)) came, it has \(self.byteCount) with checksum \(String(self.checksum, radix: 16))"
            )
        }
    }
}
