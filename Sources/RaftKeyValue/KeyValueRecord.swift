internal import Raft
internal import RaftKeyValueModel

/// One record of a snapshot. A snapshot of key-value state begins with ``header``; then come its keys in order, each
/// (little-endian)
///
///     u8 1 · u32 length of the key · u32 length of the value · u64 revision · u64 created · u64 version · key · value
///
/// The first byte says what the record is: one that a reader does not know is of a later version, and is refused.
enum KeyValueRecord {
    static let header = Array("RAFTKV02".utf8)
    /// Of keys without what they were created at and how often they were set: from these nobody can say it now, and
    /// members that begin at different snapshots would part ways.
    private static let earlierHeader = Array("RAFTKV01".utf8)
    static let headSize = 33
    private static let keyTag: UInt8 = 1

    static func append(key: [UInt8], _ stored: StoredValue, to bytes: inout [UInt8]) {
        bytes.append(keyTag)
        bytes.put(UInt32(key.count))
        bytes.put(UInt32(stored.value.count))
        bytes.put(stored.revision)
        bytes.put(stored.created)
        bytes.put(stored.version)
        bytes += key
        bytes.append(contentsOf: stored.value)
    }

    /// - Throws: ``RaftError/Code/corrupt`` when the bytes do not begin as a snapshot of this version does.
    static func takeHeader(from bytes: inout [UInt8]) throws {
        if bytes.starts(with: earlierHeader) {
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
    /// - Throws: ``RaftError/Code/corrupt`` for a key or a value that cannot be.
    static func takeAll(from bytes: inout [UInt8], _ body: (KeyValue) throws -> Void) throws {
        var offset = 0
        while bytes.count - offset >= headSize {
            var head = ByteReader(bytes[offset..<(offset + headSize)], of: "key-value snapshot")
            let tag = try head.take(UInt8.self)
            guard tag == keyTag else {
                throw RaftError(
                    .corrupt,
                    "key-value snapshot: a record of kind \(tag), which this version does not know; run the version that wrote it, or a later one"
                )
            }
            let keyCount = Int(try head.take(UInt32.self))
            let valueCount = Int(try head.take(UInt32.self))
            guard (1...KeyValueLimits.maximumKeyBytes).contains(keyCount), valueCount <= 1 << 26 else {
                throw RaftError(
                    .corrupt, "key-value snapshot: a key of \(keyCount) bytes with a value of \(valueCount)")
            }
            let start = offset + headSize
            let end = start + keyCount + valueCount
            guard end <= bytes.count else { break }
            try body(
                KeyValue(
                    key: Array(bytes[start..<(start + keyCount)]), value: Array(bytes[(start + keyCount)..<end]),
                    revision: try head.take(UInt64.self), created: try head.take(UInt64.self),
                    version: try head.take(UInt64.self)))
            offset = end
        }
        bytes.removeFirst(offset)
    }
}
