public import CProtobufC

/// Packing and unpacking of generated messages, bounded and without a malloc for each field.
public enum Protobuf {
    /// Unpacks a message and gives it to `body`; it is valid only in there.
    ///
    /// - Parameters:
    ///   - budget: the most memory that the unpacked message may take.
    ///   - unpack: the generated function, such as `raft__peer__v1__hello__unpack`.
    /// - Throws: `invalidArgument` when the bytes are not such a message or need more than the budget; what `body`
    ///   throws.
    @inlinable
    public static func decode<Message, Result>(
        _ bytes: [UInt8], budget: Int = 1 << 20,
        unpack: (UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?) -> UnsafeMutablePointer<
            Message
        >?,
        _ body: (UnsafePointer<Message>) throws(RPCStatus) -> Result
    ) throws(RPCStatus) -> Result {
        try decode(bytes[...], budget: budget, unpack: unpack, body)
    }

    // Inlined where it is called, since there the types are known; what is alike for all of them is `unpacked`.
    @inlinable
    static func decode<Message, Result>(
        _ bytes: ArraySlice<UInt8>, budget: Int,
        unpack: (UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?) -> UnsafeMutablePointer<
            Message
        >?,
        _ body: (UnsafePointer<Message>) throws(RPCStatus) -> Result
    ) throws(RPCStatus) -> Result {
        var outcome = Swift.Result<Result, RPCStatus>.failure(RPCStatus(.internal, "nothing was unpacked"))
        try unpacked(bytes, budget: budget) {
            UnsafeMutableRawPointer(unpack($0, $1, $2))
        } _: { message in
            do throws(RPCStatus) {
                outcome = .success(try body(UnsafePointer(message.assumingMemoryBound(to: Message.self))))
            } catch {
                outcome = .failure(error)
            }
        }
        return try outcome.get()
    }

    /// Gives `body` the message, or throws.
    @usableFromInline
    static func unpacked(
        _ bytes: ArraySlice<UInt8>, budget: Int,
        _ unpack: (UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?) -> UnsafeMutableRawPointer?,
        _ body: (UnsafeMutableRawPointer) -> Void
    ) throws(RPCStatus) {
        var refusal: RPCStatus?
        // Most messages fit in a chunk on the stack.
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 16) { chunk in
            var state = ProtobufArena.State(next: chunk.baseAddress, left: chunk.count, budget: budget)
            withUnsafeMutablePointer(to: &state) { state in
                defer { ProtobufArena.freeBlocks(state) }
                var allocator = ProtobufArena.allocator(state)
                let message = bytes.withUnsafeBufferPointer { unpack(&allocator, $0.count, $0.baseAddress) }
                guard let message else {
                    let reason =
                        state.pointee.isExceeded
                        ? "the message needs more than \(budget) bytes of memory" : "the message cannot be parsed"
                    refusal = RPCStatus(.invalidArgument, reason)
                    return
                }
                body(message)
            }
        }
        if let refusal { throw refusal }
    }

    /// The packed bytes of a generated message (any struct that begins with `base`), with room for `reserve` more.
    @inlinable
    public static func encode<Message>(_ message: Message, reserve: Int = 0) -> [UInt8] {
        withUnsafePointer(to: message) { pointer in
            let base = UnsafeRawPointer(pointer).assumingMemoryBound(to: ProtobufCMessage.self)
            let size = protobuf_c_message_get_packed_size(base)
            return [UInt8](unsafeUninitializedCapacity: size + reserve) { buffer, count in
                count = size == 0 ? 0 : protobuf_c_message_pack(base, buffer.baseAddress)
            }
        }
    }

    /// A copy of a bytes field.
    public static func bytes(_ field: ProtobufCBinaryData) -> [UInt8] {
        field.len == 0 ? [] : Array(UnsafeBufferPointer(start: field.data, count: field.len))
    }

    /// A copy of a string field. Invalid UTF-8 is repaired.
    public static func string(_ field: UnsafePointer<CChar>?) -> String { field.map { String(cString: $0) } ?? "" }
}
