internal import NIOCore

/// What frames amount to, once put together.
enum Incoming: Hashable {
    case settings(PeerSettings)
    case request(stream: UInt32, method: UInt16, isStreaming: Bool, timeoutMilliseconds: UInt32, [UInt8])
    case response(stream: UInt32, [UInt8])
    case message(stream: UInt32, isUrgent: Bool, [UInt8])
    case status(stream: UInt32, RPCStatus)
    case finish(stream: UInt32)
    case cancel(stream: UInt32)
    case credit(stream: UInt32, UInt32)
    case ping(UInt64)
    case pong(UInt64)
    case goaway(through: UInt32, RPCStatus)
}

/// What each side tells the other of its limits, first of all.
struct PeerSettings: Hashable {
    var maximumMessageBytes: UInt32
    var maximumCalls: UInt32
    var streamCredit: UInt32

    /// 16 bytes: three limits, and a zero for later.
    var head: [UInt8] {
        [maximumMessageBytes, maximumCalls, streamCredit, 0].flatMap { Wire.bytes($0) }
    }
}

/// Little-endian bytes of what stands before messages.
enum Wire {
    static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian, Array.init)
    }

    /// Code, a zero byte, length of the text, the text; the details follow to the end of the frame.
    static func statusHead(_ status: RPCStatus?) -> [UInt8] {
        guard let status else { return [0, 0, 0, 0] }
        let text = Array(status.message.utf8.prefix(RPCStatus.maximumMessageBytes))
        return [status.code.rawValue, 0] + bytes(UInt16(text.count)) + text
            + status.details.prefix(RPCStatus.maximumDetailBytes)
    }
}
