internal import CLMDB
internal import Raft
internal import RaftKeyValueModel

/// One write transaction.
struct StateWriter {
    let transaction: OpaquePointer
    let values: MDB_dbi
    /// On the values; ends with the transaction.
    let cursor: OpaquePointer
    let meta: MDB_dbi
    let sessions: MDB_dbi
    let history: MDB_dbi
    let leases: MDB_dbi
    let leaseKeys: MDB_dbi

    /// The values with what this transaction has written so far.
    var reader: ValueReader { ValueReader(transaction: transaction, values: values) }

    /// Sets a key to what it says; its lease knows nothing of it.
    func put(_ entry: KeyValue) throws {
        let head = KeyHead(
            revision: entry.revision, created: entry.created, version: entry.version, lease: entry.lease ?? 0)
        try entry.key.withUnsafeBytes { try write($0, entry.value, head) }
    }

    /// Sets a key, with what `head` makes of what it had; its lease knows nothing of it.
    ///
    /// - Returns: what it had, nil when it was absent; and what it has now.
    func put(
        _ key: [UInt8], _ value: [UInt8], _ head: (_ before: KeyHead?) -> KeyHead
    ) throws -> (before: KeyHead?, now: KeyHead) {
        try key.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            var data = MDB_val()
            // The cursor stays where it finds the key, and so the write need not search for it from the root again.
            let code = mdb_cursor_get(cursor, &key, &data, MDB_SET)
            var before: KeyHead?
            if code != MDB_NOTFOUND {
                try Environment.check(code, "read a key")
                before = try StoredValue(data).head
            }
            let now = head(before)
            try write(bytes, value, now)
            return (before, now)
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, _ value: [UInt8], _ head: KeyHead) throws {
        var key = MDB_val(bytes)
        var data = MDB_val(mv_size: KeyHead.size + value.count, mv_data: nil)
        try Environment.check(mdb_cursor_put(cursor, &key, &data, UInt32(MDB_RESERVE)), "write a key")
        head.write(to: data.mv_data)
        value.withUnsafeBytes { value in
            guard let base = value.baseAddress else { return }
            (data.mv_data + KeyHead.size).copyMemory(from: base, byteCount: value.count)
        }
    }

    /// Removes a key that is there.
    func delete(_ key: [UInt8]) throws {
        try key.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            try Environment.check(mdb_del(transaction, values, &key, nil), "delete a key")
        }
    }

    /// Writes rows of the sessions, or removes those without a value.
    func keep(_ records: [SessionRecord]) throws {
        for record in records {
            try record.key.withUnsafeBytes { bytes in
                var key = MDB_val(bytes)
                guard let value = record.value else {
                    let code = mdb_del(transaction, sessions, &key, nil)
                    if code != MDB_NOTFOUND { try Environment.check(code, "end a session") }
                    return
                }
                try value.withUnsafeBytes { value in
                    var data = MDB_val(value)
                    try Environment.check(mdb_put(transaction, sessions, &key, &data, 0), "write a session")
                }
            }
        }
    }

    func setApplied(_ id: LogID) throws {
        try Environment.appliedKey.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            var data = MDB_val(mv_size: 16, mv_data: nil)
            try Environment.check(mdb_put(transaction, meta, &key, &data, UInt32(MDB_RESERVE)), "write the position")
            data.mv_data.storeBytes(of: id.term.rawValue.littleEndian, as: UInt64.self)
            data.mv_data.storeBytes(of: id.index.rawValue.littleEndian, toByteOffset: 8, as: UInt64.self)
        }
    }
}
