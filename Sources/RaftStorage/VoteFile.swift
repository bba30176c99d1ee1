internal import Raft

/// Term and vote on disk, twice, in different sectors of different 4 KiB blocks (little-endian):
///
///     offset 0 and 4096  u64  "RAFTVOTE"
///                     8  u32  CRC-32C of bytes 12 ..< 48
///                    12  u32  format version, 1
///                    16  u64  generation: which change this is
///                    24  u64  the directory's incarnation
///                    32  u64  current term
///                    40  u64  voted for, 0 for nobody
///
/// A change is written and synced to the first copy, then to the second: at any moment one of them is whole.
struct VoteFile {
    private static let magic: UInt64 = 0x4554_4F56_5446_4152  // "RAFTVOTE"
    private static let copySize = 48
    private static let offsets = [0, 4096]
    private static let fileSize = 8192

    private struct Copy: Equatable {
        var generation: UInt64
        var state: HardState
    }

    private let file: any FileHandle
    private let incarnation: Incarnation
    private var current: Copy

    /// What is durable.
    var state: HardState { current.state }

    private init(file: any FileHandle, incarnation: Incarnation, current: Copy) {
        self.file = file
        self.incarnation = incarnation
        self.current = current
    }

    /// Makes the file of a new directory. The caller syncs the directory.
    static func create(
        _ path: String, state: HardState = HardState(), incarnation: Incarnation, fileSystem: any FileSystem
    ) throws(RaftError) {
        let file = try fileSystem.open(path, .createEmpty)
        defer { file.close() }
        var bytes = [UInt8](repeating: 0, count: fileSize)
        let copy = encode(Copy(generation: 1, state: state), incarnation)
        for offset in offsets { bytes.replaceSubrange(offset..<(offset + copySize), with: copy) }
        try file.write(bytes, at: 0)
        try file.sync()
    }

    /// Reads the newest whole copy and makes sure that both hold it, durably.
    ///
    /// - Throws: `.corrupt` when neither copy is whole.
    static func open(
        _ path: String, incarnation: Incarnation, fileSystem: any FileSystem
    ) throws(RaftError) -> VoteFile {
        let file = try existing(path, .readWrite, fileSystem)
        do throws(RaftError) {
            return try recover(file, incarnation)
        } catch {
            file.close()
            throw error
        }
    }

    /// What the newest whole copy says, and whether both copies say it. Looks only.
    ///
    /// - Throws: as ``open(_:incarnation:fileSystem:)``.
    static func inspect(
        _ path: String, incarnation: Incarnation, fileSystem: any FileSystem
    ) throws(RaftError) -> (state: HardState, isWhole: Bool) {
        let file = try existing(path, .read, fileSystem)
        defer { file.close() }
        let (copies, newest) = try copies(in: file, incarnation)
        return (newest.state, copies.allSatisfy { $0 == newest })
    }

    private static func existing(
        _ path: String, _ mode: OpenMode, _ fileSystem: any FileSystem
    ) throws(RaftError) -> any FileHandle {
        guard try fileSystem.kind(of: path) == .file else {
            throw lost(path, "the file with term and vote is missing")
        }
        return try fileSystem.open(path, mode)
    }

    private static func copies(
        in file: any FileHandle, _ incarnation: Incarnation
    ) throws(RaftError) -> (all: [Copy?], newest: Copy) {
        var copies: [Copy?] = []
        for offset in offsets {
            copies.append(decode(try file.bytes(offset..<(offset + copySize)), incarnation))
        }
        guard let newest = copies.compactMap({ $0 }).max(by: { $0.generation < $1.generation }) else {
            throw lost(file.path, "both copies of term and vote are damaged")
        }
        for copy in copies.compactMap({ $0 }) where copy.generation == newest.generation && copy != newest {
            throw lost(file.path, "the copies of term and vote differ: \(newest.state), and \(copy.state)")
        }
        return (copies, newest)
    }

    private static func recover(_ file: any FileHandle, _ incarnation: Incarnation) throws(RaftError) -> VoteFile {
        let (copies, newest) = try copies(in: file, incarnation)
        // The newest may have been written by a process that died before it synced. No other copy is touched before
        // this one is durable.
        try file.sync()
        let vote = VoteFile(file: file, incarnation: incarnation, current: newest)
        for (offset, copy) in zip(offsets, copies) where copy != newest {
            try vote.put(newest, at: offset)
        }
        return vote
    }

    private static func lost(_ path: String, _ reason: String) -> RaftError {
        RaftError(
            .corrupt,
            "\(path): \(reason). A node that forgot its vote could vote twice in one term. Nothing was changed. \(Format.cure)"
        )
    }

    /// Returns once `state` is durable, twice.
    mutating func write(_ state: HardState) throws(RaftError) {
        guard state != current.state else { return }
        let next = Copy(generation: current.generation &+ 1, state: state)
        for offset in Self.offsets { try put(next, at: offset) }
        current = next
    }

    private func put(_ copy: Copy, at offset: Int) throws(RaftError) {
        try file.write(Self.encode(copy, incarnation), at: offset)
        try file.sync()
    }

    func close() { file.close() }

    private static func encode(_ copy: Copy, _ incarnation: Incarnation) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: copySize)
        bytes.withUnsafeMutableBytes {
            $0.put(magic, at: 0)
            $0.put(Format.version, at: 12)
            $0.put(copy.generation, at: 16)
            $0.put(incarnation.rawValue, at: 24)
            $0.put(copy.state.currentTerm.rawValue, at: 32)
            $0.put(copy.state.votedFor?.rawValue ?? 0, at: 40)
            $0.put(Format.checksum(UnsafeRawBufferPointer(rebasing: $0[12...])), at: 8)
        }
        return bytes
    }

    private static func decode(_ bytes: [UInt8], _ incarnation: Incarnation) -> Copy? {
        guard bytes.count == copySize else { return nil }
        return bytes.withUnsafeBytes {
            guard $0.word64(0) == magic, $0.word32(8) == Format.checksum($0.slice(12..<copySize)),
                $0.word32(12) == Format.version, $0.word64(24) == incarnation.rawValue
            else { return nil }
            let vote = $0.word64(40)
            return Copy(
                generation: $0.word64(16),
                state: HardState(currentTerm: Term($0.word64(32)), votedFor: vote == 0 ? nil : NodeID(vote)))
        }
    }
}
