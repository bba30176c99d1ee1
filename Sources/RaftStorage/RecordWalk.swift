internal import Raft

/// Steps over entry records (see ``EntryRecord``) without copying them. Their checksums are not looked at: whoever
/// hands entries on parses them into an ``EntryBatch``, and a start relies on the frame's.
struct RecordWalk {
    struct Record {
        var id: LogID
        /// The raw value of an ``EntryKind``.
        var kind: UInt8
        /// Where the whole record lies.
        var range: Range<Int>
        var payload: Range<Int> { (range.lowerBound + EntryRecord.headerSize)..<range.upperBound }
    }

    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    /// The next record, or nil when no whole one is left.
    mutating func next() -> Record? {
        let left = bytes.count - offset
        guard left >= EntryRecord.headerSize else { return nil }
        let length = Int(bytes.word32(offset + 4))
        guard length <= left - EntryRecord.headerSize else { return nil }
        let start = offset
        offset += EntryRecord.headerSize + length
        return Record(
            id: LogID(term: Term(bytes.word64(start + 16)), index: LogIndex(bytes.word64(start + 8))),
            kind: bytes[start + 28], range: start..<offset)
    }
}
