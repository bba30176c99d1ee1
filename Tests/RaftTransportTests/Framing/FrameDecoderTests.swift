import NIOCore
import Testing

@testable import RaftTransport

@Suite("The frame decoder")
struct FrameDecoderTests {
    /// Frames of all kinds and sizes, and their bytes.
    static func sample() -> (frames: [Frame], bytes: [UInt8]) {
        var buffer = ByteBuffer()
        var frames: [Frame] = []
        for (type, stream, count) in [
            (FrameType.settings, UInt32(0), 16), (.request, 1, 40), (.ping, 0, 8), (.message, .max, 0), (.part, 7, 300),
        ] {
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 + count) }
            let header = FrameHeader(length: count, type: type, stream: stream)
            header.write(to: &buffer)
            buffer.writeBytes(payload)
            frames.append(Frame(header: header, payload: ByteBuffer(bytes: payload)))
        }
        return (frames, Array(buffer.readableBytesView))
    }

    static func decode(_ pieces: [ArraySlice<UInt8>]) throws -> [Frame] {
        var decoder = FrameDecoder()
        var frames: [Frame] = []
        for piece in pieces {
            var buffer = ByteBuffer(bytes: piece)
            decoder.append(&buffer)
            while let frame = try decoder.next() { frames.append(frame) }
        }
        return frames
    }

    @Test("finds the same frames wherever the bytes were split")
    func everySplit() throws {
        let (frames, bytes) = Self.sample()
        for split in 0...bytes.count {
            #expect(try Self.decode([bytes[..<split], bytes[split...]]) == frames, "split at \(split)")
        }
        #expect(try Self.decode(bytes.indices.map { bytes[$0...$0] }) == frames)
    }

    @Test("gives nothing of a frame that was cut off", arguments: 1...16)
    func truncated(missing: Int) throws {
        let (frames, bytes) = Self.sample()
        #expect(try Self.decode([bytes[..<(bytes.count - missing)]]) == Array(frames.dropLast()))
    }

    /// A good header with some bytes replaced.
    private func header(_ changes: [Int: UInt8]) -> [UInt8] {
        var buffer = ByteBuffer()
        FrameHeader(length: 0, type: .ping, stream: 0).write(to: &buffer)
        var bytes = Array(buffer.readableBytesView)
        for (position, value) in changes { bytes[position] = value }
        return bytes
    }

    @Test(
        "refuses a header that is none, before its payload has come",
        arguments: [
            [3: 0xff] as [Int: UInt8], [0: 1, 2: 1], [3: 0x80], [4: 0], [4: 13], [4: 255], [5: 4], [5: 0x80], [6: 1],
            [7: 1], [8: 1], [11: 0xff],
        ])
    func malformed(changes: [Int: UInt8]) {
        #expect(throws: MalformedFrame.self) { try Self.decode([header(changes)[...]]) }
    }

    @Test("takes the longest payload there may be, and none that is longer")
    func lengths() throws {
        var buffer = ByteBuffer()
        FrameHeader(length: 65_536, type: .part, stream: 1).write(to: &buffer)
        buffer.writeRepeatingByte(7, count: 65_536)
        #expect(try Self.decode([Array(buffer.readableBytesView)[...]]).first?.payload.readableBytes == 65_536)
        #expect(throws: MalformedFrame.self) { try Self.decode([header([0: 1, 2: 1])[...]]) }
    }
}
