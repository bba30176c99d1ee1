public import Raft

/// The incarnations of the other members, in the data directory: one small file, replaced as a whole.
public final class PeerFile: PeerMemory {
    private let path: String
    private let fileSystem: any FileSystem
    private let known: Lock<[NodeID: Incarnation]>

    private static let title = "swift-raft peers"
    private static let checksumName = "checksum "

    /// - Throws: `.corrupt` when the file is not as it was written; `.storage`.
    init(directory: String, fileSystem: any FileSystem) throws(RaftError) {
        path = directory + "/peers"
        self.fileSystem = fileSystem
        guard try fileSystem.kind(of: path) != nil else {
            known = Lock([:])
            return
        }
        let file = try fileSystem.open(path, .read)
        defer { file.close() }
        known = Lock(try Self.decode(try file.bytes(0..<(try file.size())), path: path))
    }

    /// How many members are remembered.
    var count: Int { known.withLock { $0.count } }

    public func incarnation(of node: NodeID) -> Incarnation? { known.withLock { $0[node] } }

    public func remember(_ incarnation: Incarnation, of node: NodeID) throws {
        // The write is under the lock: two peers that come at one moment must not replace each other.
        try known.withLock { known throws(RaftError) in
            var next = known
            next[node] = incarnation
            if !Mutant.isOn("peers-not-kept") { try fileSystem.replace(path, with: Self.encode(next)) }
            known = next
        }
    }

    private static func encode(_ known: [NodeID: Incarnation]) -> [UInt8] {
        let lines = known.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined()
        let text = "\(title)\n\(lines)"
        let checksum = Array(text.utf8).withUnsafeBytes { Format.checksum($0) }
        return Array("\(text)\(checksumName)\(checksum.hex)\n".utf8)
    }

    private static func decode(_ bytes: [UInt8], path: String) throws(RaftError) -> [NodeID: Incarnation] {
        let corrupt = RaftError(
            .corrupt,
            "\(path): the file is not as it was written. Nothing was changed. Restore it from a backup, or copy the incarnations of the other members from their identity files."
        )
        guard let text = String(validating: bytes, as: UTF8.self) else { throw corrupt }
        let lines = text.split(separator: "\n")
        guard lines.first == title[...], lines.count >= 2 else { throw corrupt }
        var known: [NodeID: Incarnation] = [:]
        for line in lines[1..<(lines.count - 1)] {
            let fields = line.split(separator: " ")
            guard fields.count == 2, let node = UInt64(fields[0]), let life = UInt64(fields[1], radix: 16) else {
                throw corrupt
            }
            known[NodeID(node)] = Incarnation(rawValue: life)
        }
        guard encode(known) == bytes else { throw corrupt }
        return known
    }
}

extension DataDirectory {
    /// What this node remembers of its peers.
    ///
    /// - Throws: `.corrupt`, `.storage`.
    public func peers() throws(RaftError) -> PeerFile { try PeerFile(directory: path, fileSystem: fileSystem) }
}
