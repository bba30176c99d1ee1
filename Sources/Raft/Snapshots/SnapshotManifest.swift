internal import CChecksum

/// Names one snapshot for ever: the life of the node that built it, and a number that this life drew for it. Bytes of
/// two snapshots never mix, even when both end at the same entry.
public struct SnapshotID: Hashable, Sendable, CustomStringConvertible {
    public let builder: Incarnation
    public let number: UInt64
    public init(builder: Incarnation, number: UInt64) {
        self.builder = builder
        self.number = number
    }
    public var description: String { "\(builder)-\(String(number, radix: 16))" }
}

/// What a snapshot holds, without the state itself (Figure 13).
public struct SnapshotManifest: Hashable, Sendable {
    public var id: SnapshotID
    /// The last entry whose effect the state shows. The log goes on behind it.
    public var last: LogID
    /// The newest configuration at or before ``last``, and the entry that made it.
    public var configuration: ClusterConfiguration
    public var configurationID: LogID
    /// The checksum of the cluster's first entry: see ``Hello/bootstrap``.
    public var bootstrap: UInt64?
    /// How many bytes the state has, and their CRC-32C.
    public var byteCount: UInt64
    public var checksum: UInt32
    /// How many of the bytes, at the front, are the clients' sessions; the state machine's own state is the rest.
    public var sessionBytes: UInt64

    public init(
        id: SnapshotID, last: LogID, configuration: ClusterConfiguration, configurationID: LogID, bootstrap: UInt64?,
        byteCount: UInt64, checksum: UInt32, sessionBytes: UInt64 = 0
    ) {
        self.id = id
        self.last = last
        self.configuration = configuration
        self.configurationID = configurationID
        self.bootstrap = bootstrap
        self.byteCount = byteCount
        self.checksum = checksum
        self.sessionBytes = sessionBytes
    }
}

extension SnapshotManifest: CustomStringConvertible {
    /// For logs, such as `snapshot 0a…1f-3c through 5020@8 (734 bytes)`.
    public var description: String { "snapshot \(id) through \(last) (\(byteCount) bytes)" }
}

// MARK: - Bytes

extension SnapshotManifest {
    /// 1 where no client has a session, as before there were any; 2 with their bytes.
    private static let versions: (plain: UInt8, withSessions: UInt8) = (1, 2)

    /// The same bytes on every machine, on the wire and at the end of a snapshot's file (little-endian):
    ///
    ///     u8 version, 1 or 2 · u64 builder · u64 number · u64 term, u64 index of the last entry ·
    ///     u64 term, u64 index of the configuration entry · u8 1 if a bootstrap follows, else 0 · u64 bootstrap ·
    ///     u64 bytes of state · u32 their checksum · in version 2: u64 bytes of sessions, above 0 ·
    ///     the configuration, as in its entry
    public var encoded: [UInt8] {
        var bytes: [UInt8] = [sessionBytes == 0 ? Self.versions.plain : Self.versions.withSessions]
        func put<T: FixedWidthInteger>(_ value: T) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        put(id.builder.rawValue)
        put(id.number)
        put(last.term.rawValue)
        put(last.index.rawValue)
        put(configurationID.term.rawValue)
        put(configurationID.index.rawValue)
        put(UInt8(bootstrap == nil ? 0 : 1))
        put(bootstrap ?? 0)
        put(byteCount)
        put(checksum)
        if sessionBytes > 0 { put(sessionBytes) }
        bytes += configuration.encoded
        return bytes
    }

    /// - Throws: ``RaftError/Code/corrupt`` when the bytes are not exactly one manifest that can be.
    public init(decoding bytes: some Sequence<UInt8>) throws(RaftError) {
        var rest = ArraySlice(Array(bytes))
        func corrupt(_ reason: String) -> RaftError { RaftError(.corrupt, "snapshot manifest: \(reason)") }
        func take<T: FixedWidthInteger>(_: T.Type) throws(RaftError) -> T {
            let size = MemoryLayout<T>.size
            guard rest.count >= size else { throw corrupt("ends after \(rest.endIndex) bytes") }
            let value = rest.prefix(size).withUnsafeBytes { $0.loadUnaligned(as: T.self) }
            rest = rest.dropFirst(size)
            return T(littleEndian: value)
        }
        func takeID() throws(RaftError) -> LogID {
            let term = try take(UInt64.self)
            return LogID(term: Term(term), index: LogIndex(try take(UInt64.self)))
        }
        let version = try take(UInt8.self)
        guard version == Self.versions.plain || version == Self.versions.withSessions else {
            throw corrupt("version \(version), this program knows 1 and 2")
        }
        let builder = Incarnation(rawValue: try take(UInt64.self))
        id = SnapshotID(builder: builder, number: try take(UInt64.self))
        last = try takeID()
        configurationID = try takeID()
        let hasBootstrap = try take(UInt8.self)
        let mark = try take(UInt64.self)
        guard hasBootstrap <= 1, hasBootstrap == 1 || mark == 0 else { throw corrupt("bootstrap \(hasBootstrap)") }
        bootstrap = hasBootstrap == 1 ? mark : nil
        byteCount = try take(UInt64.self)
        checksum = try take(UInt32.self)
        sessionBytes = version == Self.versions.withSessions ? try take(UInt64.self) : 0
        configuration = try ClusterConfiguration(decoding: rest)
        guard last.index > 0, last.index.rawValue < .max - 1 else { throw corrupt("it ends with entry \(last)") }
        guard configurationID.index <= last.index, configurationID.term <= last.term else {
            throw corrupt("its configuration is of entry \(configurationID), after its last, \(last)")
        }
        guard byteCount <= UInt64(Int64.max) else { throw corrupt("\(byteCount) bytes of state") }
        guard sessionBytes <= byteCount, (sessionBytes > 0) == (version == Self.versions.withSessions) else {
            throw corrupt("\(sessionBytes) bytes of sessions in \(byteCount)")
        }
    }
}

/// The checksum of snapshots and their chunks.
public enum SnapshotChecksum {
    /// CRC-32C of `bytes`, going on from that of the bytes before them.
    public static func of(_ bytes: ArraySlice<UInt8>, continuing crc: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { raft_crc32c(crc, $0.baseAddress, $0.count) }
    }
}
