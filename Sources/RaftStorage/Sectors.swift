#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// What zeros say about sectors, the unit that a disk writes whole or not at all.
enum Sectors {
    /// Whether every byte is zero.
    static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = bytes.first else { return true }
        // Equal to itself shifted by one, and the first is zero: so all are.
        return first == 0
            && (bytes.count == 1 || memcmp(bytes.baseAddress!, bytes.baseAddress! + 1, bytes.count - 1) == 0)
    }

    /// Whether a sector that lies in `range` of the frame entirely is all zero.
    ///
    /// - Parameter offset: where in its segment the frame begins.
    static func hasZeroSector(_ frame: UnsafeRawBufferPointer, within range: Range<Int>, frameAt offset: Int) -> Bool {
        let size = Format.sectorSize
        var start = (offset + range.lowerBound + size - 1) / size * size - offset
        while start + size <= range.upperBound {
            // Nearly every sector is told by its first bytes.
            if frame.word64(start) == 0, isZero(frame.slice(start..<(start + size))) { return true }
            start += size
        }
        return false
    }

    /// Whether a frame with a valid header cannot have been written whole: its last 8 bytes, or all of its bytes in one
    /// sector, are zero, and the sector is none of those that the header's flag says may be.
    static func provesTorn(_ frame: UnsafeRawBufferPointer, header: FrameHeader, frameAt offset: Int) -> Bool {
        let size = Format.sectorSize
        let payload = FrameHeader.size..<(FrameHeader.size + FrameHeader.paddedLength(header.payloadLength))
        if isZero(frame.slice((header.frameSize - FrameHeader.trailerSize)..<header.frameSize)) { return true }
        var start = 0
        while start < header.frameSize {
            let end = min((offset + start) / size * size + size - offset, header.frameSize)
            let mayBeZero = header.hasZeroSector && payload.contains(start) && end <= payload.upperBound
            if !mayBeZero, isZero(frame.slice(start..<end)) { return true }
            start = end
        }
        return false
    }

    /// Whether what stands where a header should be is what a crash leaves of one: the part of it in one sector, with
    /// all that follows there, is zero. The first and the last 8 bytes of a header never are.
    ///
    /// - Parameter bytes: at least two sectors from where the frame begins, or as much as the segment has.
    static func headerIsTorn(_ bytes: UnsafeRawBufferPointer, frameAt offset: Int) -> Bool {
        let size = Format.sectorSize
        let firstEnd = min(offset / size * size + size - offset, bytes.count)
        if isZero(bytes.slice(0..<firstEnd)) { return true }
        guard firstEnd < FrameHeader.size else { return false }
        return isZero(bytes.slice(firstEnd..<min(firstEnd + size, bytes.count)))
    }
}
