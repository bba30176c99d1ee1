import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("A data directory that is looked at and not started", .heavy)
struct DirectoryCheckTests {
    private static let snapshotFile = "/data/snapshots"

    /// A directory with a vote, thirty entries in several segments, two peers and a snapshot through entry 20.
    private static func prepare(entryCount: Int = 30, size: Int = 300, purging: Bool = false, snapshot: Bool = true)
        throws
        -> SimulatedFileSystem
    {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk, segmentBytes: 4096)
        defer { store.close() }
        try store.log.write([.hardState(HardState(currentTerm: 2, votedFor: 3))])
        for index in 1...entryCount {
            try store.log.write([.append(entries(LogIndex(UInt64(index)), term: 2, sizes: [size]))])
        }
        let peers = try store.directory.peers()
        try peers.remember(Incarnation(rawValue: 5), of: 2)
        try peers.remember(Incarnation(rawValue: 6), of: 3)
        if snapshot {
            let state = [UInt8](repeating: 7, count: 100)
            let snapshots = SnapshotDirectory(directory: store.directory)
            _ = try snapshots.open()
            let writer = try snapshots.begin(.own)
            try writer.write(state[...])
            try writer.commit(
                SnapshotManifest(
                    id: SnapshotID(builder: Incarnation(rawValue: 5), number: 1), last: LogID(term: 2, index: 20),
                    configuration: try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")]),
                    configurationID: LogID(term: 2, index: 1), bootstrap: 9, byteCount: UInt64(state.count),
                    checksum: SnapshotChecksum.of(state[...])))
        }
        if purging { try store.log.write([.purge(through: LogID(term: 2, index: 20))]) }
        return disk
    }

    private static func states(_ check: DirectoryCheck) -> [String: DirectoryCheck.State] {
        Dictionary(check.findings.map { ($0.part, $0.state) }, uniquingKeysWith: { $0 == .whole ? $1 : $0 })
    }

    /// All files but the lock, which says who looked.
    private static func files(_ disk: SimulatedFileSystem) -> [String: [UInt8]] {
        disk.snapshot().filter { !$0.key.hasSuffix("/lock") }
    }

    @Test("What is whole is said to be, with what it holds, and nothing is changed", arguments: [false, true])
    func whole(purging: Bool) throws {
        let disk = try Self.prepare(purging: purging)
        let before = Self.files(disk)
        var progress: [LogIndex] = []
        let check = try DirectoryCheck(directoryPath, fileSystem: disk) { index, last in
            progress.append(index)
            #expect(last == 30)
        }
        #expect(check.isWhole)
        #expect(
            Self.states(check) == ["term and vote": .whole, "peers": .whole, "snapshot": .whole, "log": .whole])
        #expect(
            check.findings.contains { $0.part == "log" && $0.text.contains("through \(LogID(term: 2, index: 30))") })
        #expect(check.findings.contains { $0.part == "peers" && $0.text == "of 2 other members" })
        #expect(progress.last == 30)
        #expect(Self.files(disk) == before)
    }

    @Test("A flipped bit is found wherever it is: in the log, the vote, the peers, the identity and a snapshot")
    func everyByte() throws {
        let disk = try Self.prepare(entryCount: 2, size: 40)
        var flipped = 0
        for (path, bytes) in Self.files(disk) {
            // Every byte; of the zeros behind, of which there are many alike, one here and there.
            let used = bytes.indices.filter { bytes[max($0 - 8, 0)...].prefix(16).contains { $0 != 0 } }
            for offset in used + Array(stride(from: 0, to: bytes.count, by: 101)) {
                disk.damage(path, at: offset, mask: 1 << UInt8(offset % 8))
                let isNoticed = Self.isNoticed(disk, path, offset)
                #expect(isNoticed, "\(path) at \(offset)")
                disk.setContents(of: path, to: bytes)
                flipped += 1
            }
        }
        #expect(flipped > 800)
    }

    private static func isNoticed(_ disk: SimulatedFileSystem, _ path: String, _ offset: Int) -> Bool {
        guard let check = try? DirectoryCheck(directoryPath, fileSystem: disk) else {
            return path.hasSuffix("/identity")
        }
        // The rest of a segment's first sector holds nothing, and nobody reads it.
        if path.hasSuffix(".segment"), (48..<512).contains(offset) { return check.isWhole }
        // Behind the end of the log a lone bit is what a write that never ended may have left.
        guard path.hasSuffix("/vote") else { return check.findings.contains { $0.state != .whole } }
        // It has a second copy, and bytes that neither uses.
        let isSpare = !(0..<48).contains(offset % 4096)
        return states(check)["term and vote"] == (isSpare ? .whole : .repairable)
    }

    @Test("A write that a crash cut short is no damage, and is said")
    func torn() throws {
        let disk = try Self.prepare(entryCount: 3)
        let bytes = try #require(disk.contents(of: firstSegment))
        let end = try #require(bytes.lastIndex { $0 != 0 })
        // The sectors from there on never reached the disk.
        let cut = (end - 100) / 512 * 512
        disk.setContents(
            of: firstSegment, to: Array(bytes[..<cut]) + [UInt8](repeating: 0, count: bytes.count - cut))
        let check = try DirectoryCheck(directoryPath, fileSystem: disk)
        let log = try #require(check.findings.first { $0.part == "log" })
        #expect(log.state == .repairable)
        #expect(log.text.contains("a crash cut short"))
        #expect(check.isWhole)
    }

    @Test("A log whose beginning is gone needs a snapshot that goes that far")
    func gap() throws {
        let disk = try Self.prepare(purging: true, snapshot: false)
        let check = try DirectoryCheck(directoryPath, fileSystem: disk)
        let log = try #require(check.findings.first { $0.part == "log" })
        #expect(log.state == .damaged)
        #expect(log.text.contains("no whole snapshot goes that far"))
    }

    @Test("Of a damaged log what stands before the damage can be read, and no more")
    func partly() throws {
        let disk = try Self.prepare(snapshot: false)
        disk.damage(secondSegment, at: 700)
        let log = try OfflineLog(directoryPath, fileSystem: disk)
        defer { log.close() }
        #expect(log.damage?.code == .corrupt)
        #expect(log.last.index > 5 && log.last.index < 30)
        let batch = try log.read(from: 1, through: log.last.index, maximumBytes: 1 << 20)
        #expect(batch.lastIndex == log.last.index)
        _ = error(.storage) { _ = try log.read(from: 1, through: log.last.index.next, maximumBytes: 1 << 20) }
        _ = error(.corrupt) { _ = try log.open() }
    }

    @Test("A directory in use, an empty one and another's are refused by name")
    func refused() throws {
        let disk = SimulatedFileSystem()
        #expect(
            error(.wrongDirectory) { _ = try DirectoryCheck("/nowhere", fileSystem: disk) }?.message.contains(
                "is empty")
                == true)
        let store = try OpenLog(disk)
        #expect(
            error(.wrongDirectory) { _ = try DirectoryCheck(directoryPath, fileSystem: disk) }?.message.contains(
                "in use")
                == true)
        store.close()
        #expect(try DirectoryCheck(directoryPath + "/", fileSystem: disk).isWhole)
    }
}
