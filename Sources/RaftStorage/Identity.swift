public import Raft

/// Whose a data directory is. Written once, when it is made.
public struct Identity: Hashable, Sendable {
    public let cluster: String
    public let node: NodeID
    public let incarnation: Incarnation

    public init(cluster: String, node: NodeID, incarnation: Incarnation) {
        self.cluster = cluster
        self.node = node
        self.incarnation = incarnation
    }

    private static let title = "swift-raft data directory"
    private static let formatName = "format "
    private static let checksumName = "checksum "

    /// The text of the identity file, readable for whoever looks for the owner of a directory.
    var encoded: [UInt8] {
        let text = """
            \(Self.title)
            \(Self.formatName)\(Format.version)
            cluster \(cluster)
            node \(node)
            incarnation \(incarnation)

            """
        let checksum = Array(text.utf8).withUnsafeBytes { Format.checksum($0) }
        return Array((text + Self.checksumName + checksum.hex + "\n").utf8)
    }

    /// - Throws: `.wrongDirectory` for a format that this program does not know, `.corrupt` for anything that is not
    ///   what ``encoded`` gives.
    init(decoding bytes: [UInt8], path: String) throws(RaftError) {
        func corrupt(_ reason: String) -> RaftError {
            RaftError(
                .corrupt,
                "\(path): \(reason). Nothing was changed. Restore the file from a backup, or: \(Format.cure)"
            )
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw corrupt("the file is not text") }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        func field(_ position: Int, _ name: String) throws(RaftError) -> Substring {
            guard lines.count > position, lines[position].hasPrefix(name) else {
                throw corrupt("line \(position + 1) does not begin with \"\(name)\"")
            }
            return lines[position].dropFirst(name.count)
        }
        _ = try field(0, Self.title)
        // Before the checksum: another format may have another one.
        let format = UInt32(try field(1, Self.formatName))
        if let format, format > Format.version {
            throw RaftError(
                .wrongDirectory,
                "\(path): the directory has format \(format), this program knows formats up to \(Format.version). Nothing was changed. Use the release that wrote it, or a newer one."
            )
        }
        let stored = try field(5, Self.checksumName)
        let covered = lines[..<5].reduce(0) { $0 + $1.utf8.count + 1 }
        let checksum = bytes.withUnsafeBytes { Format.checksum($0.slice(0..<covered)) }
        guard stored == checksum.hex else { throw corrupt("checksum \(stored) does not match \(checksum.hex)") }
        guard format == Format.version, let node = UInt64(try field(3, "node ")),
            let incarnation = UInt64(try field(4, "incarnation "), radix: 16)
        else { throw corrupt("the file has a field that is no number") }
        self.init(
            cluster: String(try field(2, "cluster ")), node: NodeID(node),
            incarnation: Incarnation(rawValue: incarnation))
        guard encoded == bytes else { throw corrupt("the file is not as it was written") }
    }
}
