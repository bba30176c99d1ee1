internal import DequeModule
internal import NIOCore

/// What waits to be written to one connection, in the order in which it should leave.
///
/// First what is urgent; then small messages in their order, and beside them one part of a large message at a time,
/// the streams with large ones taking turns. So a heartbeat waits for at most what was already handed to the socket,
/// and a small answer never for a large one.
struct FrameQueue {
    /// A frame to be, cut into parts when it is large.
    struct Item {
        var type: FrameType
        var flags: FrameFlags = []
        var stream: UInt32
        var head = FrameHead.none
        var body: [UInt8] = []
        var sent = 0
        /// Not one byte has left yet.
        var isUntouched = true
        /// Leaves only once so many bytes of small frames have left: those of its own stream are among them.
        var afterSmall: UInt64 = 0
    }

    /// Messages up to this size are written in one piece.
    private static let smallBytes = 16_384
    private static let chunkBytes = 65_536

    private var urgent = ByteBuffer()
    private var small: Deque<ByteBuffer> = []
    private var large: [UInt32: Deque<Item>] = [:]
    private var ring: Deque<UInt32> = []
    private(set) var byteCount = 0
    /// How much was taken at once the last time: so much is likely to wait again.
    private var lastTaken = 0
    /// All bytes of small frames ever added and ever taken: tells what has left and what has not.
    private(set) var smallAdded: UInt64 = 0
    private(set) var smallTaken: UInt64 = 0

    var isEmpty: Bool { byteCount == 0 }
    var urgentBytes: Int { urgent.readableBytes }

    /// Adds a frame that overtakes everything.
    mutating func addUrgent(_ item: Item) {
        let before = urgent.readableBytes
        Self.write(item, to: &urgent)
        byteCount += urgent.readableBytes - before
    }

    /// Adds a frame behind everything of its stream.
    mutating func add(_ item: Item) {
        var item = item
        item.afterSmall = smallAdded
        let size = FrameHeader.size + item.head.count + item.body.count
        byteCount += size
        if !large.isEmpty, large[item.stream] != nil {
            large[item.stream]?.append(item)
        } else if Self.isLarge(item.body.count) {
            large[item.stream] = [item]
            ring.append(item.stream)
        } else {
            smallAdded += UInt64(size)
            // Only its size is looked at: a second reference to the chunk would make each write copy all of it.
            if let filled = small.last?.readableBytes, filled + size <= Self.chunkBytes {
                Self.write(item, to: &small[small.count - 1])
            } else {
                var chunk = ByteBuffer()
                chunk.reserveCapacity(small.isEmpty ? min(max(size, lastTaken), Self.chunkBytes) : Self.chunkBytes)
                Self.write(item, to: &chunk)
                small.append(chunk)
            }
        }
    }

    private static func write(_ item: Item, to buffer: inout ByteBuffer) {
        FrameHeader(
            length: item.head.count + item.body.count, type: item.type, flags: item.flags, stream: item.stream
        ).write(to: &buffer)
        item.head.write(to: &buffer)
        buffer.writeBytes(item.body)
    }

    static func isLarge(_ byteCount: Int) -> Bool { byteCount > smallBytes }

    /// Whether the large message of a stream has not begun to leave.
    func isUntouched(_ stream: UInt32) -> Bool { large[stream]?.first?.isUntouched ?? false }

    /// Forgets what a stream still had to say at length.
    mutating func drop(_ stream: UInt32) {
        guard !large.isEmpty, let items = large.removeValue(forKey: stream) else { return }
        for item in items {
            let left = item.head.count + item.body.count - item.sent + (item.isUntouched ? FrameHeader.size : 0)
            byteCount -= left
        }
        ring.removeAll { $0 == stream }
    }

    /// The next bytes to write, about `maximumBytes` of them; nil when nothing waits.
    mutating func take(maximumBytes: Int) -> ByteBuffer? {
        guard byteCount > 0 else { return nil }
        var result = urgent
        urgent = ByteBuffer()
        var taken = result.readableBytes
        while let chunk = small.first, taken == 0 || taken + chunk.readableBytes <= maximumBytes {
            small.removeFirst()
            taken += chunk.readableBytes
            smallTaken += UInt64(chunk.readableBytes)
            if result.readableBytes == 0 { result = chunk } else { result.writeImmutableBuffer(chunk) }
        }
        byteCount -= taken
        lastTaken = taken
        // At least one part, so that many small messages do not hold up a large one for ever.
        repeat {
            guard let turn = ring.firstIndex(where: { large[$0]?.first.map { $0.afterSmall <= smallTaken } ?? false })
            else { break }
            takePart(of: ring.remove(at: turn), into: &result)
        } while result.readableBytes < maximumBytes
        return result
    }

    private mutating func takePart(of stream: UInt32, into result: inout ByteBuffer) {
        guard var items = large.removeValue(forKey: stream), var item = items.popFirst() else { return }
        let head = item.isUntouched ? item.head.count : 0
        let bodySent = max(0, item.sent - item.head.count)
        let count = min(item.body.count - bodySent, FrameHeader.maximumPayload - head)
        FrameHeader(
            length: head + count, type: item.isUntouched ? item.type : .part, flags: item.isUntouched ? item.flags : [],
            stream: stream
        ).write(to: &result)
        if item.isUntouched {
            item.head.write(to: &result)
            byteCount -= FrameHeader.size
        }
        result.writeBytes(item.body[bodySent..<(bodySent + count)])
        byteCount -= head + count
        item.sent += head + count
        item.isUntouched = false
        if item.sent < item.head.count + item.body.count { items.prepend(item) }
        if !items.isEmpty {
            large[stream] = items
            ring.append(stream)
        }
    }
}
