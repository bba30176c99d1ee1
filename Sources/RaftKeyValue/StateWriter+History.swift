internal import CLMDB
internal import Raft
internal import RaftKeyValueModel

// The history: rows of changes under the position of their first one, and through which revision they are gone.

/// The key of a row: revision and ordinal, most significant byte first, so that LMDB's order is theirs.
enum HistoryKey {
    static func bytes(_ position: ChangePosition) -> [UInt8] {
        withUnsafeBytes(of: position.revision.bigEndian) { Array($0) }
            + withUnsafeBytes(of: position.ordinal.bigEndian) { Array($0) }
    }

    static func position(_ key: MDB_val) throws -> ChangePosition {
        guard key.mv_size == 12 else {
            throw RaftError(.corrupt, "key-value state: a row of the history under \(key.mv_size) bytes")
        }
        return ChangePosition(
            revision: UInt64(bigEndian: key.mv_data.loadUnaligned(as: UInt64.self)),
            ordinal: UInt32(bigEndian: key.mv_data.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
    }
}

extension StateWriter {
    /// Adds rows behind all that are there.
    func append(_ changes: ChangeBuffer) throws {
        guard !changes.rows.isEmpty else { return }
        var cursor: OpaquePointer?
        try Environment.check(mdb_cursor_open(transaction, history, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        for (number, row) in changes.rows.enumerated() {
            try HistoryKey.bytes(row.position).withUnsafeBytes { key in
                try changes.bytes(ofRow: number).withUnsafeBytes { bytes in
                    var key = MDB_val(key)
                    var data = MDB_val(bytes)
                    let code = mdb_cursor_put(cursor, &key, &data, UInt32(MDB_APPEND))
                    guard code != MDB_KEYEXIST else {
                        throw RaftError(.corrupt, "key-value state: its history goes beyond \(row.position)")
                    }
                    try Environment.check(code, "write the history")
                }
            }
        }
    }

    /// Notes through which revision the history is gone, and removes the rows of which nothing is left.
    func compact(through revision: UInt64) throws {
        try Environment.compactedKey.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            var data = MDB_val(mv_size: 8, mv_data: nil)
            try Environment.check(mdb_put(transaction, meta, &key, &data, UInt32(MDB_RESERVE)), "write the position")
            data.mv_data.storeBytes(of: revision.littleEndian, as: UInt64.self)
        }
        var cursor: OpaquePointer?
        try Environment.check(mdb_cursor_open(transaction, history, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        var key = MDB_val()
        var data = MDB_val()
        // A row goes when the one behind it begins at or before the revision: then it has nothing above it.
        while mdb_cursor_get(cursor, &key, &data, MDB_FIRST) == 0 {
            let code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)
            if code == MDB_NOTFOUND { return }
            try Environment.check(code, "read the history")
            guard try HistoryKey.position(key).revision <= revision else { return }
            try Environment.check(mdb_cursor_get(cursor, &key, &data, MDB_PREV), "read the history")
            try Environment.check(mdb_cursor_del(cursor, 0), "shorten the history")
        }
    }
}

/// The history as one transaction shows it.
struct HistoryReader {
    let transaction: OpaquePointer
    let history: MDB_dbi
    /// Through which revision it is gone.
    let compacted: UInt64

    /// The most bytes that are looked through at once.
    static let scanBytes = 4 << 20

    /// What it takes on disk.
    func byteCount() throws -> Int {
        var statistics = MDB_stat()
        try Environment.check(mdb_stat(transaction, history, &statistics), "measure the history")
        let pages = statistics.ms_branch_pages + statistics.ms_leaf_pages + statistics.ms_overflow_pages
        return pages * Int(statistics.ms_psize)
    }

    /// The changes behind `position`, from the row on in which they may be.
    ///
    /// - Parameters:
    ///   - maximumBytes: no row is begun after so many bytes of keys and values.
    ///   - end: the position of all that is applied.
    func page(
        after position: ChangePosition, in range: KeyRange, maximumBytes: Int, end: ChangePosition
    ) throws -> ChangePage {
        var page = ChangePage(changes: [], position: position, isComplete: false)
        var cursor: OpaquePointer?
        try Environment.check(mdb_cursor_open(transaction, history, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        var data = MDB_val()
        var found = MDB_val()
        // The last row that does not begin behind the position, or the first of all.
        var code = HistoryKey.bytes(position).withUnsafeBytes { bytes -> Int32 in
            var key = MDB_val(bytes)
            let code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE)
            found = key
            return code
        }
        if code == MDB_NOTFOUND {
            code = mdb_cursor_get(cursor, &found, &data, MDB_LAST)
        } else if code == 0, try HistoryKey.position(found) > position {
            code = mdb_cursor_get(cursor, &found, &data, MDB_PREV)
            if code == MDB_NOTFOUND { code = mdb_cursor_get(cursor, &found, &data, MDB_FIRST) }
        }
        let floor = max(position, ChangePosition(revision: compacted))
        var byteCount = 0
        var scanned = 0
        while code != MDB_NOTFOUND {
            try Environment.check(code, "read the history")
            guard byteCount < maximumBytes, scanned < Self.scanBytes else { return page }
            scanned += data.mv_size
            var rest = ByteReader(Array(UnsafeRawBufferPointer(data))[...], of: "a row of the history")
            while !rest.rest.isEmpty {
                // A row may be longer than the page: never more than one change too many.
                if byteCount >= maximumBytes { return page }
                let (change, here) = try KeyChange.take(&rest, after: floor, in: range)
                page.position = max(page.position, here)
                guard let change else { continue }
                byteCount += change.key.count + (change.entry?.value.count ?? 0) + 64
                page.changes.append(change)
            }
            code = mdb_cursor_get(cursor, &found, &data, MDB_NEXT)
        }
        page.position = max(page.position, end)
        page.isComplete = true
        return page
    }
}

/// Asked for changes that are not kept any more.
public struct HistoryCompacted: Error, Hashable, Sendable, CustomStringConvertible {
    /// The changes through this revision are gone; those behind it are there.
    public let revision: UInt64
    public var description: String {
        "the changes through revision \(revision) are not kept any more; read the keys, and watch from the revision after that read"
    }
}
