import NIOCore
import Testing

@testable import RaftTransport

@Suite("The frame queue")
struct FrameQueueTests {
    /// The frames in a run of bytes, as (type, stream, length).
    private func frames(_ buffer: ByteBuffer?) throws -> [String] {
        var decoder = FrameDecoder()
        var buffer = try #require(buffer)
        decoder.append(&buffer)
        var frames: [String] = []
        while let frame = try decoder.next() {
            frames.append("\(frame.header.type) \(frame.header.stream) \(frame.header.length)")
        }
        return frames
    }

    private func message(_ stream: UInt32, _ count: Int) -> FrameQueue.Item {
        .init(
            type: .message, stream: stream, head: .number(UInt32(count)), body: [UInt8](repeating: 1, count: count))
    }

    @Test("lets urgent frames overtake everything, and small messages a large one")
    func order() throws {
        var queue = FrameQueue()
        queue.add(message(1, 100_000))
        queue.add(message(2, 10))
        queue.addUrgent(.init(type: .ping, stream: 0, head: .bytes(Wire.bytes(UInt64(1)))))
        #expect(try frames(queue.take(maximumBytes: 1000)) == ["ping 0 8", "message 2 14", "message 1 65536"])
        queue.addUrgent(.init(type: .ping, stream: 0, head: .bytes(Wire.bytes(UInt64(2)))))
        #expect(try frames(queue.take(maximumBytes: 1000)) == ["ping 0 8", "part 1 34468"])
        #expect(queue.take(maximumBytes: 1000) == nil)
        #expect(queue.byteCount == 0)
    }

    @Test(
        "writes what stands before a message as little-endian numbers, and counts it as it is written",
        arguments: [
            (.none, []), (.number(0x0102_0304), [4, 3, 2, 1]),
            (
                .request(method: 0x0102, timeoutMilliseconds: 0x0304_0506, count: 0x0708_090a),
                [2, 1, 0, 0, 6, 5, 4, 3, 10, 9, 8, 7]
            ),
            (.bytes([9, 8, 7]), [9, 8, 7]), (.length(of: [UInt8](repeating: 0, count: 258)), [2, 1, 0, 0]),
        ] as [(FrameHead, [UInt8])])
    func heads(_ head: FrameHead, _ bytes: [UInt8]) {
        var buffer = ByteBuffer()
        head.write(to: &buffer)
        #expect(Array(buffer.readableBytesView) == bytes)
        #expect(head.count == bytes.count)
    }

    @Test("keeps the order within a stream, whatever the sizes")
    func streamOrder() throws {
        var queue = FrameQueue()
        queue.add(message(1, 10))
        queue.add(message(1, 70_000))
        queue.add(message(1, 20))
        queue.add(.init(type: .finish, stream: 1))
        var seen: [String] = []
        while let bytes = queue.take(maximumBytes: 1) { seen += try frames(bytes) }
        #expect(seen == ["message 1 14", "message 1 65536", "part 1 4468", "message 1 24", "finish 1 0"])
        #expect(queue.byteCount == 0)
    }

    @Test("lets a large message wait for the small ones of its stream, however many there are")
    func largeAfterSmall() throws {
        var queue = FrameQueue()
        for _ in 0..<20 { queue.add(message(1, 16_000)) }
        queue.add(message(1, 20_000))
        var seen: [String] = []
        while let bytes = queue.take(maximumBytes: 65_536) { seen += try frames(bytes) }
        #expect(seen.count == 21)
        #expect(seen.last == "message 1 20004")
    }

    @Test("lets large messages of several streams take turns")
    func turns() throws {
        var queue = FrameQueue()
        queue.add(message(1, 130_000))
        queue.add(message(2, 130_000))
        var seen: [String] = []
        while let bytes = queue.take(maximumBytes: 1) { seen += try frames(bytes) }
        #expect(
            seen == [
                "message 1 65536", "message 2 65536", "part 1 64468", "part 2 64468",
            ])
    }

    @Test("forgets what a stream had still to say, and counts right")
    func drop() throws {
        var queue = FrameQueue()
        queue.add(message(1, 130_000))
        queue.add(message(2, 5))
        #expect(queue.isUntouched(1))
        _ = queue.take(maximumBytes: 1)
        #expect(!queue.isUntouched(1))
        queue.drop(1)
        #expect(queue.byteCount == 0)
        #expect(queue.take(maximumBytes: 1) == nil)
    }
}
