/// One row of the table of sessions, for a state machine with files of its own: it keeps `value` under `key`, or
/// removes what is there when that is nil. It need not know what they mean.
public struct SessionRecord: Hashable, Sendable {
    /// 8 or 16 bytes, in the order of sessions and their commands.
    public let key: [UInt8]
    public let value: [UInt8]?

    public init(key: [UInt8], value: [UInt8]?) {
        self.key = key
        self.value = value
    }

    /// A session, or one of its commands.
    struct Key: Hashable, Comparable {
        var session: SessionID
        var sequence: UInt64?

        static func < (a: Key, b: Key) -> Bool {
            if a.session != b.session { return a.session < b.session }
            guard let second = b.sequence else { return false }
            return a.sequence.map { $0 < second } ?? true
        }

        var bytes: [UInt8] {
            var bytes: [UInt8] = []
            bytes.put(session.rawValue.byteSwapped)
            if let sequence { bytes.put(sequence.byteSwapped) }
            return bytes
        }

        init(session: SessionID, sequence: UInt64?) {
            self.session = session
            self.sequence = sequence
        }

        init(_ bytes: [UInt8]) throws(RaftError) {
            var rest = ByteReader(bytes[...], of: "session key")
            session = SessionID(try rest.take(UInt64.self).byteSwapped)
            sequence = rest.rest.isEmpty ? nil : try rest.take(UInt64.self).byteSwapped
            try rest.end()
        }
    }

    init(key: Key, value: [UInt8]?) { self.init(key: key.bytes, value: value) }
}

// MARK: - Bytes

// Of a session (little-endian): u64 last active · u64 lowest · u32 replies, u32 reply bytes at most.
// Of a command: u64 term, u64 index · u8 1 when the reply follows, 2 when it was dropped · reply.

extension SessionTable {
    func value(of key: SessionRecord.Key) -> [UInt8]? {
        guard let session = sessions[key.session] else { return nil }
        guard let sequence = key.sequence else { return session.encoded }
        let position = session.position(of: sequence)
        guard position < session.records.count, session.records[position].sequence == sequence else { return nil }
        return session.records[position].encoded
    }

    /// Every row, in order.
    var records: [SessionRecord] {
        sessions.sorted { $0.key < $1.key }.flatMap { id, session in
            [SessionRecord(key: .init(session: id, sequence: nil), value: session.encoded)]
                + session.records.map {
                    SessionRecord(key: .init(session: id, sequence: $0.sequence), value: $0.encoded)
                }
        }
    }

    /// - Throws: ``RaftError/Code/corrupt`` when these are not the rows of one table, in order.
    init(_ records: [SessionRecord]) throws(RaftError) {
        func corrupt(_ reason: String) -> RaftError { RaftError(.corrupt, "table of sessions: \(reason)") }
        var current: (id: SessionID, session: Session)?
        var last: SessionRecord.Key?
        for row in records {
            let key = try SessionRecord.Key(row.key)
            if let last, !(last < key) { throw corrupt("its rows are out of order at session \(key.session)") }
            last = key
            guard let value = row.value else { throw corrupt("a row without a value") }
            guard let sequence = key.sequence else {
                if let current { insert(current.session, current.id) }
                current = (key.session, try Session(decoding: value))
                continue
            }
            guard current?.id == key.session else {
                throw corrupt("a reply of session \(key.session), which is not in it")
            }
            let record = try Record(sequence, decoding: value)
            current!.session.records.append(record)
            if case .kept(let bytes) = record.reply { current!.session.replyBytes += bytes.count }
        }
        if let current { insert(current.session, current.id) }
    }

    private static let version: UInt8 = 1

    /// At the front of a snapshot's state: u8 version 1 · u32 count of rows · each row: u8 length of its key, key, u32
    /// length of its value, value. Equal tables have equal bytes. Empty for an empty table.
    var encoded: [UInt8] {
        if isEmpty { return [] }
        var bytes: [UInt8] = [Self.version]
        let rows = records
        bytes.put(UInt32(rows.count))
        for row in rows {
            bytes.append(UInt8(row.key.count))
            bytes += row.key
            bytes.put(UInt32(row.value?.count ?? 0))
            bytes += row.value ?? []
        }
        return bytes
    }

    /// - Throws: ``RaftError/Code/corrupt`` when the bytes are not exactly one table.
    init(decoding bytes: [UInt8]) throws(RaftError) {
        if bytes.isEmpty {
            self.init()
            return
        }
        var rest = ByteReader(bytes[...], of: "table of sessions")
        let version = try rest.take(UInt8.self)
        guard version == Self.version else {
            throw RaftError(.corrupt, "table of sessions: version \(version), this program knows \(Self.version)")
        }
        let count = try rest.take(UInt32.self)
        var rows: [SessionRecord] = []
        for _ in 0..<count {
            let key = Array(try rest.take(count: Int(try rest.take(UInt8.self))))
            rows.append(SessionRecord(key: key, value: Array(try rest.take(count: Int(try rest.take(UInt32.self))))))
        }
        try rest.end()
        try self.init(rows)
    }

    /// Equal for equal tables: what simulations compare.
    var digest: UInt64 {
        encoded.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }
}

extension SessionTable.Session {
    fileprivate var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.put(lastActive.rawValue)
        bytes.put(lowest)
        bytes.put(UInt32(clamping: maximumReplies))
        bytes.put(UInt32(clamping: maximumReplyBytes))
        return bytes
    }

    fileprivate init(decoding bytes: [UInt8]) throws(RaftError) {
        var rest = ByteReader(bytes[...], of: "session")
        lastActive = LogIndex(try rest.take(UInt64.self))
        lowest = try rest.take(UInt64.self)
        maximumReplies = Int(try rest.take(UInt32.self))
        maximumReplyBytes = Int(try rest.take(UInt32.self))
        try rest.end()
    }
}

extension SessionTable.Record {
    fileprivate var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.put(id.term.rawValue)
        bytes.put(id.index.rawValue)
        switch reply {
        case .kept(let reply):
            bytes.append(1)
            bytes += reply
        case .dropped, .pending: bytes.append(2)
        }
        return bytes
    }

    fileprivate init(_ sequence: UInt64, decoding bytes: [UInt8]) throws(RaftError) {
        var rest = ByteReader(bytes[...], of: "reply of a session")
        let term = Term(try rest.take(UInt64.self))
        self.init(
            sequence: sequence, id: LogID(term: term, index: LogIndex(try rest.take(UInt64.self))), reply: .dropped)
        switch try rest.take(UInt8.self) {
        case 1: reply = .kept(Array(rest.rest))
        case 2: try rest.end()
        case let tag: throw RaftError(.corrupt, "reply of a session: tag \(tag)")
        }
    }
}
