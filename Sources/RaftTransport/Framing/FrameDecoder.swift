internal import NIOCore

/// Cuts a stream of bytes into frames, however the bytes were split on the way.
///
/// Holds at most one incomplete frame, whose length was checked before anything was kept for it.
struct FrameDecoder {
    private var bytes = ByteBuffer()

    mutating func append(_ more: inout ByteBuffer) {
        if bytes.readableBytes == 0 {
            bytes = more
        } else {
            bytes.discardReadBytes()
            bytes.writeBuffer(&more)
        }
    }

    /// The next whole frame, or nil when its end has not come yet.
    mutating func next() throws(MalformedFrame) -> Frame? {
        let start = bytes.readerIndex
        guard let low = bytes.getInteger(at: start, endianness: .little, as: UInt64.self),
            let high = bytes.getInteger(at: start + 8, endianness: .little, as: UInt64.self)
        else { return nil }
        let length = Int(UInt32(truncatingIfNeeded: low))
        guard length <= FrameHeader.maximumPayload else {
            throw MalformedFrame("frame of \(length) bytes; at most \(FrameHeader.maximumPayload) are allowed")
        }
        guard let type = FrameType(rawValue: UInt8(truncatingIfNeeded: low >> 32)) else {
            throw MalformedFrame("frame type \(UInt8(truncatingIfNeeded: low >> 32))")
        }
        let flags = FrameFlags(rawValue: UInt8(truncatingIfNeeded: low >> 40))
        guard flags.isSubset(of: .all), low >> 48 == 0 else {
            throw MalformedFrame("unknown flags \(low >> 40) in a frame of type \(type)")
        }
        let group = UInt32(truncatingIfNeeded: high)
        guard group == 0 else { throw MalformedFrame("group \(group); there is only group 0") }
        guard let payload = bytes.getSlice(at: start + FrameHeader.size, length: length) else { return nil }
        bytes.moveReaderIndex(forwardBy: FrameHeader.size + length)
        let header = FrameHeader(
            length: length, type: type, flags: flags, group: group, stream: UInt32(truncatingIfNeeded: high >> 32))
        return Frame(header: header, payload: payload)
    }
}
