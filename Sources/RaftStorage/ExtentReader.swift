internal import Raft

/// Collects the records of a range of entries out of extents.
struct ExtentReader {
    private let first: LogIndex
    private let last: LogIndex
    private let maximumBytes: Int
    private var records: [UInt8] = []
    private var isFull = false

    init(from first: LogIndex, through last: LogIndex, maximumBytes: Int) {
        self.first = first
        self.last = last
        self.maximumBytes = maximumBytes
    }

    /// - Throws: `.corrupt` when the disk does not hold what was written to it.
    static func read(
        _ extents: ArraySlice<Extent>, from first: LogIndex, through last: LogIndex, maximumBytes: Int
    ) throws(RaftError) -> EntryBatch {
        var reader = ExtentReader(from: first, through: last, maximumBytes: maximumBytes)
        for extent in extents {
            try reader.collect(extent)
            if reader.isFull { break }
        }
        let start = extents[extents.startIndex]
        let batch: EntryBatch
        do throws(MalformedRecords) {
            batch = try EntryBatch(parsing: reader.records)
        } catch {
            throw .corrupt(
                start.segment.file.path, at: start.bytes.lowerBound, "entries from index \(first): \(error)")
        }
        guard batch.firstIndex == first else {
            throw .corrupt(
                start.segment.file.path, at: start.bytes.lowerBound,
                "entry \(batch.first) where index \(first) was written")
        }
        return batch
    }

    private mutating func collect(_ extent: Extent) throws(RaftError) {
        let bytes = try extent.segment.file.bytes(extent.bytes)
        let path = extent.segment.file.path
        guard bytes.count == extent.bytes.count else {
            throw .corrupt(
                path, at: extent.bytes.lowerBound, "the file ends after \(bytes.count) of \(extent.bytes.count) bytes")
        }
        let limit = min(last, extent.last)
        switch extent.content {
        case .records:
            bytes.withUnsafeBytes { take($0, through: limit) }
        case .frames:
            var offset = 0
            while offset < bytes.count, !isFull {
                let frame = bytes.withUnsafeBytes { all -> Int? in
                    guard let header = FrameHeader(decoding: all.slice(offset..<all.count), seed: extent.segment.seed),
                        header.frameSize <= all.count - offset
                    else { return nil }
                    let payload = offset + FrameHeader.size
                    take(all.slice(payload..<(payload + header.payloadLength)), through: limit)
                    return header.frameSize
                }
                guard let frame else {
                    throw .corrupt(
                        path, at: extent.bytes.lowerBound + offset, "no valid frame header where one was written")
                }
                offset += frame
            }
        }
    }

    /// Adds those records of a payload that are wanted: a run of it, copied at once.
    private mutating func take(_ payload: UnsafeRawBufferPointer, through limit: LogIndex) {
        var walk = RecordWalk(payload)
        var run: Range<Int>?
        while let record = walk.next() {
            if record.id.index < first { continue }
            if record.id.index > limit {
                isFull = record.id.index > last
                break
            }
            let size = records.count + (run?.count ?? 0)
            if size > 0, size + record.range.count > maximumBytes {
                isFull = true
                break
            }
            run = (run?.lowerBound ?? record.range.lowerBound)..<record.range.upperBound
        }
        if let run { records.append(contentsOf: payload.slice(run)) }
    }
}
