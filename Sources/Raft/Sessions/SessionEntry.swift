/// How much a session may take. Travels in the entry that registers it, so that every node counts alike, whatever its
/// own settings are.
struct SessionLimits: Hashable, Sendable {
    /// The most sessions at a time: one more ends the one that was silent for longest.
    var sessions: UInt32
    /// The most commands of the session that are remembered: one more is refused until some are acknowledged.
    var replies: UInt32
    /// The most bytes of their replies: above it those of the lowest numbers are dropped.
    var replyBytes: UInt32
}

/// What an entry of kind `.session` does.
enum SessionOrder: Hashable, Sendable {
    /// Begins a session; its id is the entry's index.
    case register(SessionLimits)
    /// The client is there, and has the replies below this number.
    case keepAlive(SessionID, lowestUnanswered: UInt64)
    case close(SessionID)
    /// Ends the session unless an entry behind this one has spoken of it. When a leader proposes this is up to its
    /// clock; whether it happens is up to the log.
    case expire(SessionID, unheardSince: LogIndex)

    private static let size = 17

    /// A tag of one byte and two numbers (little-endian); 13 bytes for a registration.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        switch self {
        case .register(let limits):
            bytes.append(1)
            bytes.put(limits.sessions)
            bytes.put(limits.replies)
            bytes.put(limits.replyBytes)
        case .keepAlive(let session, let lowest):
            bytes.append(2)
            bytes.put(session.rawValue)
            bytes.put(lowest)
        case .close(let session):
            bytes.append(3)
            bytes.put(session.rawValue)
        case .expire(let session, let index):
            bytes.append(4)
            bytes.put(session.rawValue)
            bytes.put(index.rawValue)
        }
        return bytes
    }

    /// - Throws: ``RaftError/Code/corrupt`` for anything else. Nodes that understood an entry differently would part
    ///   ways silently.
    init(decoding payload: ArraySlice<UInt8>) throws(RaftError) {
        var rest = ByteReader(payload, of: "session entry")
        switch try rest.take(UInt8.self) {
        case 1:
            self = .register(
                SessionLimits(
                    sessions: try rest.take(UInt32.self), replies: try rest.take(UInt32.self),
                    replyBytes: try rest.take(UInt32.self)))
        case 2: self = .keepAlive(SessionID(try rest.take(UInt64.self)), lowestUnanswered: try rest.take(UInt64.self))
        case 3: self = .close(SessionID(try rest.take(UInt64.self)))
        case 4:
            self = .expire(
                SessionID(try rest.take(UInt64.self)), unheardSince: LogIndex(try rest.take(UInt64.self)))
        case let tag:
            throw RaftError(
                .corrupt, "session entry with tag \(tag), which this version does not know; run the one that wrote it")
        }
        try rest.end()
    }
}

/// The front of an entry of kind `.sessionCommand`: session, sequence and lowest unanswered number, 8 bytes each
/// (little-endian). The command follows.
extension SessionRequest {
    static let headerSize = 24

    func encode(into bytes: inout [UInt8]) {
        bytes.put(session.rawValue)
        bytes.put(sequence)
        bytes.put(lowestUnanswered)
    }

    /// - Throws: ``RaftError/Code/corrupt`` when there are fewer bytes than a header has.
    init(decoding payload: ArraySlice<UInt8>) throws(RaftError) {
        var rest = ByteReader(payload, of: "session command")
        self.init(
            session: SessionID(try rest.take(UInt64.self)), sequence: try rest.take(UInt64.self),
            lowestUnanswered: try rest.take(UInt64.self))
    }
}

extension [UInt8] {
    /// Adds a number, little-endian. Compiled where it is called, as all of ``ByteReader``: a number whose type is not
    /// known costs twenty times as much.
    @inlinable
    package mutating func put<T: FixedWidthInteger>(_ value: T) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

/// Takes numbers off the front of bytes from a disk or a peer.
@usableFromInline
package struct ByteReader {
    /// Taken from by its own calls only; not private, since those are compiled where they are called.
    @usableFromInline package var rest: ArraySlice<UInt8>
    private let what: String

    package init(_ bytes: ArraySlice<UInt8>, of what: String) {
        rest = bytes
        self.what = what
    }

    private func corrupt(_ reason: String) -> RaftError { RaftError(.corrupt, "\(what): \(reason)") }

    @usableFromInline
    func tooShort(_ count: Int) -> RaftError { corrupt("\(rest.count) bytes are left where \(count) must be") }

    @inlinable
    package mutating func take<T: FixedWidthInteger>(_: T.Type) throws(RaftError) -> T {
        let size = MemoryLayout<T>.size
        guard rest.count >= size else { throw tooShort(size) }
        defer { rest = rest.dropFirst(size) }
        return T(littleEndian: rest.withUnsafeBytes { $0.loadUnaligned(as: T.self) })
    }

    @inlinable
    package mutating func take(count: Int) throws(RaftError) -> ArraySlice<UInt8> {
        guard rest.count >= count else { throw tooShort(count) }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    /// - Throws: when something is left.
    package func end() throws(RaftError) {
        guard rest.isEmpty else { throw corrupt("\(rest.count) bytes too many") }
    }
}
