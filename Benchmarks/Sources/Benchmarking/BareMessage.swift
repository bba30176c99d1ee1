internal import CBareFloors

/// What libprotobuf-c takes for a message of some numbers and one field of bytes, and what copying its bytes takes.
public struct BareMessage: Sendable {
    public var packedBytes: Int
    public var packNanoseconds: Double
    public var unpackNanoseconds: Double
    public var copyNanoseconds: Double

    /// - Parameters:
    ///   - numbers: at most eight.
    ///   - bodyBytes: how long the field of bytes is.
    ///   - rounds: how often each is done; the means count.
    public static func measure(_ numbers: [UInt64], bodyBytes: Int, rounds: Int) throws -> BareMessage {
        precondition(numbers.count <= Int(BARE_MESSAGE_NUMBERS))
        var times = bare_message_times()
        guard bare_message_measure(numbers, numbers.count, bodyBytes, rounds, &times) == 0 else {
            throw BenchmarkError("libprotobuf-c could not unpack what it had packed, or memory ran out")
        }
        return BareMessage(
            packedBytes: times.packed_bytes, packNanoseconds: times.pack_nanoseconds,
            unpackNanoseconds: times.unpack_nanoseconds, copyNanoseconds: times.copy_nanoseconds)
    }
}
