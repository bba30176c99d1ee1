internal import NIOCore

/// What a frame is for. The numbers are the wire's.
enum FrameType: UInt8 {
    /// The first frame of each side: its limits.
    case settings = 1
    /// Opens a stream: method, timeout, and the request (the first part of it).
    case request = 2
    /// The answer of a unary call, or the first part of it. Ends the stream.
    case response = 3
    /// A message of a streaming call, or the first part of it.
    case message = 4
    /// The next part of the message that this stream is in the middle of.
    case part = 5
    /// Ends a stream, well (code 0) or not.
    case status = 6
    /// The caller sends no more messages.
    case finish = 7
    /// The caller wants no answer any more. Ends the stream.
    case cancel = 8
    /// So many more bytes of messages may be sent on this stream.
    case credit = 9
    case ping = 10
    case pong = 11
    /// No new streams are taken; says through which one they were.
    case goaway = 12
}

struct FrameFlags: OptionSet, Hashable {
    let rawValue: UInt8
    /// A whole message that overtook bulk of its stream and uses no credit.
    static let urgent = FrameFlags(rawValue: 1)
    /// With ``FrameType/request``: opens a bidirectional stream.
    static let streaming = FrameFlags(rawValue: 2)
    static let all: FrameFlags = [.urgent, .streaming]
}

/// The head of each frame, 16 bytes, little-endian:
///
///     offset  0  u32  length of the payload behind the header
///             4  u8   type
///             5  u8   flags
///             6  u16  zero
///             8  u32  group (0: this cluster's only group)
///            12  u32  stream, chosen by the caller, rising; 0 for the connection itself
struct FrameHeader: Hashable {
    static let size = 16
    /// Longer messages travel in parts, so that something urgent waits for one part at most.
    static let maximumPayload = 65_536

    var length: Int
    var type: FrameType
    var flags: FrameFlags = []
    var group: UInt32 = 0
    var stream: UInt32

    func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(
            UInt64(UInt32(length)) | UInt64(type.rawValue) << 32 | UInt64(flags.rawValue) << 40, endianness: .little)
        buffer.writeInteger(UInt64(group) | UInt64(stream) << 32, endianness: .little)
    }
}

/// What stands in a frame before the message: little-endian numbers, or what is written seldom enough to be an array.
enum FrameHead: Hashable {
    case none
    /// 4 bytes: the length of the message behind it, or another number.
    case number(UInt32)
    /// 12 bytes: method, two zero bytes, timeout in milliseconds (0: none), length of the request.
    case request(method: UInt16, timeoutMilliseconds: UInt32, count: UInt32)
    case bytes([UInt8])

    static func length(of message: [UInt8]) -> FrameHead { .number(UInt32(message.count)) }

    var count: Int {
        switch self {
        case .none: 0
        case .number: 4
        case .request: 12
        case .bytes(let bytes): bytes.count
        }
    }

    func write(to buffer: inout ByteBuffer) {
        switch self {
        case .none: break
        case .number(let number): buffer.writeInteger(number, endianness: .little)
        case .request(let method, let timeout, let count):
            buffer.writeInteger(UInt64(method) | UInt64(timeout) << 32, endianness: .little)
            buffer.writeInteger(count, endianness: .little)
        case .bytes(let bytes): buffer.writeBytes(bytes)
        }
    }
}

struct Frame: Hashable {
    var header: FrameHeader
    var payload: ByteBuffer
}

/// Bytes that are no frame, or a frame that has no place where it came. The connection ends; the reason is for the log
/// and for the other side, which has shown a good certificate.
struct MalformedFrame: Error, Hashable, CustomStringConvertible {
    var reason: String
    init(_ reason: String) { self.reason = reason }
    var description: String { reason }
}
