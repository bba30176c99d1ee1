internal import Raft
internal import RaftKeyValueModel

/// The changes that a run of commands makes, as the history will keep them: in rows of several, so that a run costs few
/// more writes than it has commands.
///
/// How changes share rows depends on how commands came to share runs, which differs from replica to replica; what the
/// changes are, and their order, does not.
final class ChangeBuffer {
    /// Where a row begins, and the position of its first change.
    struct Row {
        let position: ChangePosition
        let start: Int
    }
    /// A place to go back to.
    struct Mark {
        fileprivate let rowCount: Int
        fileprivate let byteCount: Int
    }

    /// The most bytes of a row, unless one change has more: with its key it then shares a page of 4 KiB with another. A
    /// longer one needs pages of its own, in one piece: there is none among those that single pages left free, and so
    /// the file grew to twice what was in it, all of which is used in turn.
    static let rowBytes = 2000

    // Unchecked by the runtime: the buffer belongs to the machine, and that to one thread at a time.
    @exclusivity(unchecked) private(set) var rows: [Row] = []
    /// All changes, one after the other.
    @exclusivity(unchecked) private(set) var bytes: [UInt8] = []

    var mark: Mark { Mark(rowCount: rows.count, byteCount: bytes.count) }

    /// Forgets what came after a mark.
    func cut(to mark: Mark) {
        rows.removeSubrange(mark.rowCount...)
        bytes.removeSubrange(mark.byteCount...)
    }

    func removeAll() {
        rows.removeAll(keepingCapacity: true)
        // What a large run took goes.
        bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20)
    }

    /// The bytes of a row.
    func bytes(ofRow number: Int) -> ArraySlice<UInt8> {
        bytes[rows[number].start..<(number + 1 < rows.count ? rows[number + 1].start : bytes.count)]
    }

    /// Adds a change of a key.
    ///
    /// - Parameter set: what the key is since then, its lease 0 for none; nil when it was removed.
    func append(
        _ position: ChangePosition, _ key: [UInt8],
        _ set: (value: [UInt8], created: UInt64, version: UInt64, lease: UInt64)?
    ) {
        let start = bytes.count
        KeyChange.encode(position, key, set, into: &bytes)
        guard let row = rows.last, bytes.count - row.start <= Self.rowBytes else {
            return rows.append(Row(position: position, start: start))
        }
    }

    /// Adds a change as it is stored.
    func append(_ change: KeyChange) {
        let set = change.entry.map { (value: $0.value, created: $0.created, version: $0.version, lease: $0.lease ?? 0) }
        append(change.position, change.key, set)
    }
}
