internal import Raft
internal import RaftSimulation

@testable internal import RaftStorage

/// What a disk may hold, whoever wrote it there.
///
/// The first byte of an input says which checksums are made right first: nothing behind one would be reached otherwise.
enum StorageTargets {
    static let all: [Target] = [log, vote, snapshot, manifest, directory]

    private static let incarnation: UInt64 = 0x1234_5678_9ABC_DEF0
    private static let segmentBytes = 4096

    /// A data directory with a log of one segment, and an empty one for the state of an older life.
    private static let template: [String: [UInt8]] = {
        do {
            let disk = SimulatedFileSystem()
            var random = Fixed()
            let directory = try DataDirectory.open(
                "/data", cluster: "fuzz", node: 1, mode: .create, fileSystem: disk, using: &random)
            let log = try SegmentedLog(directory: directory, segmentBytes: segmentBytes)
            _ = try log.open()
            try log.write([.hardState(HardState(currentTerm: 2, votedFor: 3)), .append(batch(1, term: 1, count: 4))])
            try log.write([.append(batch(5, term: 2, count: 2))])
            try log.write([.truncate(through: LogID(term: 1, index: 4)), .append(batch(5, term: 3, count: 3))])
            log.close()
            directory.close()
            return disk.snapshot()
        } catch { fatalError("\(error)") }
    }()

    /// Every incarnation it draws is the same.
    private struct Fixed: RandomNumberGenerator {
        mutating func next() -> UInt64 { incarnation }
    }

    private static func batch(_ first: LogIndex, term: Term, count: Int) -> EntryBatch {
        var builder = EntryBatch.Builder(first: first, term: term)
        for position in 0..<count { builder.append(.command, Array(repeating: UInt8(position + 1), count: 40)) }
        return builder.finish()!
    }

    private static func disk(replacing path: String, by bytes: [UInt8], as newPath: String? = nil)
        -> SimulatedFileSystem
    {
        let disk = SimulatedFileSystem()
        do {
            for directory in ["/data", "/data/log", "/data/snapshots"] { try disk.makeDirectory(directory) }
        } catch { fatalError("\(error)") }
        for (name, content) in template where name != path && !name.hasSuffix("lock") {
            if newPath == nil || !name.hasSuffix(".segment") { disk.setContents(of: name, to: content) }
        }
        disk.setContents(of: newPath ?? path, to: bytes)
        return disk
    }

    private static let firstSegment = "/data/log/0000000000000001.segment"

    /// One start over a segment. A log that opens can be read whole, goes on, and is the same at the next start.
    private static let log = Target(
        name: "log",
        seeds: {
            let segment = template[firstSegment]!
            let used = segment.lastIndex { $0 != 0 }! + 1
            return [0, 1, 3, 7, 15].map { [$0] + segment[..<used] }
        },
        run: { input in
            guard let flags = input.first else { return }
            // Of a log whose beginning was purged, perhaps.
            let number: UInt64 = flags & 2 == 0 ? 1 : 7
            let bytes = Repair.segment(Array(input.dropFirst()), number: number, incarnation: incarnation, flags: flags)
            let path = "/data/log/" + Segment.name(of: number)
            let disk = disk(replacing: firstSegment, by: bytes, as: path)
            _ = try? DirectoryCheck("/data", fileSystem: disk)
            _ = start(disk)
        })

    /// Both copies of term and vote. What can be read can be changed, and is the same at the next start.
    private static let vote = Target(
        name: "vote",
        seeds: { [0, 1].map { [$0] + template["/data/vote"]! } },
        run: { input in
            guard let flags = input.first else { return }
            let bytes = flags & 1 == 0 ? Array(input.dropFirst()) : Repair.vote(Array(input.dropFirst()))
            let disk = disk(replacing: "/data/vote", by: bytes)
            _ = try? DirectoryCheck("/data", fileSystem: disk)
            _ = start(disk)
        })

    /// A whole file, as `raft snapshot restore` is given one.
    private static let snapshot = Target(
        name: "snapshot",
        seeds: {
            let disk = SimulatedFileSystem()
            try disk.makeDirectory("/backup")
            let writer = try SnapshotFileWriter(
                temporary: "own.tmp", in: "/backup", fileSystem: disk, name: { _ in "one" }, onCommit: { _ in })
            try writer.write(Array(repeating: 7, count: 70_000)[...])
            try writer.commit(try exampleManifest(byteCount: 70_000, checksum: writer.checksum))
            return [0, 1].map { [$0] + disk.contents(of: "/backup/one")! }
        },
        run: { input in
            guard let flags = input.first else { return }
            let bytes = flags & 1 == 0 ? Array(input.dropFirst()) : Repair.snapshot(Array(input.dropFirst()))
            let disk = SimulatedFileSystem()
            do { try disk.makeDirectory("/backup") } catch { fatalError("\(error)") }
            disk.setContents(of: "/backup/one", to: bytes)
            guard let saved = try? SavedSnapshot("/backup/one", fileSystem: disk) else { return }
            _ = try? saved.verify()
            _ = try? saved.reader.read(at: 0, maximumBytes: 1)
            _ = try? saved.reader.read(at: saved.manifest.byteCount / 2, maximumBytes: 1 << 20)
        })

    /// A manifest, and a configuration, of any bytes: what can be read is written as it was read.
    private static let manifest = Target(
        name: "manifest",
        seeds: {
            let manifest = try exampleManifest(byteCount: 10, checksum: 1)
            return [manifest.encoded, manifest.configuration.encoded]
        },
        run: { input in
            if let manifest = try? SnapshotManifest(decoding: input) {
                let again = try? SnapshotManifest(decoding: manifest.encoded)
                require(again == manifest, "\(manifest) is read as \(String(describing: again)) the second time")
            }
            if let configuration = try? ClusterConfiguration(decoding: input) {
                let again = try? ClusterConfiguration(decoding: configuration.encoded)
                require(again == configuration, "\(configuration) is read as \(String(describing: again))")
            }
        })

    /// Whose the directory is, or, after an odd byte, the lives of the other members. What is accepted can be gone on with,
    /// and is the same at the next start.
    private static let directory = Target(
        name: "directory",
        seeds: {
            let peers = "swift-raft peers\n2 000000000000000a\n3 00000000000000ff\nchecksum 00000000\n"
            return [0, 2].map { [$0] + template["/data/identity"]! } + [[3] + Array(peers.utf8)]
        },
        run: { input in
            guard let flags = input.first else { return }
            let bytes = flags & 2 == 0 ? Array(input.dropFirst()) : Repair.text(Array(input.dropFirst()))
            let disk = disk(replacing: flags & 1 == 0 ? "/data/identity" : "/data/peers", by: bytes)
            _ = try? DirectoryCheck("/data", fileSystem: disk)
            var random = Fixed()
            let opened = try? DataDirectory.open(
                "/data", cluster: "fuzz", node: 1, mode: .existing, fileSystem: disk, using: &random)
            guard let opened else { return require(flags & 1 == 0, "a directory with its own identity is refused") }
            defer { opened.close() }
            let identity = opened.identity
            require(identity.cluster == "fuzz" && identity.node == 1, "the directory of \(identity) is taken")
            guard let peers = try? opened.peers() else { return }
            do {
                let known = peers.incarnation(of: 2)
                try peers.remember(Incarnation(rawValue: 5), of: 9)
                let again = try opened.peers()
                require(again.incarnation(of: 2) == known && again.incarnation(of: 9)?.rawValue == 5, "forgotten")
            } catch { fatalError("peers that could be read fail: \(error)") }
        })

    private static func exampleManifest(byteCount: UInt64, checksum: UInt32) throws -> SnapshotManifest {
        SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: incarnation), number: 3), last: LogID(term: 2, index: 9),
            configuration: try ClusterConfiguration(
                voters: [
                    ClusterConfiguration.Member(id: 1, address: "a:1"),
                    ClusterConfiguration.Member(id: 2, address: "b:2"),
                    ClusterConfiguration.Member(id: 3, address: "c:3"),
                ]),
            configurationID: LogID(term: 1, index: 1), bootstrap: 5, byteCount: byteCount, checksum: checksum)
    }

    /// Opens the directory, reads all, writes, and opens it again.
    private static func start(_ disk: SimulatedFileSystem) -> Bool {
        do {
            guard var last = try lookAndWrite(disk) else { return false }
            for _ in 1...2 {
                guard let next = try lookAndWrite(disk, expecting: last) else {
                    fatalError("the second start is refused")
                }
                last = next
            }
            return true
        } catch { fatalError("a log that was opened fails: \(error)") }
    }

    /// - Returns: the log's last entry and the term, or nil when the start or a read is refused, which may be only at
    ///   first.
    private static func lookAndWrite(
        _ disk: SimulatedFileSystem, expecting expected: (LogID, HardState)? = nil
    ) throws -> (LogID, HardState)? {
        var random = Fixed()
        let directory = try DataDirectory.open(
            "/data", cluster: "fuzz", node: 1, mode: .existing, fileSystem: disk, using: &random)
        defer { directory.close() }
        let log = try SegmentedLog(directory: directory, segmentBytes: segmentBytes)
        defer { log.close() }
        let recovered: RecoveredLog
        do { recovered = try log.open() } catch {
            require(expected == nil, "a start after one that went well is refused: \(error)")
            return nil
        }
        if let (last, state) = expected {
            require(recovered.last == last, "the log ends with \(recovered.last), was \(last)")
            require(recovered.hardState == state, "\(recovered.hardState), was \(state)")
        }
        var next = recovered.purged.index
        while next < recovered.last.index {
            let batch: EntryBatch
            do { batch = try log.read(from: next.next, through: recovered.last.index, maximumBytes: 256) } catch {
                // A frame whose checksum is right may hold a record that is none: whoever reads it is told.
                require((error as? RaftError)?.code == .corrupt, "a read fails: \(error)")
                return nil
            }
            require(batch.firstIndex == next.next, "a read from \(next.next) begins with \(batch.firstIndex)")
            next = batch.lastIndex
        }
        // No log comes near these: what is behind them need not be counted on.
        guard recovered.last.index < LogIndex(1 << 62), recovered.last.term < Term(1 << 62) else { return nil }
        let state = HardState(currentTerm: max(recovered.hardState.currentTerm, recovered.last.term), votedFor: 2)
        let entries = batch(recovered.last.index.next, term: recovered.last.term, count: 1)
        try log.write([.hardState(state), .append(entries)])
        return (entries.last, state)
    }
}

/// Makes checksums right.
private enum Repair {
    /// - Parameter flags: 1: every checksum; 4: the header's fields, too; 8: what ties frames to each other, too.
    static func segment(_ input: [UInt8], number: UInt64, incarnation: UInt64, flags: UInt8) -> [UInt8] {
        var bytes = input
        // A segment has all of its size; more than two of them teach nothing more.
        bytes = Array(bytes.prefix(8192)) + Array(repeating: 0, count: max(0, 4096 - bytes.count))
        guard flags & 1 != 0 else { return bytes }
        let seed = Format.seed(incarnation: incarnation, segment: number)
        bytes.withUnsafeMutableBytes { all in
            if flags & 4 != 0 {
                all.put(0x3147_4553_5446_4152 as UInt64, at: 0)
                all.put(Format.version, at: 12)
                all.put(number, at: 16)
                all.put(incarnation, at: 24)
                all.put(UInt64(4096), at: 32)
            }
            all.put(Format.checksum(UnsafeRawBufferPointer(rebasing: all[12..<48])), at: 8)
            var offset = Format.firstFrame
            var chain: UInt32 = 0
            var sequence: UInt64 = 0
            while offset + FrameHeader.size + FrameHeader.trailerSize <= all.count {
                let head = UnsafeRawBufferPointer(rebasing: all[offset...])
                guard head.word32(0) == FrameHeader.magic else { return }
                let length = Int(head.word32(52))
                let end = offset + FrameHeader.frameSize(payload: length)
                guard end <= all.count else { return }
                all.put(number, at: offset + 8)
                if flags & 8 != 0, offset > Format.firstFrame {
                    all.put(sequence &+ 1, at: offset + 16)
                    all.put(UInt64(offset), at: offset + 40)
                    all.put(chain, at: offset + 48)
                }
                repairRecords(&all[(offset + FrameHeader.size)..<(offset + FrameHeader.size + length)])
                let now = UnsafeRawBufferPointer(rebasing: all[offset...])
                sequence = now.word64(16)
                chain = FrameHeader.chain(
                    seed: seed, before: now.word32(48),
                    payload: now.slice(FrameHeader.size..<(FrameHeader.size + length)))
                all.put(chain, at: offset + 56)
                all[offset + 64] = 1
                all.put(Format.checksum(now.slice(8..<FrameHeader.size), continuing: seed), at: offset + 4)
                all.put(FrameHeader.trailerMagic, at: end - 8)
                all.put(chain, at: end - 4)
                offset = end
            }
        }
        return bytes
    }

    /// The records' own checksums, as far as their lengths make sense.
    private static func repairRecords(_ payload: inout Slice<UnsafeMutableRawBufferPointer>) {
        var start = payload.startIndex
        while start + EntryRecord.headerSize <= payload.endIndex {
            let rest = UnsafeMutableRawBufferPointer(rebasing: payload[start...])
            let count = EntryRecord.headerSize + Int(UnsafeRawBufferPointer(rest).word32(4))
            guard count <= rest.count else { return }
            rest.put(Format.checksum(UnsafeRawBufferPointer(rebasing: rest[4..<count])), at: 0)
            start += count
        }
    }

    /// Of a text whose last line is its checksum.
    static func text(_ input: [UInt8]) -> [UInt8] {
        guard let end = input.dropLast().lastIndex(of: UInt8(ascii: "\n")) else { return input }
        let covered = Array(input[...end])
        return covered + Array("checksum \(covered.withUnsafeBytes { Format.checksum($0) }.hex)\n".utf8)
    }

    static func vote(_ input: [UInt8]) -> [UInt8] {
        var bytes = input
        bytes.withUnsafeMutableBytes { all in
            for offset in [0, 4096] where offset + 48 <= all.count {
                all.put(
                    Format.checksum(UnsafeRawBufferPointer(rebasing: all[(offset + 12)..<(offset + 48)])),
                    at: offset + 8)
            }
        }
        return bytes
    }

    static func snapshot(_ input: [UInt8]) -> [UInt8] {
        var bytes = input
        bytes.withUnsafeMutableBytes { all in
            let end = all.count - SnapshotFile.trailerSize
            guard end >= SnapshotFile.headerSize else { return }
            let length = Int(UnsafeRawBufferPointer(all).word32(end))
            guard length <= end - SnapshotFile.headerSize else { return }
            all.put(Format.checksum(UnsafeRawBufferPointer(rebasing: all[(end - length)..<end])), at: end + 4)
            var (number, start) = (0 as UInt64, SnapshotFile.headerSize)
            while start + SnapshotFile.chunkHeaderSize <= end - length {
                let body = start + SnapshotFile.chunkHeaderSize
                let stop = min(body + SnapshotFile.chunkBytes, end - length)
                all.put(
                    SnapshotFile.checksum(chunk: number, UnsafeRawBufferPointer(rebasing: all[body..<stop])), at: start)
                (number, start) = (number + 1, stop)
            }
        }
        return bytes
    }
}
