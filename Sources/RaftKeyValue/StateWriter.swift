internal import CLMDB
internal import Raft
internal import RaftKeyValueModel

/// One write transaction.
struct StateWriter {
    let transaction: OpaquePointer
    let values: MDB_dbi
    let meta: MDB_dbi
    let sessions: MDB_dbi
    let history: MDB_dbi
    let leases: MDB_dbi
    let leaseKeys: MDB_dbi

    /// The values with what this transaction has written so far.
    var reader: ValueReader { ValueReader(transaction: transaction, values: values) }

    /// Sets a key to what it says; its lease knows nothing of it.
    func put(_ entry: KeyValue) throws {
        let value = entry.value
        try entry.key.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            var data = MDB_val(mv_size: StoredValue.headSize + value.count, mv_data: nil)
            try Environment.check(mdb_put(transaction, values, &key, &data, UInt32(MDB_RESERVE)), "write a key")
            data.mv_data.storeBytes(of: entry.revision.littleEndian, as: UInt64.self)
            data.mv_data.storeBytes(of: entry.created.littleEndian, toByteOffset: 8, as: UInt64.self)
            data.mv_data.storeBytes(of: entry.version.littleEndian, toByteOffset: 16, as: UInt64.self)
            data.mv_data.storeBytes(of: (entry.lease ?? 0).littleEndian, toByteOffset: 24, as: UInt64.self)
            value.withUnsafeBytes { value in
                guard let base = value.baseAddress else { return }
                (data.mv_data + StoredValue.headSize).copyMemory(from: base, byteCount: value.count)
            }
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
