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

    private(set) var rows: [Row] = []

    var mark: Mark { Mark(rowCount: rows.count, byteCount: rows.last?.bytes.count ?? 0) }

    /// Forgets what came after a mark.
    func cut(to mark: Mark) {
        rows.removeSubrange(mark.rowCount...)
        if let last = rows.indices.last { rows[last].bytes.removeSubrange(mark.byteCount...) }
    }

    func removeAll() { rows.removeAll(keepingCapacity: true) }

    func append(_ change: KeyChange) {
        if rows.isEmpty || rows[rows.count - 1].bytes.count >= Self.rowBytes {
            rows.append(Row(position: change.position, bytes: []))
        }
        change.encode(into: &rows[rows.count - 1].bytes)
    }
}
