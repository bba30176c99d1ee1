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
