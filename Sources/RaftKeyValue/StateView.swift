internal import CLMDB
internal import Raft
internal import RaftKeyValueModel

/// The values as they were at one moment, read while later writes go on: one read transaction, on any thread.
///
/// The map must not move under a transaction, so whoever lets it grow ends the view first; the snapshot that it was
/// for fails, and is made again later.
final class StateView: @unchecked Sendable {
    // @unchecked: the transaction is touched under the lock only; LMDB lets any thread use it (MDB_NOTLS).
    private struct Live: @unchecked Sendable {
        // @unchecked: as the view.
        var transaction: OpaquePointer?
    }
    private let live: Lock<Live>
    private let values: MDB_dbi

    /// - Parameter transaction: a read transaction that belongs to the view from now on.
    init(_ transaction: OpaquePointer, values: MDB_dbi) {
        live = Lock(Live(transaction: transaction))
        self.values = values
    }

    deinit { end() }

    func end() {
        live.withLock { live in
            if let transaction = live.transaction { mdb_txn_abort(transaction) }
            live.transaction = nil
        }
    }

    /// The records after `key`, or from the first on: at least one and about `maximumBytes`; nil when there is none.
    ///
    /// - Returns: their bytes, and the last one's key.
    func records(after key: [UInt8]?, maximumBytes: Int) throws -> (bytes: [UInt8], last: [UInt8])? {
        try live.withLock { live in
            guard let transaction = live.transaction else {
                throw RaftError(.snapshotFailed, "the key-value state had to grow while its snapshot was written")
            }
            var cursor: OpaquePointer?
            try Environment.check(mdb_cursor_open(transaction, values, &cursor), "open a cursor")
            defer { mdb_cursor_close(cursor) }
            var bytes: [UInt8] = []
            var last: [UInt8] = []
            var data = MDB_val()
            func take(_ found: MDB_val) throws {
                last = Array(UnsafeRawBufferPointer(found))
                KeyValueRecord.append(key: last, try StoredValue(data), to: &bytes)
            }
            let start = key ?? []
            let first = try start.withUnsafeBytes { bound -> Int32 in
                var found = MDB_val(bound)
                var code = mdb_cursor_get(cursor, &found, &data, key == nil ? MDB_FIRST : MDB_SET_RANGE)
                if code == 0, let key, UnsafeRawBufferPointer(found).elementsEqual(key) {
                    code = mdb_cursor_get(cursor, &found, &data, MDB_NEXT)
                }
                if code == 0 { try take(found) }
                return code
            }
            if first == MDB_NOTFOUND { return nil }
            try Environment.check(first, "read the values")
            while bytes.count < maximumBytes {
                var found = MDB_val()
                let code = mdb_cursor_get(cursor, &found, &data, MDB_NEXT)
                if code == MDB_NOTFOUND { break }
                try Environment.check(code, "read the values")
                try take(found)
            }
            return (bytes, last)
        }
    }
}
