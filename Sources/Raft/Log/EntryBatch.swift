internal import CChecksum

/// What an entry is for.
public enum EntryKind: UInt8, Sendable {
    /// The no-op with which a leader opens its term (§8).
    case blank = 0
    /// A command of the state machine.
    case command = 1
    /// A ``ClusterConfiguration``.
    case configuration = 2
    /// A command of a client's session: a ``SessionRequest`` in front of it.
    case sessionCommand = 3
    /// Something about a session itself: it begins, is still there, or ends.
    case session = 4

    /// Entries of this kind are seldom: a batch remembers whether it may hold one.
    fileprivate var flag: UInt8 {
        switch self {
        case .blank, .command: 0
        case .configuration: 1
        case .sessionCommand, .session: 2
        }
    }
}

/// One *entry record*, byte for byte the same in memory, on every disk and on the wire (little-endian):
///
///     offset  0  u32  CRC-32C of everything after it, payload included
///             4  u32  payload length
///             8  u64  index
///            16  u64  term
///            24  u32  group (0: this cluster's only group)
///            28  u8   kind
///            29  u8   record version, 1
///            30  u16  zero
///            32  payload
public enum EntryRecord {
    /// Bytes before the payload.
    public static let headerSize = 32
    static let version: UInt8 = 1

    /// Writes one record behind what `bytes` holds.
    @inline(__always)
    static func append(
        to bytes: inout [UInt8], group: UInt32, kind: EntryKind, id: LogID, payload: UnsafeRawBufferPointer
    ) {
        let start = bytes.count
        withUnsafeTemporaryAllocation(byteCount: headerSize, alignment: 8) { header in
            header.storeBytes(of: 0, toByteOffset: 0, as: UInt32.self)
            header.storeBytes(of: UInt32(payload.count).littleEndian, toByteOffset: 4, as: UInt32.self)
            header.storeBytes(of: id.index.rawValue.littleEndian, toByteOffset: 8, as: UInt64.self)
            header.storeBytes(of: id.term.rawValue.littleEndian, toByteOffset: 16, as: UInt64.self)
            header.storeBytes(of: group.littleEndian, toByteOffset: 24, as: UInt32.self)
            header.storeBytes(of: kind.rawValue, toByteOffset: 28, as: UInt8.self)
            header.storeBytes(of: version, toByteOffset: 29, as: UInt8.self)
            header.storeBytes(of: 0, toByteOffset: 30, as: UInt16.self)
            bytes.append(contentsOf: UnsafeRawBufferPointer(header))
        }
        bytes.append(contentsOf: payload)
        bytes.withUnsafeMutableBytes { all in
            let body = all[(start + 4)...]
            let crc = raft_crc32c(0, UnsafeRawBufferPointer(rebasing: body).baseAddress, body.count)
            all.storeBytes(of: crc.littleEndian, toByteOffset: start, as: UInt32.self)
        }
    }
}

/// Why bytes are not a run of entry records.
public struct MalformedRecords: Error, Hashable, Sendable, CustomStringConvertible {
    /// Where in the bytes the first bad record begins.
    public let offset: Int
    public let reason: String
    public var description: String { "entry record at offset \(offset): \(reason)" }
}

/// A run of entries with consecutive indexes and terms that never fall, kept as their records.
///
/// A value: slices share the bytes. The records are encoded once, by the leader that accepted the commands, and go as
/// they are to its disk, to every peer, and to every peer's disk.
public struct EntryBatch: Sendable {
    /// Whole records, back to back; a slice of a batch uses part of them.
    private let storage: [UInt8]
    /// Where each record of `storage` begins, and the end of the last one.
    private let offsets: [UInt32]
    /// Which of the records in `storage` belong to this batch.
    private let records: Range<Int>
    /// Which seldom kinds some record of `storage` has: lets almost every batch go unsearched.
    private let flags: UInt8

    private init(storage: [UInt8], offsets: [UInt32], records: Range<Int>, flags: UInt8) {
        self.storage = storage
        self.offsets = offsets
        self.records = records
        self.flags = flags
    }

    private func slice(_ records: Range<Int>) -> EntryBatch {
        EntryBatch(storage: storage, offsets: offsets, records: records, flags: flags)
    }

    /// The configuration entries among these, in order.
    public var configurations: [Entry] {
        guard flags & EntryKind.configuration.flag != 0 else { return [] }
        return (0..<count).map { self[$0] }.filter { $0.kind == .configuration }
    }

    /// Whether it may hold entries of sessions; false only if it holds none.
    var mayHoldSessions: Bool { flags & EntryKind.session.flag != 0 }

    /// How many entries; never 0.
    public var count: Int { records.count }
    /// The records' bytes.
    public var bytes: ArraySlice<UInt8> {
        storage[Int(offsets[records.lowerBound])..<Int(offsets[records.upperBound])]
    }
    public var byteCount: Int { Int(offsets[records.upperBound] - offsets[records.lowerBound]) }
    public var firstIndex: LogIndex { id(at: 0).index }
    public var lastIndex: LogIndex { firstIndex.advanced(by: count - 1) }
    public var first: LogID { id(at: 0) }
    public var last: LogID { id(at: count - 1) }

    private func id(at position: Int) -> LogID {
        let start = Int(offsets[records.lowerBound + position])
        return storage.withUnsafeBytes { all in
            LogID(
                term: Term(UInt64(littleEndian: all.loadUnaligned(fromByteOffset: start + 16, as: UInt64.self))),
                index: LogIndex(UInt64(littleEndian: all.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self))))
        }
    }

    /// One entry, by its position in the batch.
    public subscript(position: Int) -> Entry {
        let start = Int(offsets[records.lowerBound + position])
        let end = Int(offsets[records.lowerBound + position + 1])
        return Entry(
            id: id(at: position), kind: kind(at: position), payload: storage[(start + EntryRecord.headerSize)..<end])
    }

    /// What the entry at this position of the batch is for.
    public func kind(at position: Int) -> EntryKind {
        EntryKind(rawValue: storage[Int(offsets[records.lowerBound + position]) + 28]) ?? .blank
    }

    /// The entries from `index` on, or nil when none is left. Clamps below.
    public func suffix(from index: LogIndex) -> EntryBatch? {
        let drop = index.distance(above: firstIndex)
        guard drop < count else { return nil }
        guard drop > 0 else { return self }
        return slice((records.lowerBound + drop)..<records.upperBound)
    }

    /// The entries through `index`, or nil when none is left. Clamps above.
    public func prefix(through index: LogIndex) -> EntryBatch? {
        guard index >= firstIndex else { return nil }
        let keep = min(count, index.distance(above: firstIndex) + 1)
        guard keep < count else { return self }
        return slice(records.lowerBound..<(records.lowerBound + keep))
    }

    /// The longest prefix of at most `maximumBytes`, but always at least one entry.
    public func prefix(maximumBytes: Int) -> EntryBatch {
        let start = Int(offsets[records.lowerBound])
        guard byteCount > maximumBytes else { return self }
        // The last record whose end is within the limit, by bisection.
        var low = records.lowerBound + 1
        var high = records.upperBound
        while low < high {
            let middle = (low + high + 1) / 2
            if Int(offsets[middle]) - start <= maximumBytes { low = middle } else { high = middle - 1 }
        }
        return slice(records.lowerBound..<low)
    }

    /// Checks and takes over bytes from the network or the disk.
    ///
    /// - Throws: ``MalformedRecords`` unless `bytes` is one or more whole records of `group`, each with a correct
    ///   checksum, a known kind and version, an index one above the record before it (and above 0), and a term that
    ///   does not fall.
    public init(parsing bytes: [UInt8], group: UInt32 = 0) throws(MalformedRecords) {
        var offsets: [UInt32] = []
        var offset = 0
        var previous: LogID?
        var flags: UInt8 = 0
        var failure: MalformedRecords?
        guard bytes.count <= Int(UInt32.max) else {
            throw MalformedRecords(offset: 0, reason: "\(bytes.count) bytes are more than a batch can hold")
        }
        bytes.withUnsafeBytes { all in
            while offset < all.count {
                switch EntryBatch.check(all, at: offset, group: group, after: previous) {
                case .success(let record):
                    offsets.append(UInt32(offset))
                    flags |= record.flag
                    offset = record.end
                    previous = record.id
                case .failure(let error):
                    failure = error
                    return
                }
            }
        }
        if let failure { throw failure }
        guard !offsets.isEmpty else { throw MalformedRecords(offset: 0, reason: "no record") }
        offsets.append(UInt32(offset))
        self.init(
            storage: bytes, offsets: offsets, records: 0..<(offsets.count - 1), flags: flags)
    }

    private static func check(
        _ all: UnsafeRawBufferPointer, at offset: Int, group: UInt32, after previous: LogID?
    ) -> Result<(id: LogID, end: Int, flag: UInt8), MalformedRecords> {
        func bad(_ reason: String) -> Result<(id: LogID, end: Int, flag: UInt8), MalformedRecords> {
            .failure(MalformedRecords(offset: offset, reason: reason))
        }
        func word32(_ at: Int) -> UInt32 {
            UInt32(littleEndian: all.loadUnaligned(fromByteOffset: offset + at, as: UInt32.self))
        }
        func word64(_ at: Int) -> UInt64 {
            UInt64(littleEndian: all.loadUnaligned(fromByteOffset: offset + at, as: UInt64.self))
        }
        let left = all.count - offset
        guard left >= EntryRecord.headerSize else { return bad("\(left) bytes are fewer than a header") }
        let length = Int(word32(4))
        guard length <= left - EntryRecord.headerSize else {
            return bad("payload of \(length) bytes, \(left - EntryRecord.headerSize) are left")
        }
        let end = offset + EntryRecord.headerSize + length
        let body = UnsafeRawBufferPointer(rebasing: all[(offset + 4)..<end])
        let crc = raft_crc32c(0, body.baseAddress, body.count)
        guard crc == word32(0) else {
            return bad("checksum \(String(word32(0), radix: 16)) does not match \(String(crc, radix: 16))")
        }
        guard all[offset + 29] == EntryRecord.version else { return bad("record version \(all[offset + 29])") }
        guard let kind = EntryKind(rawValue: all[offset + 28]) else { return bad("entry kind \(all[offset + 28])") }
        guard kind != .sessionCommand || length >= SessionRequest.headerSize else {
            return bad("a session's command of \(length) bytes")
        }
        guard word32(24) == group else { return bad("group \(word32(24)), expected \(group)") }
        let id = LogID(term: Term(word64(16)), index: LogIndex(word64(8)))
        guard id.index > 0, id.index.rawValue < .max else { return bad("index \(id.index)") }
        if let previous {
            guard id.index == previous.index.next else { return bad("index \(id.index) after \(previous.index)") }
            guard id.term >= previous.term else { return bad("term \(id.term) after \(previous.term)") }
        }
        return .success((id, end, kind.flag))
    }

    /// Collects entries of one term into a batch.
    public struct Builder: ~Copyable {
        private var storage: [UInt8] = []
        private var offsets: [UInt32] = []
        /// Of every entry that is added.
        public let term: Term
        /// Which Raft group the entries belong to; 0 where there is one.
        public let group: UInt32
        private var nextIndex: LogIndex
        private var flags: UInt8 = 0

        /// - Parameters:
        ///   - first: the index of the first entry that is added.
        ///   - bytes: room to be kept for so many bytes.
        ///   - count: room to be kept for so many entries.
        public init(first: LogIndex, term: Term, group: UInt32 = 0, reservingBytes bytes: Int = 0, count: Int = 0) {
            nextIndex = first
            self.term = term
            self.group = group
            storage.reserveCapacity(bytes)
            offsets.reserveCapacity(count + 1)
        }

        /// How many entries were added, and how many bytes their records have.
        public var count: Int { offsets.count }
        public var byteCount: Int { storage.count }

        /// Adds the next entry and returns its index.
        @discardableResult
        public mutating func append(_ kind: EntryKind, _ payload: [UInt8]) -> LogIndex {
            let index = nextIndex
            offsets.append(UInt32(storage.count))
            payload.withUnsafeBytes {
                EntryRecord.append(
                    to: &storage, group: group, kind: kind, id: LogID(term: term, index: index), payload: $0)
            }
            flags |= kind.flag
            nextIndex = index.next
            return index
        }

        /// The batch, or nil when nothing was added.
        public consuming func finish() -> EntryBatch? {
            guard !offsets.isEmpty else { return nil }
            offsets.append(UInt32(storage.count))
            return EntryBatch(
                storage: storage, offsets: offsets, records: 0..<(offsets.count - 1), flags: flags)
        }
    }
}

extension EntryBatch: Equatable {
    public static func == (a: EntryBatch, b: EntryBatch) -> Bool { a.bytes == b.bytes }
}

/// One entry, as read from a batch.
public struct Entry: Hashable, Sendable {
    public let id: LogID
    public let kind: EntryKind
    public let payload: ArraySlice<UInt8>
}
