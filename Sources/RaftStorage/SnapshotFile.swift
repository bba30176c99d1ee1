internal import Raft

/// What one snapshot looks like on disk (little-endian, checksums CRC-32C).
///
///     DIR/snapshots/INDEX-TERM-BUILDER-NUMBER.snapshot   complete, and durable since before it had this name
///     DIR/snapshots/own.tmp, leader.tmp                  being built, being received; a start removes them
///     DIR/snapshots/….snapshot.broken                    damaged, or not to be trusted; kept for whoever wants to look
///
///     offset 0  u64  "RAFTSNAP"
///            8  u32  format version, 1
///           12  u32  zero
///           16       the state in chunks of 64 KiB, the last one shorter; each is
///                      u32  CRC of the chunk's number (u64) and its bytes
///                      u32  how many bytes
///                           bytes
///                    the manifest, see `SnapshotManifest.encoded`
///               u32  its length
///               u32  its CRC
///               u64  "SNAPDONE"
enum SnapshotFile {
    static let magic: UInt64 = 0x5041_4E53_5446_4152  // "RAFTSNAP"
    static let trailerMagic: UInt64 = 0x454E_4F44_5041_4E53  // "SNAPDONE"
    static let headerSize = 16
    static let trailerSize = 16
    static let chunkBytes = 64 << 10
    static let chunkHeaderSize = 8
    static let suffix = ".snapshot"

    static func name(of manifest: SnapshotManifest) -> String {
        [
            manifest.last.index.rawValue, manifest.last.term.rawValue, manifest.id.builder.rawValue, manifest.id.number,
        ].map { hexadecimal($0, digits: 16) }.joined(separator: "-") + suffix
    }

    /// Where the chunk begins that holds the byte at `offset`, and which it is.
    static func chunk(at offset: UInt64) -> (number: UInt64, position: Int) {
        let number = offset / UInt64(chunkBytes)
        return (number, headerSize + Int(number) * (chunkHeaderSize + chunkBytes))
    }

    /// How many bytes the header and `byteCount` bytes of state take.
    static func end(of byteCount: UInt64) -> Int {
        let chunks = Int((byteCount + UInt64(chunkBytes) - 1) / UInt64(chunkBytes))
        return headerSize + Int(byteCount) + chunks * chunkHeaderSize
    }

    static func checksum(chunk number: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let begun = withUnsafeBytes(of: number.littleEndian) { Format.checksum($0) }
        return Format.checksum(bytes, continuing: begun)
    }

    /// Reads what a complete file says of itself.
    ///
    /// - Parameter isNamed: the file must have the name that a snapshot in a data directory has.
    /// - Throws: `.corrupt` unless everything but the chunks is as it was written.
    static func manifest(in file: any FileHandle, isNamed: Bool) throws(RaftError) -> SnapshotManifest {
        func damaged(_ reason: String) -> RaftError { RaftError(.corrupt, "\(file.path): \(reason)") }
        let size = try file.size()
        guard size >= headerSize + trailerSize else { throw damaged("the file has \(size) bytes only") }
        let head = try file.bytes(0..<headerSize)
        let isSnapshot = head.withUnsafeBytes {
            $0.word64(0) == magic && $0.word32(8) == Format.version && $0.word32(12) == 0
        }
        guard isSnapshot else {
            throw damaged("the file does not begin as a snapshot of format \(Format.version) does")
        }
        let tail = try file.bytes((size - trailerSize)..<size)
        let (length, stored, mark) = tail.withUnsafeBytes { (Int($0.word32(0)), $0.word32(4), $0.word64(8)) }
        guard mark == trailerMagic, length <= size - headerSize - trailerSize else {
            throw damaged("the file does not end as a snapshot does")
        }
        let bytes = try file.bytes((size - trailerSize - length)..<(size - trailerSize))
        let checksum = bytes.withUnsafeBytes { Format.checksum($0) }
        guard checksum == stored else {
            throw damaged("the manifest's checksum \(stored.hex) does not match \(checksum.hex)")
        }
        let manifest = try SnapshotManifest(decoding: bytes)
        guard manifest.byteCount <= UInt64(size),
            end(of: manifest.byteCount) + length + trailerSize == size
        else { throw damaged("the file has \(size) bytes, which do not fit \(manifest.byteCount) bytes of state") }
        guard !isNamed || file.path.hasSuffix("/" + name(of: manifest)) else { throw damaged("it holds \(manifest)") }
        return manifest
    }
}

/// One snapshot being written to a temporary file.
final class SnapshotFileWriter: SnapshotWriter, @unchecked Sendable {
    // @unchecked: a writer belongs to one thread at a time, as SnapshotWriter says.

    /// Nothing gathers in the cache: what a sync finds there is written at once, and one of the log beside it waits.
    private static let writeBackBytes = 256 << 10
    /// A sync in steps, so that the last one has little to do.
    private static let syncBytes = 8 << 20

    private let file: any FileHandle
    private let fileSystem: any FileSystem
    private let directory: String
    private let name: (SnapshotManifest) -> String
    private let onCommit: @Sendable (SnapshotManifest) -> Void
    private var chunk: [UInt8] = []
    private var number: UInt64 = 0
    private var position = SnapshotFile.headerSize
    private var unsynced = 0
    /// What lies before this has left the cache.
    private var writtenBack = 0
    private var isOver = false
    private(set) var byteCount: UInt64 = 0
    private(set) var checksum: UInt32 = 0

    /// - Parameter name: what the complete file is called.
    init(
        temporary: String, in directory: String, fileSystem: any FileSystem,
        name: @escaping (SnapshotManifest) -> String = SnapshotFile.name,
        onCommit: @escaping @Sendable (SnapshotManifest) -> Void
    ) throws(RaftError) {
        self.fileSystem = fileSystem
        self.directory = directory
        self.name = name
        self.onCommit = onCommit
        file = try fileSystem.open(directory + "/" + temporary, .createEmpty)
        var header = [UInt8](repeating: 0, count: SnapshotFile.headerSize)
        header.withUnsafeMutableBytes {
            $0.put(SnapshotFile.magic, at: 0)
            $0.put(Format.version, at: 8)
        }
        try file.write(header, at: 0)
    }

    func write(_ bytes: ArraySlice<UInt8>) throws {
        guard !isOver else { throw RaftError(.storage, "\(file.path): this snapshot is over") }
        checksum = SnapshotChecksum.of(bytes, continuing: checksum)
        byteCount += UInt64(bytes.count)
        var rest = bytes
        while !rest.isEmpty {
            let part = rest.prefix(SnapshotFile.chunkBytes - chunk.count)
            chunk += part
            rest = rest.dropFirst(part.count)
            if chunk.count == SnapshotFile.chunkBytes { try flush() }
        }
    }

    private func flush() throws(RaftError) {
        guard !chunk.isEmpty else { return }
        var bytes = [UInt8](repeating: 0, count: SnapshotFile.chunkHeaderSize)
        let checksum = chunk.withUnsafeBytes { SnapshotFile.checksum(chunk: number, $0) }
        let count = UInt32(chunk.count)
        bytes.withUnsafeMutableBytes {
            $0.put(checksum, at: 0)
            $0.put(count, at: 4)
        }
        bytes += chunk
        try file.write(bytes, at: position)
        position += bytes.count
        number += 1
        chunk.removeAll(keepingCapacity: true)
        unsynced += bytes.count
        if position - writtenBack >= Self.writeBackBytes {
            file.writeBack(writtenBack..<position)
            writtenBack = position
        }
        if unsynced >= Self.syncBytes {
            try file.sync()
            unsynced = 0
        }
    }

    func commit(_ manifest: SnapshotManifest) throws {
        guard !isOver else { throw RaftError(.storage, "\(file.path): this snapshot is over") }
        try manifest.check(byteCount: byteCount, checksum: checksum)
        try flush()
        var end = manifest.encoded
        let (length, checksum) = (UInt32(end.count), end.withUnsafeBytes { Format.checksum($0) })
        end += [UInt8](repeating: 0, count: SnapshotFile.trailerSize)
        end.withUnsafeMutableBytes {
            $0.put(length, at: Int(length))
            $0.put(checksum, at: Int(length) + 4)
            $0.put(SnapshotFile.trailerMagic, at: Int(length) + 8)
        }
        try file.write(end, at: position)
        try file.sync()
        let path = file.path
        file.close()
        isOver = true
        try fileSystem.rename(path, to: directory + "/" + name(manifest))
        if !Mutant.isOn("snapshot-name-not-synced") { try fileSystem.syncDirectory(directory) }
        onCommit(manifest)
    }

    func abandon() {
        guard !isOver else { return }
        isOver = true
        file.close()
        // Not worth more than a try: the next one empties the file, and a start removes it.
        try? fileSystem.remove(file.path)
    }

    deinit { abandon() }
}

/// One complete snapshot.
final class SnapshotFileReader: SnapshotReader {
    let manifest: SnapshotManifest
    private let file: any FileHandle

    /// - Throws: `.corrupt`, `.storage`.
    init(_ path: String, isNamed: Bool = true, fileSystem: any FileSystem) throws(RaftError) {
        file = try fileSystem.open(path, .read)
        manifest = try SnapshotFile.manifest(in: file, isNamed: isNamed)
    }

    deinit { file.close() }

    func read(at offset: UInt64, maximumBytes: Int) throws -> [UInt8] {
        guard offset < manifest.byteCount else { return [] }
        let wanted = UInt64(max(1, maximumBytes))
        let end = offset + min(wanted, manifest.byteCount - offset)
        var (number, position) = SnapshotFile.chunk(at: offset)
        let last = SnapshotFile.chunk(at: end - 1).number
        let stop = SnapshotFile.end(of: min((last + 1) * UInt64(SnapshotFile.chunkBytes), manifest.byteCount))
        let bytes = try file.bytes(position..<stop)
        let start = position
        var result: [UInt8] = []
        result.reserveCapacity(Int(end - offset))
        while number <= last {
            let from = number * UInt64(SnapshotFile.chunkBytes)
            let count = Int(min(UInt64(SnapshotFile.chunkBytes), manifest.byteCount - from))
            let begin = position - start + SnapshotFile.chunkHeaderSize
            let body = begin..<(begin + count)
            guard body.upperBound <= bytes.count else {
                throw damaged(position, "the file ends before byte \(from + UInt64(count)) of the state")
            }
            let (stored, length, checksum) = bytes.withUnsafeBytes {
                (
                    $0.word32(body.lowerBound - 8), Int($0.word32(body.lowerBound - 4)),
                    SnapshotFile.checksum(chunk: number, $0.slice(body))
                )
            }
            guard length == count, stored == checksum else {
                throw damaged(position, "checksum \(stored.hex) of \(length) bytes does not match \(checksum.hex)")
            }
            let skip = offset > from ? Int(offset - from) : 0
            let take = min(count, Int(end - from))
            result += bytes[(body.lowerBound + skip)..<(body.lowerBound + take)]
            position += SnapshotFile.chunkHeaderSize + count
            number += 1
        }
        return result
    }

    private func damaged(_ position: Int, _ reason: String) -> RaftError {
        RaftError(.corrupt, "\(file.path) at offset \(position): \(reason)")
    }
}
