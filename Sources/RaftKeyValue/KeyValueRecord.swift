internal import Raft
internal import RaftKeyValueModel

/// One record of a snapshot. A snapshot of key-value state begins with ``header``; then come how far its history goes
/// back, its leases and its keys in order, and the changes of its history in order. Each is (little-endian)
///
///     u8 1 · u32 length of the key · u32 length of the value · u64 revision · u64 created · u64 version
///          · u64 lease (0: none) · key · value
///     u8 2 · u32 length · a change
///     u8 3 · u64 through which revision the history is gone
///     u8 4 · u64 lease · u64 how many milliseconds it lives
///
/// The first byte says what the record is: one that a reader does not know is of a later version, and is refused.
enum KeyValueRecord {
    case key(KeyValue)
    case change(KeyChange)
    case compacted(UInt64)
    case lease(UInt64, milliseconds: UInt64)

    static let header = Array("RAFTKV03".utf8)
    /// Of keys without what they were created at and how often they were set, where nobody can say it now and members
    /// that begin at different snapshots would part ways; and of keys without leases.
    private static let earlierHeaders = ["RAFTKV01", "RAFTKV02"].map { Array($0.utf8) }
    private static let keyHeadSize = 41

    /// Writes how far the history goes back.
    static func append(compacted revision: UInt64, to bytes: inout [UInt8]) {
        bytes.append(3)
        bytes.put(revision)
    }

    static func append(lease id: UInt64, milliseconds: UInt64, to bytes: inout [UInt8]) {
        bytes.append(4)
        bytes.put(id)
        bytes.put(milliseconds)
    }

    /// Writes a change as it is stored: a snapshot has the whole history, and taking each change apart and putting it
    /// together again would cost more than applying it did.
    static func append(change stored: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(2)
        bytes.put(UInt32(stored.count))
        bytes.append(contentsOf: stored)
    }

    /// Writes a key as it is stored.
    static func append(key: [UInt8], _ stored: StoredValue, to bytes: inout [UInt8]) {
        bytes.append(1)
        bytes.put(UInt32(key.count))
        bytes.put(UInt32(stored.value.count))
        bytes.put(stored.revision)
        bytes.put(stored.created)
        bytes.put(stored.version)
        bytes.put(stored.lease)
        bytes += key
        bytes.append(contentsOf: stored.value)
    }

    /// - Throws: ``RaftError/Code/corrupt`` when the bytes do not begin as a snapshot of this version does.
    static func takeHeader(from bytes: inout [UInt8]) throws {
        if earlierHeaders.contains(where: { bytes.starts(with: $0) }) {
            throw RaftError(
                .corrupt,
                "the snapshot is of an earlier layout, which has no versions of keys; read its keys with the version of raft that wrote it, and put them into a new cluster"
            )
        }
        guard bytes.starts(with: header) else {
            throw RaftError(
                .corrupt, "the snapshot does not begin as key-value state does; is it of another state machine?")
        }
        bytes.removeFirst(header.count)
    }

    /// Takes whole records off the front of `bytes`; what is left is part of one.
    ///
    /// - Throws: ``RaftError/Code/corrupt`` for a record that cannot be.
    static func takeAll(from bytes: inout [UInt8], _ body: (KeyValueRecord) throws -> Void) throws {
        var rest = bytes[...]
        while let (record, count) = try take(rest) {
            try body(record)
            rest = rest.dropFirst(count)
        }
        bytes.removeFirst(bytes.count - rest.count)
    }

    /// The record that the bytes begin with, and how many it takes; nil when it is not whole yet.
    private static func take(_ bytes: ArraySlice<UInt8>) throws -> (KeyValueRecord, byteCount: Int)? {
        guard let tag = bytes.first else { return nil }
        var rest = ByteReader(bytes.dropFirst(), of: "key-value snapshot")
        switch tag {
        case 1:
            guard bytes.count >= keyHeadSize else { return nil }
            let (keyCount, valueCount) = (Int(try rest.take(UInt32.self)), Int(try rest.take(UInt32.self)))
            guard (1...KeyValueLimits.maximumKeyBytes).contains(keyCount), valueCount <= 1 << 26 else {
                throw RaftError(
                    .corrupt, "key-value snapshot: a key of \(keyCount) bytes with a value of \(valueCount)")
            }
            let byteCount = keyHeadSize + keyCount + valueCount
            guard bytes.count >= byteCount else { return nil }
            let (revision, created) = (try rest.take(UInt64.self), try rest.take(UInt64.self))
            let (version, lease) = (try rest.take(UInt64.self), try rest.take(UInt64.self))
            let key = Array(try rest.take(count: keyCount))
            let value = Array(try rest.take(count: valueCount))
            return (
                .key(
                    KeyValue(
                        key: key, value: value, revision: revision, created: created, version: version,
                        lease: lease == 0 ? nil : lease)), byteCount
            )
        case 2:
            guard bytes.count >= 5 else { return nil }
            let count = Int(try rest.take(UInt32.self))
            guard count <= 1 << 27 else {
                throw RaftError(.corrupt, "key-value snapshot: a change of \(count) bytes")
            }
            guard bytes.count >= 5 + count else { return nil }
            let changes = try KeyChange.all(decoding: try rest.take(count: count))
            guard let change = changes.first, changes.count == 1 else {
                throw RaftError(.corrupt, "key-value snapshot: \(changes.count) changes where one must be")
            }
            return (.change(change), 5 + count)
        case 3:
            guard bytes.count >= 9 else { return nil }
            return (.compacted(try rest.take(UInt64.self)), 9)
        case 4:
            guard bytes.count >= 17 else { return nil }
            return (.lease(try rest.take(UInt64.self), milliseconds: try rest.take(UInt64.self)), 17)
        default:
            throw RaftError(
                .corrupt,
                "key-value snapshot: a record of kind \(tag), which this version does not know; run the version that wrote it, or a later one"
            )
        }
    }
}
