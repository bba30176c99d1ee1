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
    private let history: MDB_dbi
    private let leases: MDB_dbi
    private let leaseKeys: MDB_dbi
    private let maximumMapBytes: Int
    private var mapBytes: Int
    /// One read transaction for all reads between two writes: renewing it costs less than beginning one.
    private var reader: OpaquePointer?
    private var isReaderLive = false
    /// What a snapshot is being made from.
    private weak var view: StateView?

    static let appliedKey = Array("applied".utf8)
    static let compactedKey = Array("compacted".utf8)

    /// Thrown inside a write when the map is full; the write is then begun anew on a larger map.
    private struct MapFull: Error {}

    init(directory: String, initialMapBytes: Int, maximumMapBytes: Int) throws {
        var created: OpaquePointer?
        try Self.check(mdb_env_create(&created), "create the environment")
        let environment = created!
        var values = MDB_dbi()
        var meta = MDB_dbi()
        var sessions = MDB_dbi()
        var history = MDB_dbi()
        var leases = MDB_dbi()
        var leaseKeys = MDB_dbi()
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
            try Self.check(mdb_env_set_maxdbs(environment, 6), "set the count of databases")
            // NOTLS: the read transaction belongs to this object, not to the thread that began it.
            let flags = UInt32(MDB_WRITEMAP) | UInt32(MDB_NOSYNC) | UInt32(MDB_NOTLS)
            try Self.check(mdb_env_open(environment, directory, flags, 0o600), "open \(directory)")
            try Self.allocate(environment, mapBytes)
            var transaction: OpaquePointer?
            try Self.check(mdb_txn_begin(environment, nil, 0, &transaction), "begin a transaction")
            do {
                try Self.check(mdb_dbi_open(transaction, "values", UInt32(MDB_CREATE), &values), "open the values")
                try Self.check(mdb_dbi_open(transaction, "meta", UInt32(MDB_CREATE), &meta), "open the position")
                try Self.check(
                    mdb_dbi_open(transaction, "sessions", UInt32(MDB_CREATE), &sessions), "open the sessions")
                try Self.check(
                    mdb_dbi_open(transaction, "history", UInt32(MDB_CREATE), &history), "open the history")
                try Self.check(mdb_dbi_open(transaction, "leases", UInt32(MDB_CREATE), &leases), "open the leases")
                try Self.check(
                    mdb_dbi_open(transaction, "lease keys", UInt32(MDB_CREATE | MDB_DUPSORT), &leaseKeys),
                    "open the leases' keys")
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
        self.history = history
        self.leases = leases
        self.leaseKeys = leaseKeys
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

    /// Runs `body` in a write transaction and commits it. May run it more than once: all that an earlier run wrote is
    /// then undone, so `body` must begin from the start each time.
    func write<Result>(_ body: (StateWriter) throws -> Result) throws -> Result {
        releaseReader()
        while true {
            var begun: OpaquePointer?
            try Self.check(mdb_txn_begin(environment, nil, 0, &begun), "begin a transaction")
            let transaction = begun!
            let result: Result
            do {
                var cursor: OpaquePointer?
                try Self.check(mdb_cursor_open(transaction, values, &cursor), "open a cursor")
                result = try body(
                    StateWriter(
                        transaction: transaction, values: values, cursor: cursor!, meta: meta, sessions: sessions,
                        history: history, leases: leases, leaseKeys: leaseKeys))
            } catch {
                mdb_txn_abort(transaction)
                guard error is MapFull else { throw error }
                try grow()
                continue
            }
            do {
                try Self.check(mdb_txn_commit(transaction), "commit")
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

    func usedBytes() throws -> Int {
        var (information, statistics) = (MDB_envinfo(), MDB_stat())
        try Self.check(mdb_env_info(environment, &information), "measure the state")
        try Self.check(mdb_env_stat(environment, &statistics), "measure the state")
        return (information.me_last_pgno + 1) * Int(statistics.ms_psize)
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

    /// The values as the last write left them, until the next one begins.
    func makeReader() throws -> ValueReader { ValueReader(transaction: try renewReader(), values: values) }

    /// The history as the last write left it, until the next one begins.
    func makeHistoryReader() throws -> HistoryReader {
        HistoryReader(transaction: try renewReader(), history: history, compacted: try compacted())
    }

    /// The leases as the last write left them, until the next one begins.
    func makeLeaseReader() throws -> LeaseReader {
        LeaseReader(transaction: try renewReader(), leases: leases, leaseKeys: leaseKeys)
    }

    /// Through which revision the history is gone; 0 when all of it is there.
    func compacted() throws -> UInt64 {
        try Self.compactedKey.withUnsafeBytes { bytes in
            var key = MDB_val(bytes)
            var data = MDB_val()
            let code = mdb_get(try renewReader(), meta, &key, &data)
            if code == MDB_NOTFOUND { return 0 }
            try Self.check(code, "read the position")
            guard data.mv_size == 8 else {
                throw RaftError(.corrupt, "key-value state: an end of the history of \(data.mv_size) bytes")
            }
            return UInt64(littleEndian: data.mv_data.loadUnaligned(as: UInt64.self))
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
        let compacted = try compacted()
        var transaction: OpaquePointer?
        try Self.check(
            mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction), "begin a read transaction")
        let made = StateView(transaction!, values: values, history: history, leases: leases, compacted: compacted)
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
