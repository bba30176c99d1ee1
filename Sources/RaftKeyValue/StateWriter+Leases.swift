internal import CLMDB
internal import Raft
internal import RaftKeyValueModel

// Leases: how long each lives, and which keys belong to it. When one ends is for the leader to say: a command does it.

extension StateWriter {
    /// The leases with what this transaction has written so far.
    var leaseReader: LeaseReader { LeaseReader(transaction: transaction, leases: leases, leaseKeys: leaseKeys) }

    /// How long a lease lives without being kept alive, in milliseconds; nil when there is none.
    func leaseTime(_ id: UInt64) throws -> UInt64? { try leaseReader.time(id) }

    func grant(_ id: UInt64, milliseconds: UInt64) throws {
        try LeaseReader.withKey(id) { key in
            var data = MDB_val(mv_size: 8, mv_data: nil)
            try Environment.check(mdb_put(transaction, leases, &key, &data, UInt32(MDB_RESERVE)), "write a lease")
            data.mv_data.storeBytes(of: milliseconds.littleEndian, as: UInt64.self)
        }
    }

    /// Removes a lease that is there. Its keys are removed one by one.
    func end(_ id: UInt64) throws {
        try LeaseReader.withKey(id) { key in
            try Environment.check(mdb_del(transaction, leases, &key, nil), "end a lease")
        }
    }

    func attach(_ key: [UInt8], to id: UInt64) throws {
        try LeaseReader.withKey(id) { lease in
            try key.withUnsafeBytes { bytes in
                var data = MDB_val(bytes)
                try Environment.check(mdb_put(transaction, leaseKeys, &lease, &data, 0), "attach a key")
            }
        }
    }

    func detach(_ key: [UInt8], from id: UInt64) throws {
        try LeaseReader.withKey(id) { lease in
            try key.withUnsafeBytes { bytes in
                var data = MDB_val(bytes)
                try Environment.check(mdb_del(transaction, leaseKeys, &lease, &data), "detach a key")
            }
        }
    }
}

/// The leases as one transaction shows them.
struct LeaseReader {
    let transaction: OpaquePointer
    let leases: MDB_dbi
    let leaseKeys: MDB_dbi

    /// Most significant byte first, so that LMDB's order is the numbers'.
    static func withKey<Result>(_ id: UInt64, _ body: (inout MDB_val) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(of: id.bigEndian) { bytes in
            var key = MDB_val(bytes)
            return try body(&key)
        }
    }

    func time(_ id: UInt64) throws -> UInt64? {
        try Self.withKey(id) { key in
            var data = MDB_val()
            let code = mdb_get(transaction, leases, &key, &data)
            if code == MDB_NOTFOUND { return nil }
            try Environment.check(code, "read a lease")
            return try Self.milliseconds(data)
        }
    }

    static func id(_ key: UnsafeRawBufferPointer) throws -> UInt64 {
        guard key.count == 8 else {
            throw RaftError(.corrupt, "key-value state: a lease under \(key.count) bytes")
        }
        return UInt64(bigEndian: key.loadUnaligned(as: UInt64.self))
    }

    static func milliseconds(_ data: MDB_val) throws -> UInt64 {
        guard data.mv_size == 8 else {
            throw RaftError(.corrupt, "key-value state: a lease of \(data.mv_size) bytes")
        }
        return UInt64(littleEndian: data.mv_data.loadUnaligned(as: UInt64.self))
    }

    func keyCount(_ id: UInt64) throws -> Int {
        var cursor: OpaquePointer?
        try Environment.check(mdb_cursor_open(transaction, leaseKeys, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        var data = MDB_val()
        let code = Self.withKey(id) { mdb_cursor_get(cursor, &$0, &data, MDB_SET) }
        if code == MDB_NOTFOUND { return 0 }
        try Environment.check(code, "read a lease's keys")
        var count = 0
        try Environment.check(mdb_cursor_count(cursor, &count), "count a lease's keys")
        return count
    }

    /// The keys of a lease, in order.
    func keys(_ id: UInt64) throws -> [[UInt8]] {
        var cursor: OpaquePointer?
        try Environment.check(mdb_cursor_open(transaction, leaseKeys, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        var keys: [[UInt8]] = []
        var data = MDB_val()
        var code = Self.withKey(id) { mdb_cursor_get(cursor, &$0, &data, MDB_SET) }
        while code != MDB_NOTFOUND {
            try Environment.check(code, "read a lease's keys")
            keys.append(Array(UnsafeRawBufferPointer(data)))
            var key = MDB_val()
            code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT_DUP)
        }
        return keys
    }

    /// Every lease, in the order of their ids.
    func all() throws -> [(id: UInt64, milliseconds: UInt64)] {
        var cursor: OpaquePointer?
        try Environment.check(mdb_cursor_open(transaction, leases, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        var found: [(UInt64, UInt64)] = []
        var key = MDB_val()
        var data = MDB_val()
        var code = mdb_cursor_get(cursor, &key, &data, MDB_FIRST)
        while code != MDB_NOTFOUND {
            try Environment.check(code, "read the leases")
            found.append((try Self.id(UnsafeRawBufferPointer(key)), try Self.milliseconds(data)))
            code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)
        }
        return found
    }
}
