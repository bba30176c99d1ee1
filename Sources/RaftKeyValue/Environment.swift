internal import CLMDB
internal import Raft

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// One LMDB environment: the values, and beside them the position in the log that they show and the clients' sessions.
///
/// Written through a memory map and never synced by a commit (see ``CleanMark``). Belongs to one thread at a time.
final class Environment {
    private let environment: OpaquePointer
    private let values: MDB_dbi
    private let meta: MDB_dbi
    private let sessions: MDB_dbi
    private let maximumMapBytes: Int
    private var mapBytes: Int
    /// One read transaction for all reads between two writes: renewing it costs less than beginning one.
    private var reader: OpaquePointer?
    private var isReaderLive = false
    /// What a snapshot is being made from.
    private weak var view: StateView?

    fileprivate static let appliedKey = Array("applied".utf8)
    private static let revisionBytes = 8

    /// Thrown inside a write when the map is full; the write is then begun anew on a larger map.
    private struct MapFull: Error {}

    init(directory: String, initialMapBytes: Int, maximumMapBytes: Int) throws {
        var created: OpaquePointer?
        try Self.check(mdb_env_create(&created), "create the environment")
        let environment = created!
        var values = MDB_dbi()
        var meta = MDB_dbi()
        var sessions = MDB_dbi()
        let mapBytes: Int
        do {
            guard Int(mdb_env_get_maxkeysize(environment)) >= KeyValueLimits.maximumKeyBytes else {
                throw RaftError(
                    .storage,
                    "this LMDB takes keys of at most \(mdb_env_get_maxkeysize(environment)) bytes, \(KeyValueLimits.maximumKeyBytes) are needed; build it with its default key size"
                )
            }
            mapBytes = max(Self.fileSize(directory + "/data.mdb"), Self.wholePages(initialMapBytes))
            try Self.check(mdb_env_set_mapsize(environment, mapBytes), "set the map size to \(mapBytes) bytes")
            try Self.check(mdb_env_set_maxdbs(environment, 3), "set the count of databases")
            // NOTLS: the read transaction belongs to this object, not to the thread that began it.
            let flags = UInt32(MDB_WRITEMAP) | UInt32(MDB_NOSYNC) | UInt32(MDB_NOTLS)
            try Self.check(mdb_env_open(environment, directory, flags, 0o600), "open \(directory)")
            try Self.allocate(environment, mapBytes)
            var transaction: OpaquePointer?
            try Self.check(mdb_txn_begin(environment, nil, 0, &transaction), "begin a transaction")
            do {
                try Self.check(mdb_dbi_open(transaction, "values", UInt32(MDB_CREATE), &values), "open the values")
                try Self.check(mdb_dbi_open(transaction, "meta", UInt32(MDB_CREATE), &meta), "open the position")
                // A state from before there were sessions has none.
                try Self.check(
                    mdb_dbi_open(transaction, "sessions", UInt32(MDB_CREATE), &sessions), "open the sessions")
            } catch {
                mdb_txn_abort(transaction)
                throw error
            }
            try Self.check(mdb_txn_commit(transaction), "commit")
        } catch {
            mdb_env_close(environment)
            throw error
        }
        self.environment = environment
        self.values = values
        self.meta = meta
        self.sessions = sessions
        self.mapBytes = mapBytes
        self.maximumMapBytes = maximumMapBytes
    }

    deinit {
        view?.end()
        if let reader { mdb_txn_abort(reader) }
        mdb_env_close(environment)
    }

    /// Makes everything written so far durable.
    func sync() throws {
        releaseReader()
        try Self.check(mdb_env_sync(environment, 1), "sync")
        var file: mdb_filehandle_t = -1
        try Self.check(mdb_env_get_fd(environment, &file), "find the file")
        guard fsync(file) == 0 else { throw CleanMark.failure("sync", "the key-value state") }
    }

    // MARK: Writing

    /// One write transaction.
    struct Writer {
        fileprivate let transaction: OpaquePointer
        fileprivate let values: MDB_dbi
        fileprivate let meta: MDB_dbi
        fileprivate let sessions: MDB_dbi
    }

    /// Runs `body` in a write transaction and commits it. May run it more than once: all that an earlier run wrote is
    /// then undone, so `body` must begin from the start each time.
    func write<Result>(_ body: (Writer) throws -> Result) throws -> Result {
        releaseReader()
        while true {
            var begun: OpaquePointer?
            try Self.check(mdb_txn_begin(environment, nil, 0, &begun), "begin a transaction")
            let writer = Writer(transaction: begun!, values: values, meta: meta, sessions: sessions)
            let result: Result
            do {
                result = try body(writer)
            } catch {
                mdb_txn_abort(writer.transaction)
                guard error is MapFull else { throw error }
                try grow()
                continue
            }
            do {
                try Self.check(mdb_txn_commit(writer.transaction), "commit")
                return result
            } catch is MapFull {
                try grow()
            }
        }
    }

    /// Doubles the map, by at most a gibibyte. Nothing that is in it moves or is lost.
    private func grow() throws {
        let larger = Self.wholePages(mapBytes + min(mapBytes, 1 << 30))
        guard larger <= maximumMapBytes else {
            throw RaftError(
                .storage,
                "the key-value state needs more than \(mapBytes) bytes, and its limit is \(maximumMapBytes); raise the limit on every node"
            )
        }
        if let reader { mdb_txn_abort(reader) }
        reader = nil
        view?.end()
        try Self.allocate(environment, larger)
        try Self.check(mdb_env_set_mapsize(environment, larger), "grow the map to \(larger) bytes")
        mapBytes = larger
    }

    /// Takes the whole map's space from the file system now. A page of a sparse map that finds the disk full when it
    /// is first written kills the process; this way a full disk is an error.
    private static func allocate(_ environment: OpaquePointer, _ byteCount: Int) throws {
        #if os(Linux)
            var file: mdb_filehandle_t = -1
            try check(mdb_env_get_fd(environment, &file), "find the file")
            let code = posix_fallocate(file, 0, byteCount)
            guard code == 0 else {
                throw CleanMark.failure("reserve \(byteCount) bytes for", "the key-value state", code)
            }
        #endif
    }

    // MARK: Reading

    /// The position in the log that the values show, or nil when nothing was ever applied.
    func applied() throws -> LogID? {
        var key = MDB_val()
        var data = MDB_val()
        let reader = try renewReader()
        return try Self.appliedKey.withUnsafeBytes { bytes in
            key = MDB_val(bytes)
            let code = mdb_get(reader, meta, &key, &data)
            if code == MDB_NOTFOUND { return nil }
            try Self.check(code, "read the position")
            guard data.mv_size == 16 else {
                throw RaftError(.corrupt, "key-value state: a position of \(data.mv_size) bytes")
            }
            return LogID(
                term: Term(UInt64(littleEndian: data.mv_data.loadUnaligned(as: UInt64.self))),
                index: LogIndex(
                    UInt64(littleEndian: data.mv_data.loadUnaligned(fromByteOffset: 8, as: UInt64.self))))
        }
    }

    /// Calls `body` with the value's bytes, which are valid only in it, and its revision; nil when the key is absent.
    func get<Result>(_ key: [UInt8], _ body: (UnsafeRawBufferPointer, UInt64) throws -> Result) throws -> Result? {
        try Self.find(key, in: values, try renewReader(), body)
    }

    /// Calls `body` with each key and stored value from `from` on, in order, until it returns false.
    func forEach(
        from: [UInt8],
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ revision: UInt64) throws -> Bool
    ) throws {
        let reader = try renewReader()
        var cursor: OpaquePointer?
        try Self.check(mdb_cursor_open(reader, values, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        try from.withUnsafeBytes { first in
            var key = MDB_val(first)
            var data = MDB_val()
            // LMDB refuses an empty key even as a bound.
            var code = mdb_cursor_get(cursor, &key, &data, first.isEmpty ? MDB_FIRST : MDB_SET_RANGE)
            while code != MDB_NOTFOUND {
                try Self.check(code, "read a range")
                let stored = try Self.stored(data)
                guard try body(UnsafeRawBufferPointer(key), stored.value, stored.revision) else { return }
                code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)
            }
        }
    }

    /// Every row of the sessions, in the order of their keys.
    func sessionRecords() throws -> [SessionRecord] {
        var cursor: OpaquePointer?
        try Self.check(mdb_cursor_open(try renewReader(), sessions, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        var records: [SessionRecord] = []
        var key = MDB_val()
        var data = MDB_val()
        var code = mdb_cursor_get(cursor, &key, &data, MDB_FIRST)
        while code != MDB_NOTFOUND {
            try Self.check(code, "read the sessions")
            records.append(
                SessionRecord(
                    key: Array(UnsafeRawBufferPointer(key)), value: Array(UnsafeRawBufferPointer(data))))
            code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)
        }
        return records
    }

    /// The values as they are now, for a snapshot. One at a time: an earlier view ends.
    func makeView() throws -> StateView {
        view?.end()
        var transaction: OpaquePointer?
        try Self.check(
            mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction), "begin a read transaction")
        let made = StateView(transaction!, values: values)
        view = made
        return made
    }

    private func renewReader() throws -> OpaquePointer {
        if let reader {
            if !isReaderLive { try Self.check(mdb_txn_renew(reader), "renew the read transaction") }
        } else {
            try Self.check(
                mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &reader), "begin a read transaction")
        }
        isReaderLive = true
        return reader!
    }

    /// Lets go of the snapshot that reads have seen, so that a write may reuse its pages.
    private func releaseReader() {
        if isReaderLive, let reader { mdb_txn_reset(reader) }
        isReaderLive = false
    }

    // MARK: Shared

    fileprivate static func find<Result>(
        _ key: [UInt8], in database: MDB_dbi, _ transaction: OpaquePointer,
        _ body: (UnsafeRawBufferPointer, UInt64) throws -> Result
    ) throws -> Result? {
        try key.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            var data = MDB_val()
            let code = mdb_get(transaction, database, &key, &data)
            if code == MDB_NOTFOUND { return nil }
            try check(code, "read a key")
            let stored = try stored(data)
            return try body(stored.value, stored.revision)
        }
    }

    /// A stored value is its revision, 8 bytes little-endian, and then its bytes.
    static func stored(_ data: MDB_val) throws -> (revision: UInt64, value: UnsafeRawBufferPointer) {
        guard data.mv_size >= revisionBytes else {
            throw RaftError(.corrupt, "key-value state: a stored value of \(data.mv_size) bytes")
        }
        let all = UnsafeRawBufferPointer(data)
        return (
            UInt64(littleEndian: all.loadUnaligned(as: UInt64.self)),
            UnsafeRawBufferPointer(rebasing: all.dropFirst(revisionBytes))
        )
    }

    static func check(_ code: Int32, _ action: String) throws {
        if code == 0 { return }
        if code == MDB_MAP_FULL { throw MapFull() }
        if [MDB_INVALID, MDB_CORRUPTED, MDB_VERSION_MISMATCH, MDB_PAGE_NOTFOUND].contains(code) {
            throw DamagedState(reason: "cannot \(action): \(String(cString: mdb_strerror(code)))")
        }
        throw RaftError(.storage, "key-value state: cannot \(action): \(String(cString: mdb_strerror(code)))")
    }

    private static func fileSize(_ path: String) -> Int {
        var information = stat()
        return stat(path, &information) == 0 ? Int(information.st_size) : 0
    }

    private static func wholePages(_ byteCount: Int) -> Int {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        return (max(byteCount, 16 * page) + page - 1) / page * page
    }
}

extension Environment.Writer {
    /// As ``Environment/get(_:_:)``, with what this transaction has written so far.
    func get<Result>(_ key: [UInt8], _ body: (UnsafeRawBufferPointer, UInt64) throws -> Result) throws -> Result? {
        try Environment.find(key, in: values, transaction, body)
    }

    func put(_ key: [UInt8], _ value: [UInt8], revision: UInt64) throws {
        try key.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            var data = MDB_val(mv_size: 8 + value.count, mv_data: nil)
            try Environment.check(mdb_put(transaction, values, &key, &data, UInt32(MDB_RESERVE)), "write a key")
            data.mv_data.storeBytes(of: revision.littleEndian, as: UInt64.self)
            value.withUnsafeBytes { value in
                if let base = value.baseAddress { (data.mv_data + 8).copyMemory(from: base, byteCount: value.count) }
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

extension MDB_val {
    /// LMDB only reads through the pointer of a key, or of a value that it copies.
    init(_ bytes: UnsafeRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }
}

extension UnsafeRawBufferPointer {
    init(_ value: MDB_val) {
        self.init(start: value.mv_data, count: value.mv_size)
    }
}

/// The files are not an LMDB state, or a damaged one.
struct DamagedState: Error, CustomStringConvertible {
    let reason: String
    var description: String { "key-value state: \(reason); remove its directory, it is rebuilt from the log" }
}
