internal import CLMDB
internal import Raft
internal import RaftKeyValueModel

/// The values and the history as they were at one moment, read while later writes go on: one read transaction, on any
/// thread.
///
/// The map must not move under a transaction, so whoever lets it grow ends the view first; the snapshot that it was
/// for fails, and is made again later.
final class StateView: @unchecked Sendable {
    // @unchecked: the transaction is touched under the lock only; LMDB lets any thread use it (MDB_NOTLS).
    private struct Live: @unchecked Sendable {
        // @unchecked: as the view.
        var transaction: OpaquePointer?
        var place = Place.front
    }
    /// What comes next.
    private enum Place {
        case front
        case leases(after: [UInt8]?)
        case keys(after: [UInt8]?)
        case history(after: [UInt8]?)
        case end
    }
    private let live: Lock<Live>
    private let values: MDB_dbi
    private let history: MDB_dbi
    private let leases: MDB_dbi
    private let compacted: UInt64

    /// - Parameter transaction: a read transaction that belongs to the view from now on.
    init(_ transaction: OpaquePointer, values: MDB_dbi, history: MDB_dbi, leases: MDB_dbi, compacted: UInt64) {
        live = Lock(Live(transaction: transaction))
        self.values = values
        self.history = history
        self.leases = leases
        self.compacted = compacted
    }

    deinit { end() }

    func end() {
        live.withLock { live in
            if let transaction = live.transaction { mdb_txn_abort(transaction) }
            live.transaction = nil
        }
    }

    /// The next records, about `maximumBytes` of them; nil when there are no more.
    func next(maximumBytes: Int) throws -> [UInt8]? {
        try live.withLock { live in
            guard let transaction = live.transaction else {
                throw RaftError(.snapshotFailed, "the key-value state had to grow while its snapshot was written")
            }
            var bytes: [UInt8] = []
            // The last key, or row, goes in whole.
            bytes.reserveCapacity(maximumBytes + maximumBytes / 8)
            while bytes.count < maximumBytes {
                switch live.place {
                case .front:
                    KeyValueRecord.append(compacted: compacted, to: &bytes)
                    live.place = .leases(after: nil)
                case .leases(let last):
                    let last = try Self.read(leases, after: last, transaction) { key, data in
                        KeyValueRecord.append(
                            lease: try LeaseReader.id(key), milliseconds: try LeaseReader.milliseconds(data), to: &bytes
                        )
                        return bytes.count < maximumBytes
                    }
                    live.place = last.map { .leases(after: $0) } ?? .keys(after: nil)
                case .keys(let last):
                    let last = try Self.read(values, after: last, transaction) { key, data in
                        KeyValueRecord.append(key: Array(key), try StoredValue(data), to: &bytes)
                        return bytes.count < maximumBytes
                    }
                    live.place = last.map { .keys(after: $0) } ?? .history(after: nil)
                case .history(let last):
                    let floor = ChangePosition(revision: compacted)
                    let last = try Self.read(history, after: last, transaction) { _, data in
                        var rest = ByteReader(Array(UnsafeRawBufferPointer(data))[...], of: "a row of the history")
                        while !rest.rest.isEmpty {
                            let change = try KeyChange.takeBytes(&rest)
                            if change.position > floor { KeyValueRecord.append(change: change.bytes, to: &bytes) }
                        }
                        return bytes.count < maximumBytes
                    }
                    live.place = last.map { .history(after: $0) } ?? .end
                case .end: return bytes.isEmpty ? nil : bytes
                }
            }
            return bytes
        }
    }

    /// Gives `body` each row after `key`, or from the first on, until it returns false.
    ///
    /// - Returns: the key of the last one given; nil when there was none.
    private static func read(
        _ database: MDB_dbi, after key: [UInt8]?, _ transaction: OpaquePointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ data: MDB_val) throws -> Bool
    ) throws -> [UInt8]? {
        var cursor: OpaquePointer?
        try Environment.check(mdb_cursor_open(transaction, database, &cursor), "open a cursor")
        defer { mdb_cursor_close(cursor) }
        var found = MDB_val()
        var data = MDB_val()
        var code: Int32
        if let key {
            code = key.withUnsafeBytes { bound in
                var place = MDB_val(bound)
                let code = mdb_cursor_get(cursor, &place, &data, MDB_SET_RANGE)
                found = place
                return code
            }
            if code == 0, UnsafeRawBufferPointer(found).elementsEqual(key) {
                code = mdb_cursor_get(cursor, &found, &data, MDB_NEXT)
            }
        } else {
            code = mdb_cursor_get(cursor, &found, &data, MDB_FIRST)
        }
        var last: [UInt8]?
        while code != MDB_NOTFOUND {
            try Environment.check(code, "read the state")
            last = Array(UnsafeRawBufferPointer(found))
            guard try body(UnsafeRawBufferPointer(found), data) else { break }
            code = mdb_cursor_get(cursor, &found, &data, MDB_NEXT)
        }
        return last
    }
}
