internal import Raft

/// One file of the log; see ``Format``.
final class Segment: Sendable {
    private static let magic: UInt64 = 0x3147_4553_5446_4152  // "RAFTSEG1"
    private static let headerSize = 48
    private static let temporaryName = "prepare.tmp"
    private static let suffix = ".segment"

    let number: UInt64
    let file: any FileHandle
    /// In bytes. All of it exists on disk.
    let size: Int
    /// What the checksums of its frames begin with.
    let seed: UInt32

    init(number: UInt64, file: any FileHandle, size: Int, incarnation: Incarnation) {
        self.number = number
        self.file = file
        self.size = size
        seed = Format.seed(incarnation: incarnation.rawValue, segment: number)
    }

    static func name(of number: UInt64) -> String { hexadecimal(number, digits: 16) + suffix }

    /// The number in a file's name, or nil when it is not a segment's.
    static func number(in name: String) -> UInt64? {
        guard name.hasSuffix(suffix), let number = UInt64(name.dropLast(suffix.count), radix: 16),
            Self.name(of: number) == name
        else { return nil }
        return number
    }

    /// Whether `name` is what a crash may leave of ``create(number:size:incarnation:in:fileSystem:)``.
    static func isTemporary(_ name: String) -> Bool { name == temporaryName }

    /// Makes a segment, all of it zeros on disk, and then gives it its name.
    ///
    /// - Throws: `.outOfSpace` only while it has no name yet: it may be tried again.
    static func create(
        number: UInt64, size: Int, incarnation: Incarnation, in directory: String, fileSystem: any FileSystem
    ) throws(RaftError) -> Segment {
        let temporary = directory + "/" + temporaryName
        let path = directory + "/" + name(of: number)
        guard try fileSystem.kind(of: path) == nil else {
            throw RaftError(
                .invariantViolated, "\(path) is there already, and must not be replaced by an empty segment")
        }
        let file = try fileSystem.open(temporary, .createEmpty)
        do throws(RaftError) {
            var chunk = [UInt8](repeating: 0, count: min(size, 1 << 20))
            chunk.withUnsafeMutableBytes {
                $0.put(magic, at: 0)
                $0.put(Format.version, at: 12)
                $0.put(number, at: 16)
                $0.put(incarnation.rawValue, at: 24)
                $0.put(UInt64(size), at: 32)
                $0.put(Format.checksum(UnsafeRawBufferPointer(rebasing: $0[12..<headerSize])), at: 8)
            }
            try file.write(chunk, at: 0)
            try fillWithZeros(file, chunk.count..<size)
            try file.sync()
        } catch {
            // Not worth more than a try: a full disk gets its room back, and the next attempt empties the file.
            file.close()
            try? fileSystem.remove(temporary)
            throw error
        }
        file.close()
        do throws(RaftError) {
            try fileSystem.rename(temporary, to: path)
            try fileSystem.syncDirectory(directory)
            return Segment(
                number: number, file: try fileSystem.open(path, .readWrite), size: size, incarnation: incarnation)
        } catch {
            throw error.asFailure
        }
    }

    private static func fillWithZeros(_ file: any FileHandle, _ range: Range<Int>) throws(RaftError) {
        let chunk = [UInt8](repeating: 0, count: min(range.count, 1 << 20))
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(chunk.count, range.upperBound - offset)
            try file.write(count == chunk.count ? chunk : Array(chunk[..<count]), at: offset)
            offset += count
            // In steps, so that a sync of the log beside it never waits for all of it.
            if offset < range.upperBound { try file.sync() }
        }
    }

    /// The same segment with room for a frame of `frameBytes`, for an entry that is larger than segments are. Called
    /// before the segment's first frame.
    func extended(toHold frameBytes: Int, incarnation: Incarnation) throws(RaftError) -> Segment {
        let needed = Format.firstFrame + frameBytes
        guard needed > size else { return self }
        try Self.fillWithZeros(file, size..<needed)
        try file.sync()
        return Segment(number: number, file: file, size: needed, incarnation: incarnation)
    }

    /// Opens what a start found, and checks its header.
    static func open(
        number: UInt64, incarnation: Incarnation, in directory: String, mode: OpenMode, fileSystem: any FileSystem
    ) throws(RaftError) -> Segment {
        let path = directory + "/" + name(of: number)
        let file = try fileSystem.open(path, mode)
        let size = try file.size()
        let bytes = try file.bytes(0..<headerSize)
        func refuse(_ reason: String) -> RaftError {
            file.close()
            return .corrupt(path, at: 0, "\(reason), so no entry in it can be trusted")
        }
        guard bytes.count == headerSize else { throw refuse("the file has \(size) bytes, fewer than a header") }
        let fields = bytes.withUnsafeBytes {
            (
                magic: $0.word64(0), stored: $0.word32(8), actual: Format.checksum($0.slice(12..<headerSize)),
                version: $0.word32(12), number: $0.word64(16), incarnation: $0.word64(24), size: $0.word64(32)
            )
        }
        guard fields.magic == magic else { throw refuse("the file does not begin as a segment does") }
        guard fields.stored == fields.actual else {
            throw refuse("the header's checksum \(fields.stored.hex) does not match \(fields.actual.hex)")
        }
        guard fields.version == Format.version else {
            throw refuse("the header has format \(fields.version), this program knows \(Format.version)")
        }
        guard fields.number == number else { throw refuse("the header is that of segment \(fields.number)") }
        guard fields.incarnation == incarnation.rawValue else {
            throw refuse(
                "the segment belongs to incarnation \(Incarnation(rawValue: fields.incarnation)), the directory is \(incarnation)"
            )
        }
        guard size >= Format.minimumSegmentBytes, UInt64(size) >= fields.size else {
            throw refuse("the file has \(size) bytes of the \(fields.size) that it was made with")
        }
        return Segment(number: number, file: file, size: size, incarnation: incarnation)
    }
}

extension RaftError {
    /// The same where trying again is no cure.
    var asFailure: RaftError { code == .outOfSpace ? RaftError(.storage, message, outcome: outcome) : self }

    /// Damage that this node cannot repair: where, what, and what to do.
    static func corrupt(_ path: String, at offset: Int, _ reason: String) -> RaftError {
        RaftError(
            .corrupt,
            "\(path) at offset \(offset): \(reason). Nothing was changed. \(Format.cure)"
        )
    }
}
