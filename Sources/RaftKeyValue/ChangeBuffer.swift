internal import Raft
internal import RaftKeyValueModel

/// The changes that a run of commands makes, as the history will keep them: one row for many of them, so that a run
/// costs one more write however many commands it has.
///
/// How changes share rows depends on how commands came to share runs, which differs from replica to replica; what the
/// changes are, and their order, does not.
final class ChangeBuffer {
    struct Row {
        /// Of its first change.
        let position: ChangePosition
        fileprivate(set) var bytes: [UInt8]
    }
    /// A place to go back to.
    struct Mark {
        fileprivate let rowCount: Int
        fileprivate let byteCount: Int
    }

    /// A row that has so much takes no more changes.
    static let rowBytes = 256 << 10

    // Unchecked by the runtime: the buffer belongs to the machine, and that to one thread at a time.
    @exclusivity(unchecked) private(set) var rows: [Row] = []
    /// The storage of a row that is gone, for the next one: a run mostly has one.
    @exclusivity(unchecked) private var spare: [UInt8] = []

    var mark: Mark { Mark(rowCount: rows.count, byteCount: rows.last?.bytes.count ?? 0) }

    /// Forgets what came after a mark.
    func cut(to mark: Mark) {
        rows.removeSubrange(mark.rowCount...)
        if let last = rows.indices.last { rows[last].bytes.removeSubrange(mark.byteCount...) }
    }

    func removeAll() {
        if var last = rows.popLast()?.bytes {
            rows.removeAll(keepingCapacity: true)
            // One that a single change made huge goes.
            if last.capacity <= 2 * Self.rowBytes {
                last.removeAll(keepingCapacity: true)
                spare = last
            }
        }
    }

    /// Adds a change of a key.
    ///
    /// - Parameter set: what the key is since then, its lease 0 for none; nil when it was removed.
    func append(
        _ position: ChangePosition, _ key: [UInt8],
        _ set: (value: [UInt8], created: UInt64, version: UInt64, lease: UInt64)?
    ) {
        if rows.isEmpty || rows[rows.count - 1].bytes.count >= Self.rowBytes {
            rows.append(Row(position: position, bytes: spare))
            spare = []
        }
        KeyChange.encode(position, key, set, into: &rows[rows.count - 1].bytes)
    }

    /// Adds a change as it is stored.
    func append(_ change: KeyChange) {
        let set = change.entry.map { (value: $0.value, created: $0.created, version: $0.version, lease: $0.lease ?? 0) }
        append(change.position, change.key, set)
    }
}
