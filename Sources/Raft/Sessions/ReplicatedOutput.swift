/// What a command gave back, as bytes that are kept in the replicated state until the client of a session has them.
///
/// As with ``ReplicatedCommand``, whatever was ever encoded must stay decodable, and equal outputs must have equal
/// bytes on every node.
public protocol ReplicatedOutput: Sendable {
    /// Writes the output behind what `bytes` holds.
    func encode(into bytes: inout [UInt8])
    /// - Throws: when the bytes are not an output.
    init(decoding bytes: ArraySlice<UInt8>) throws
}

extension ReplicatedOutput where Self: FixedWidthInteger {
    /// Little-endian.
    public func encode(into bytes: inout [UInt8]) {
        withUnsafeBytes(of: littleEndian) { bytes.append(contentsOf: $0) }
    }
    public init(decoding bytes: ArraySlice<UInt8>) throws {
        var rest = ByteReader(bytes, of: "output")
        self = try rest.take(Self.self)
        try rest.end()
    }
}

extension Int: ReplicatedOutput {}
extension Int64: ReplicatedOutput {}
extension UInt64: ReplicatedOutput {}
extension Int32: ReplicatedOutput {}
extension UInt32: ReplicatedOutput {}

extension Bool: ReplicatedOutput {
    public func encode(into bytes: inout [UInt8]) { bytes.append(self ? 1 : 0) }
    public init(decoding bytes: ArraySlice<UInt8>) throws {
        var rest = ByteReader(bytes, of: "output")
        self = try rest.take(UInt8.self) != 0
        try rest.end()
    }
}

extension String: ReplicatedOutput {
    public func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: utf8) }
    public init(decoding bytes: ArraySlice<UInt8>) throws { self = String(decoding: bytes, as: UTF8.self) }
}

extension [UInt8]: ReplicatedOutput {
    public func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: self) }
    public init(decoding bytes: ArraySlice<UInt8>) throws { self = Array(bytes) }
}

extension Optional: ReplicatedOutput where Wrapped: ReplicatedOutput {
    public func encode(into bytes: inout [UInt8]) {
        bytes.append(self == nil ? 0 : 1)
        self?.encode(into: &bytes)
    }
    public init(decoding bytes: ArraySlice<UInt8>) throws {
        var rest = ByteReader(bytes, of: "output")
        self = try rest.take(UInt8.self) == 0 ? nil : Wrapped(decoding: rest.rest)
    }
}

/// Turns a machine's outputs into bytes and back, for machines whose outputs can be kept.
struct OutputCodec<Output: Sendable>: Sendable {
    let encode: @Sendable (Output) -> [UInt8]
    let decode: @Sendable ([UInt8]) throws -> Output

    /// Nil for outputs that are no ``ReplicatedOutput``: such a machine has no sessions, on any node.
    static var found: OutputCodec? {
        guard let type = Output.self as? any ReplicatedOutput.Type else { return nil }
        return make(type)
    }

    private static func make<Known: ReplicatedOutput>(_: Known.Type) -> OutputCodec {
        OutputCodec(
            encode: { output in
                var bytes: [UInt8] = []
                (output as? Known)?.encode(into: &bytes)
                return bytes
            },
            decode: { bytes in
                guard let output = try Known(decoding: bytes[...]) as? Output else {
                    throw RaftError(.corrupt, "a reply of \(bytes.count) bytes that is no \(Output.self)")
                }
                return output
            })
    }
}
