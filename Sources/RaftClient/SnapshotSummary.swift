public import Raft

/// A snapshot that is durable on a node.
public struct SnapshotSummary: Hashable, Sendable {
    public let id: SnapshotID
    /// The last entry whose effect it shows.
    public let last: LogID
    /// How many bytes its state has.
    public let byteCount: UInt64
    public init(id: SnapshotID, last: LogID, byteCount: UInt64) {
        self.id = id
        self.last = last
        self.byteCount = byteCount
    }
}

/// Some of a snapshot's bytes.
public struct SnapshotPiece: Hashable, Sendable {
    /// Of the whole snapshot.
    public let manifest: SnapshotManifest
    /// Where in the state the bytes begin.
    public let offset: UInt64
    public let bytes: [UInt8]
    public init(manifest: SnapshotManifest, offset: UInt64, bytes: [UInt8]) {
        self.manifest = manifest
        self.offset = offset
        self.bytes = bytes
    }

    /// Where the next piece begins.
    public var end: UInt64 { offset + UInt64(bytes.count) }
}
