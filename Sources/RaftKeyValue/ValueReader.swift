internal import CLMDB
internal import Raft
internal import RaftKeyValueModel

/// What is stored with a value: four numbers, 8 bytes each, little-endian.
struct KeyHead {
    static let size = 32

    let revision: UInt64
    let created: UInt64
    let version: UInt64
    /// 0: none.
    let lease: UInt64

    init(revision: UInt64, created: UInt64, version: UInt64, lease: UInt64) {
        self.revision = revision
        self.created = created
        self.version = version
        self.lease = lease
    }

    init(_ bytes: UnsafeRawBufferPointer) {
        revision = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        created = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        version = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        lease = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
    }

    func write(to memory: UnsafeMutableRawPointer) {
        memory.storeBytes(of: revision.littleEndian, as: UInt64.self)
        memory.storeBytes(of: created.littleEndian, toByteOffset: 8, as: UInt64.self)
        memory.storeBytes(of: version.littleEndian, toByteOffset: 16, as: UInt64.self)
        memory.storeBytes(of: lease.littleEndian, toByteOffset: 24, as: UInt64.self)
    }
}

/// What is stored under a key: the head, then the value's own bytes. These belong to the transaction that found them,
/// and go with its next write.
struct StoredValue {
    let head: KeyHead
    let value: UnsafeRawBufferPointer

    var revision: UInt64 { head.revision }
    var created: UInt64 { head.created }
    var version: UInt64 { head.version }
    var lease: UInt64 { head.lease }

    init(_ data: MDB_val) throws {
        guard data.mv_size >= KeyHead.size else {
            throw RaftError(.corrupt, "key-value state: a stored value of \(data.mv_size) bytes")
        }
        let all = UnsafeRawBufferPointer(data)
        head = KeyHead(all)
        value = UnsafeRawBufferPointer(rebasing: all.dropFirst(KeyHead.size))
    }

    func entry(_ key: [UInt8]) -> KeyValue {
        KeyValue(
            key: key, value: Array(value), revision: revision, created: created, version: version,
            lease: lease == 0 ? nil : lease)
    }
}

/// The values as one transaction shows them.
struct ValueReader {
    let transaction: OpaquePointer
    let values: MDB_dbi

    /// Calls `body` with what is stored under the key; nil when it is absent.
    func get<Result>(_ key: [UInt8], _ body: (StoredValue) throws -> Result) throws -> Result? {
        try key.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            var data = MDB_val()
            let code = mdb_get(transaction, values, &key, &data)
            if code == MDB_NOTFOUND { return nil }
            try Environment.check(code, "read a key")
            return try body(try StoredValue(data))
        }
    }

    /// Calls `body` with each key of a range, in order, until it returns false. It writes nothing meanwhile.
    func forEach(
        in range: KeyRange, _ body: (_ key: UnsafeRawBufferPointer, _ stored: StoredValue) throws -> Bool
    ) throws {
        var cursor: OpaquePointer?
        try Environment.check(mdb_cursor_open(transaction, values, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        // A longer bound than any key: begin at its longest possible prefix, which is the one key to be skipped.
        let first = Array(range.from.prefix(KeyValueLimits.maximumKeyBytes))
        try first.withUnsafeBytes { first in
            var key = MDB_val(first)
            var data = MDB_val()
            // LMDB refuses an empty key even as a bound.
            var code = mdb_cursor_get(cursor, &key, &data, first.isEmpty ? MDB_FIRST : MDB_SET_RANGE)
            while code != MDB_NOTFOUND {
                try Environment.check(code, "read a range")
                let found = UnsafeRawBufferPointer(key)
                if let upTo = range.upTo, !found.lexicographicallyPrecedes(upTo) { return }
                let isBefore = first.count < range.from.count && found.lexicographicallyPrecedes(range.from)
                guard try isBefore || body(found, StoredValue(data)) else { return }
                code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)
            }
        }
    }

    /// The first entries of a range.
    ///
    /// - Parameters:
    ///   - limit: the most entries; with 0 it only says whether there is one.
    ///   - maximumBytes: the most bytes of keys and values, unless the first entry alone has more.
    func page(_ range: KeyRange, limit: Int, maximumBytes: Int) throws -> KeyValuePage {
        var page = KeyValuePage(entries: [], hasMore: false)
        var byteCount = 0
        try forEach(in: range) { key, stored in
            byteCount += key.count + stored.value.count
            guard page.entries.count < limit, page.entries.isEmpty || byteCount <= maximumBytes else {
                page.hasMore = true
                return false
            }
            page.entries.append(stored.entry(Array(key)))
            return true
        }
        return page
    }
}
