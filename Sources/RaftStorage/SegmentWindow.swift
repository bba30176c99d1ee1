internal import Raft

/// Reads a segment through a buffer of bounded size: a mebibyte, or one frame where that is larger.
struct SegmentWindow {
    private static let windowBytes = 1 << 20

    let segment: Segment
    private var buffer: [UInt8] = []
    private var start = 0
    /// From here on the segment is known to be all zero.
    private var zeroFrom = Int.max

    init(_ segment: Segment) { self.segment = segment }

    /// Calls `body` with the bytes of `range`, all of which the segment has.
    mutating func withBytes<Result>(
        _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(RaftError) -> Result {
        if range.lowerBound < start || range.upperBound > start + buffer.count {
            start = range.lowerBound
            let end = min(segment.size, max(range.upperBound, start + Self.windowBytes))
            buffer = try segment.file.bytes(start..<end)
            guard buffer.count == end - start else {
                throw .corrupt(segment.file.path, at: start + buffer.count, "the file ends before offset \(end)")
            }
        }
        return buffer.withUnsafeBytes { body($0.slice((range.lowerBound - start)..<(range.upperBound - start))) }
    }

    /// Whether the segment holds only zeros from `offset` on.
    mutating func isZero(from offset: Int) throws(RaftError) -> Bool {
        if offset >= zeroFrom { return true }
        var position = offset
        while position < segment.size {
            let end = min(segment.size, position + (position == offset ? 8 : Self.windowBytes))
            guard try withBytes(position..<end, Sectors.isZero) else { return false }
            position = end
        }
        zeroFrom = offset
        return true
    }

    /// The frame at `offset`: its header, nil unless it is valid and the frame fits, and what is wrong, nil if nothing.
    mutating func frame(at offset: Int) throws(RaftError) -> (header: FrameHeader?, damage: String?) {
        guard offset + FrameHeader.frameSize(payload: 0) <= segment.size else {
            return (nil, "bytes that are no frame, at the end of the segment")
        }
        let seed = segment.seed
        let header = try withBytes(offset..<(offset + FrameHeader.size)) { FrameHeader(decoding: $0, seed: seed) }
        guard let header, header.segment == segment.number, header.frameSize <= segment.size - offset else {
            return (nil, "no valid frame header")
        }
        let damage = try withBytes(offset..<(offset + header.frameSize)) { frame -> String? in
            let payload = FrameHeader.size..<(FrameHeader.size + header.payloadLength)
            let trailer = FrameHeader.size + FrameHeader.paddedLength(header.payloadLength)
            let chain = FrameHeader.chain(seed: seed, before: header.chainBefore, payload: frame.slice(payload))
            guard chain == header.chain else {
                return "checksum \(header.chain.hex) of \(header.payloadLength) bytes does not match \(chain.hex)"
            }
            let isClosed =
                frame.word32(trailer) == FrameHeader.trailerMagic && frame.word32(trailer + 4) == chain
                && Sectors.isZero(frame.slice(payload.upperBound..<trailer))
            return isClosed ? nil : "the frame of \(header.frameSize) bytes does not end as one"
        }
        return (header, damage)
    }

    /// Returns if what stands at `offset` is what a crash left of a write that was never acknowledged.
    ///
    /// - Throws: `.corrupt` if it may be something else.
    mutating func classify(
        _ header: FrameHeader?, at offset: Int, damage: String, nextIndex: LogIndex
    ) throws(RaftError) {
        func corrupt(_ reason: String) -> RaftError {
            .corrupt(
                segment.file.path, at: offset,
                "\(damage); \(reason); entries from index \(nextIndex) are unreadable here")
        }
        let searchFrom: Int
        var isTorn: Bool
        if let header {
            searchFrom = offset + header.frameSize
            isTorn = try withBytes(offset..<searchFrom) { Sectors.provesTorn($0, header: header, frameAt: offset) }
        } else {
            searchFrom = offset + 8
            isTorn = try withBytes(offset..<min(offset + 2 * Format.sectorSize, segment.size)) {
                Sectors.headerIsTorn($0, frameAt: offset)
            }
            // No frame, however short, ends before these zeros, and none in them.
            if !isTorn, offset + FrameHeader.frameSize(payload: 0) <= segment.size {
                isTorn = try isZero(from: offset + FrameHeader.size)
            }
        }
        if Mutant.isOn("damage-is-the-end") { return }
        if let next = try validHeader(from: searchFrom) { throw corrupt("a valid frame follows at offset \(next)") }
        if header != nil, try !isZero(from: searchFrom) {
            throw corrupt("the bytes from offset \(searchFrom) on are no frame")
        }
        guard isTorn || Mutant.isOn("suspect-end-is-torn") else {
            throw corrupt("no sector of it is missing, so it may have been complete, and acknowledged, before")
        }
    }

    private mutating func validHeader(from first: Int) throws(RaftError) -> Int? {
        let seed = segment.seed
        var offset = first
        while offset + FrameHeader.size <= segment.size {
            let end = min(segment.size, offset + Self.windowBytes)
            let found = try withBytes(offset..<end) { bytes -> Int? in
                if Sectors.isZero(bytes) { return nil }
                var position = 0
                while position + FrameHeader.size <= bytes.count {
                    if bytes.word32(position) == FrameHeader.magic,
                        FrameHeader(decoding: bytes.slice(position..<bytes.count), seed: seed) != nil
                    {
                        return position
                    }
                    position += 8
                }
                return nil
            }
            if let found { return offset + found }
            if end == segment.size { return nil }
            // The windows overlap by a header, which must not be missed between two.
            offset = end - FrameHeader.size
            offset -= (offset - first) % 8
        }
        return nil
    }
}
