internal import NIOCore

/// Turns frames into whole messages. A large message comes in parts, with other streams' frames between them.
///
/// Nothing is kept for what a frame *says* is coming, only for what came; and that, over all streams, is limited.
struct MessageAssembler {
    private struct Partial {
        var first: Incoming
        var total: Int
        var bytes: [UInt8]
    }

    private let limits: TransportLimits
    private var partials: [UInt32: Partial] = [:]
    private var heldBytes = 0

    init(limits: TransportLimits) { self.limits = limits }

    /// Forgets the unfinished message of a stream that is over.
    mutating func drop(_ stream: UInt32) {
        guard !partials.isEmpty, let partial = partials.removeValue(forKey: stream) else { return }
        heldBytes -= partial.bytes.count
    }

    /// - Returns: what the frame completes, if anything.
    mutating func take(_ frame: Frame) throws(MalformedFrame) -> Incoming? {
        let stream = frame.header.stream
        let type = frame.header.type
        let allowed: FrameFlags =
            switch type {
            case .message: .urgent
            case .request: .streaming
            default: []
            }
        guard frame.header.flags.isSubset(of: allowed) else { throw MalformedFrame("flags on a frame of type \(type)") }
        var payload = frame.payload
        switch type {
        case .settings, .ping, .pong, .goaway:
            guard stream == 0 else { throw MalformedFrame("frame of type \(type) on stream \(stream)") }
            return try Self.connectionFrame(type, &payload)
        default:
            guard stream != 0 else { throw MalformedFrame("frame of type \(type) on stream 0") }
        }
        switch type {
        case .request:
            guard let method: UInt16 = payload.readInteger(endianness: .little),
                let zero: UInt16 = payload.readInteger(endianness: .little), zero == 0,
                let timeout: UInt32 = payload.readInteger(endianness: .little)
            else { throw MalformedFrame("request without a head") }
            let isStreaming = frame.header.flags.contains(.streaming)
            return try begin(stream, &payload) {
                .request(
                    stream: stream, method: method, isStreaming: isStreaming, timeoutMilliseconds: timeout, $0)
            }
        case .response: return try begin(stream, &payload) { .response(stream: stream, $0) }
        case .message:
            let isUrgent = frame.header.flags.contains(.urgent)
            return try begin(stream, &payload, mustBeWhole: isUrgent) {
                .message(stream: stream, isUrgent: isUrgent, $0)
            }
        case .part: return try goOn(stream, &payload)
        case .status: return .status(stream: stream, try Self.status(&payload))
        case .finish, .cancel:
            guard payload.readableBytes == 0 else { throw MalformedFrame("bytes in a frame of type \(type)") }
            return type == .finish ? .finish(stream: stream) : .cancel(stream: stream)
        case .credit:
            guard payload.readableBytes == 4, let more: UInt32 = payload.readInteger(endianness: .little) else {
                throw MalformedFrame("credit of \(frame.header.length) bytes")
            }
            return .credit(stream: stream, more)
        case .settings, .ping, .pong, .goaway: return nil  // dealt with above
        }
    }

    private mutating func begin(
        _ stream: UInt32, _ payload: inout ByteBuffer, mustBeWhole: Bool = false, _ make: ([UInt8]) -> Incoming
    ) throws(MalformedFrame) -> Incoming? {
        guard let declared: UInt32 = payload.readInteger(endianness: .little) else {
            throw MalformedFrame("message without a length")
        }
        let total = Int(declared)
        guard total <= limits.maximumMessageBytes else {
            throw MalformedFrame("message of \(total) bytes; at most \(limits.maximumMessageBytes) are allowed")
        }
        guard payload.readableBytes <= total else {
            throw MalformedFrame("message of \(total) bytes comes with \(payload.readableBytes)")
        }
        let bytes = Array(payload.readableBytesView)
        if bytes.count == total { return make(bytes) }
        guard !mustBeWhole else { throw MalformedFrame("urgent message in parts") }
        guard partials[stream] == nil else { throw MalformedFrame("a message on stream \(stream) within another") }
        guard partials.count < limits.maximumCallsInFlight else {
            throw MalformedFrame("\(partials.count) unfinished messages")
        }
        partials[stream] = Partial(first: make([]), total: total, bytes: [])
        return try add(bytes[...], to: stream)
    }

    private mutating func goOn(_ stream: UInt32, _ payload: inout ByteBuffer) throws(MalformedFrame) -> Incoming? {
        // The rest of a message whose stream is over here: it was on its way when we said so.
        guard partials[stream] != nil else { return nil }
        guard payload.readableBytes > 0 else { throw MalformedFrame("empty part") }
        return try add(Array(payload.readableBytesView)[...], to: stream)
    }

    private mutating func add(_ bytes: ArraySlice<UInt8>, to stream: UInt32) throws(MalformedFrame) -> Incoming? {
        guard let slot = partials.index(forKey: stream) else { return nil }
        heldBytes += bytes.count
        guard heldBytes <= limits.maximumPartialBytes else {
            throw MalformedFrame("unfinished messages of \(heldBytes) bytes; at most \(limits.maximumPartialBytes)")
        }
        partials.values[slot].bytes.append(contentsOf: bytes)
        let held = partials.values[slot].bytes.count
        let total = partials.values[slot].total
        guard held <= total else { throw MalformedFrame("message of \(total) bytes comes with \(held)") }
        guard held == total else { return nil }
        heldBytes -= held
        let whole = partials.remove(at: slot).value
        return whole.first.with(whole.bytes)
    }

    private static func connectionFrame(
        _ type: FrameType, _ payload: inout ByteBuffer
    ) throws(MalformedFrame) -> Incoming {
        func word<T: FixedWidthInteger>(_: T.Type) throws(MalformedFrame) -> T {
            guard let value: T = payload.readInteger(endianness: .little) else {
                throw MalformedFrame("frame of type \(type) is too short")
            }
            return value
        }
        switch type {
        case .settings:
            let settings = PeerSettings(
                maximumMessageBytes: try word(UInt32.self), maximumCalls: try word(UInt32.self),
                streamCredit: try word(UInt32.self))
            return .settings(settings)  // what a later version adds behind is ignored
        case .ping: return .ping(try word(UInt64.self))
        case .pong: return .pong(try word(UInt64.self))
        default: return .goaway(through: try word(UInt32.self), try status(&payload))
        }
    }

    private static func status(_ payload: inout ByteBuffer) throws(MalformedFrame) -> RPCStatus {
        guard let code: UInt8 = payload.readInteger(), let zero: UInt8 = payload.readInteger(), zero == 0,
            let count: UInt16 = payload.readInteger(endianness: .little), count <= RPCStatus.maximumMessageBytes,
            let text = payload.readBytes(length: Int(count)), payload.readableBytes <= RPCStatus.maximumDetailBytes
        else { throw MalformedFrame("status that does not fit its frame") }
        // The text goes to logs and terminals here: a peer's control characters do not.
        let shown = text.map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: " ") : $0 }
        return RPCStatus(
            .init(rawValue: code), String(decoding: shown, as: UTF8.self), details: Array(payload.readableBytesView))
    }
}

extension Incoming {
    /// The same, with its bytes.
    fileprivate func with(_ bytes: [UInt8]) -> Incoming {
        switch self {
        case .request(let stream, let method, let isStreaming, let timeout, _):
            .request(
                stream: stream, method: method, isStreaming: isStreaming, timeoutMilliseconds: timeout, bytes)
        case .response(let stream, _): .response(stream: stream, bytes)
        case .message(let stream, let isUrgent, _): .message(stream: stream, isUrgent: isUrgent, bytes)
        default: self
        }
    }
}
