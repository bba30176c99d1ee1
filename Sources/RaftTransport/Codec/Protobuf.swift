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
    public static func decode<Message, Result>(
        _ bytes: [UInt8], budget: Int = 1 << 20,
        unpack: (UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?) -> UnsafeMutablePointer<
            Message
        >?,
        _ body: (UnsafePointer<Message>) throws(RPCStatus) -> Result
    ) throws(RPCStatus) -> Result {
        try decode(bytes[...], budget: budget, unpack: unpack, body)
    }

    static func decode<Message, Result>(
        _ bytes: ArraySlice<UInt8>, budget: Int,
        unpack: (UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?) -> UnsafeMutablePointer<
            Message
        >?,
        _ body: (UnsafePointer<Message>) throws(RPCStatus) -> Result
    ) throws(RPCStatus) -> Result {
        var outcome: Swift.Result<Result, RPCStatus>?
        // Most messages fit in a chunk on the stack.
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 16) { chunk in
            var state = ProtobufArena.State(next: chunk.baseAddress, left: chunk.count, budget: budget)
            withUnsafeMutablePointer(to: &state) { state in
                defer { ProtobufArena.freeBlocks(state) }
                var allocator = ProtobufArena.allocator(state)
                let message = bytes.withContiguousStorageIfAvailable {
                    unpack(&allocator, $0.count, $0.baseAddress)
                }
                guard let message = message ?? nil else {
                    let reason =
                        state.pointee.isExceeded
                        ? "the message needs more than \(budget) bytes of memory" : "the message cannot be parsed"
                    outcome = .failure(RPCStatus(.invalidArgument, reason))
                    return
                }
                do throws(RPCStatus) {
                    outcome = .success(try body(UnsafePointer(message)))
                } catch {
                    outcome = .failure(error)
                }
            }
        }
        return try outcome!.get()
    }

    /// The packed bytes of a generated message (any struct that begins with `base`), with room for `reserve` more.
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
