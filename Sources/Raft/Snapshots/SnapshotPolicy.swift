/// When a node builds a snapshot by itself: as soon as one of these is reached. With none of them it builds only when
/// it is told to.
public struct SnapshotPolicy: Sendable, Hashable {
    /// So many entries were applied since the last one.
    public var entryCount: Int?
    /// So many bytes of entries were applied since the last one, and at least as many as the state then had: whatever
    /// the size of the state, writing it costs no more than writing the log did.
    public var logBytes: Int?
    /// So much time has passed since the last one, and something was applied.
    public var interval: Duration?

    public init(entryCount: Int? = nil, logBytes: Int? = 64 << 20, interval: Duration? = nil) {
        self.entryCount = entryCount
        self.logBytes = logBytes
        self.interval = interval
    }

    /// Only when told to.
    public static let manual = SnapshotPolicy(entryCount: nil, logBytes: nil, interval: nil)

    /// Whether it is time.
    ///
    /// - Parameters:
    ///   - entries: applied since the last snapshot, or since the log's beginning.
    ///   - bytes: of these entries.
    ///   - stateBytes: of the last snapshot, 0 when there is none.
    ///   - age: of the last snapshot, or since the start.
    func isDue(entries: Int, bytes: Int, stateBytes: UInt64, age: Duration) -> Bool {
        guard entries > 0 else { return false }
        if let entryCount, entries >= entryCount { return true }
        if let logBytes, bytes >= max(logBytes, Int(clamping: stateBytes)) { return true }
        if let interval, age >= interval { return true }
        return false
    }
}
