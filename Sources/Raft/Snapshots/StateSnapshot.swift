/// A state machine's state at one moment, to be written as bytes while the machine goes on.
public struct StateSnapshot: Sendable {
    /// Hands bytes to the snapshot, which they become in this order.
    public typealias Sink = (ArraySlice<UInt8>) throws -> Void
    private let body: @Sendable (Sink) throws -> Void

    /// - Parameter write: called at most once, on another thread than the machine's; it must see the state as it was
    ///   when the snapshot was taken, and rethrow what the sink throws: nobody wants the snapshot any more then. It is
    ///   let go of when it is no longer needed, called or not.
    public init(_ write: @escaping @Sendable (Sink) throws -> Void) { body = write }

    /// Writes all of it. Throws what the machine or the sink throws.
    public func write(to sink: Sink) throws { try body(sink) }
}

/// The bytes of a snapshot, front to back, for a machine that takes over its state.
public struct SnapshotContents {
    private let reader: any SnapshotReader
    private let pieceBytes: Int
    private var offset: UInt64 = 0
    private var checksum: UInt32 = 0
    /// What was read already and is to come next.
    private var held: [UInt8] = []

    /// - Parameters:
    ///   - reader: whose bytes are given out.
    ///   - pieceBytes: how many at a time, at most.
    public init(_ reader: any SnapshotReader, pieceBytes: Int = 1 << 20) {
        self.reader = reader
        self.pieceBytes = pieceBytes
    }

    /// The next bytes; nil at the end.
    ///
    /// - Throws: when they are not what was written; with the last bytes also when the whole is not.
    public mutating func next() throws -> [UInt8]? {
        if !held.isEmpty {
            defer { held = [] }
            return held
        }
        guard offset < reader.manifest.byteCount else {
            try reader.manifest.check(byteCount: offset, checksum: checksum)
            return nil
        }
        let bytes = try reader.read(at: offset, maximumBytes: pieceBytes)
        guard !bytes.isEmpty else {
            throw RaftError(
                .corrupt, "snapshot \(reader.manifest.id) ends at \(offset) of \(reader.manifest.byteCount) bytes")
        }
        offset += UInt64(bytes.count)
        checksum = SnapshotChecksum.of(bytes[...], continuing: checksum)
        return bytes
    }

    /// Takes the clients' sessions off the front, which are no business of the machine's.
    mutating func takeSessions() throws -> SessionTable {
        let count = Int(clamping: reader.manifest.sessionBytes)
        var bytes: [UInt8] = []
        while bytes.count < count, let piece = try next() { bytes += piece }
        held = Array(bytes.dropFirst(count))
        return try SessionTable(decoding: Array(bytes.prefix(count)))
    }

    /// Everything that is left, for a machine that decodes it at once.
    public mutating func all() throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(clamping: min(reader.manifest.byteCount - offset, 1 << 30)))
        while let piece = try next() { bytes += piece }
        return bytes
    }
}
