import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("Snapshots on disk", .heavy)
struct SnapshotDirectoryTests {
    private static func state(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    private static func manifest(_ index: UInt64, _ state: [UInt8], number: UInt64 = 7) throws -> SnapshotManifest {
        SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: 5), number: number),
            last: LogID(term: 3, index: LogIndex(index)),
            configuration: try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")]),
            configurationID: LogID(term: 0, index: 1), bootstrap: 9, byteCount: UInt64(state.count),
            checksum: SnapshotChecksum.of(state[...]))
    }

    private static func write(
        _ manifest: SnapshotManifest, _ state: [UInt8], to store: SnapshotDirectory,
        _ origin: SnapshotOrigin = .own
    ) throws {
        let writer = try store.begin(origin)
        var rest = state[...]
        while !rest.isEmpty {
            try writer.write(rest.prefix(30_000))
            rest = rest.dropFirst(30_000)
        }
        try writer.commit(manifest)
    }

    private static func open(_ disk: SimulatedFileSystem) throws -> (
        DataDirectory, SnapshotDirectory, RecoveredSnapshots
    ) {
        let directory = try openDirectory(disk)
        do {
            let store = SnapshotDirectory(directory: directory)
            return (directory, store, try store.open())
        } catch {
            directory.close()
            throw error
        }
    }

    @Test(
        "What is written is read back, in pieces of any size, also after a restart",
        arguments: [0, 1, 65_535, 65_536, 65_537, 200_000])
    func readBack(count: Int) throws {
        let disk = SimulatedFileSystem()
        let state = Self.state(count)
        let manifest = try Self.manifest(8, state)
        let (directory, store, none) = try Self.open(disk)
        #expect(none.manifests.isEmpty && none.damaged.isEmpty)
        try Self.write(manifest, state, to: store)
        store.close()
        directory.close()
        let (again, reopened, found) = try Self.open(disk)
        #expect(found.manifests == [manifest])
        let reader = try reopened.reader(of: manifest.id)
        for size in [1 << 20, 70_000, 65_536, 50_001] {
            var contents = SnapshotContents(reader, pieceBytes: size)
            #expect(try contents.all() == state)
        }
        again.close()
    }

    @Test("A crash at any change leaves no snapshot or all of it, and what was committed stays", arguments: 0..<24)
    func crash(moment: Int) throws {
        var outcomes: Set<Int> = []
        for seed in 0..<10 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let disk = SimulatedFileSystem()
            let (first, second) = (Self.state(70_000), Self.state(90_000))
            let old = try Self.manifest(8, first)
            let new = try Self.manifest(12, second, number: 8)
            let (directory, store, _) = try Self.open(disk)
            try Self.write(old, first, to: store)
            disk.stop(afterChanges: moment)
            let isDone = (try? Self.write(new, second, to: store, .leader)) != nil
            disk.crash(using: &generator)
            store.close()
            directory.close()
            disk.stop(afterChanges: moment)
            if let (interrupted, _, _) = try? Self.open(disk) { interrupted.close() }
            disk.crash(using: &generator)
            let (again, reopened, found) = try Self.open(disk)
            #expect(found.damaged.isEmpty)
            #expect(found.manifests.contains(old))
            if isDone { #expect(found.manifests == [new, old]) }
            for manifest in found.manifests { try reopened.reader(of: manifest.id).verify() }
            #expect(!(try disk.list("/data/snapshots").contains { $0.hasSuffix(".tmp") }))
            outcomes.insert(found.manifests.count)
            again.close()
        }
        #expect(outcomes.isSubset(of: [1, 2]))
    }

    @Test(
        "A bit that turns over anywhere in the file is seen: in the manifest at the start, in the state when it is read"
    )
    func rot() throws {
        let disk = SimulatedFileSystem()
        let state = Self.state(1500)
        let manifest = try Self.manifest(8, state)
        let (directory, store, _) = try Self.open(disk)
        try Self.write(manifest, state, to: store)
        let path = "/data/snapshots/" + (try disk.list("/data/snapshots")[0])
        directory.close()
        let whole = disk.contents(of: path)!
        for offset in whole.indices where !(12..<16).contains(offset) {
            disk.setContents(of: path, to: whole)
            disk.damage(path, at: offset)
            let (again, reopened, found) = try Self.open(disk)
            if found.manifests.isEmpty {
                #expect(found.damaged.count == 1)
                disk.setContents(of: path + ".broken", to: nil)
            } else {
                #expect(throws: RaftError.self, "offset \(offset)") { try reopened.reader(of: manifest.id).verify() }
            }
            again.close()
        }
    }

    @Test("The newest stays; an older one as long as the log goes on from it; one that is damaged is set aside")
    func prune() throws {
        let disk = SimulatedFileSystem()
        let (directory, store, _) = try Self.open(disk)
        let state = Self.state(10)
        for index in [3, 9, 6] as [UInt64] {
            try Self.write(try Self.manifest(index, state, number: index), state, to: store)
        }
        func held() throws -> [LogIndex] {
            try SnapshotDirectory.inspect("/data", verifies: true, fileSystem: disk).map {
                try $0.manifest.get().last.index
            }
        }
        #expect(try held() == [9, 6, 3])
        try store.prune(endingBefore: 1)
        #expect(try held() == [9, 6])
        try store.prune(endingBefore: 7)
        #expect(try held() == [9])
        try store.setAside(SnapshotID(builder: Incarnation(rawValue: 5), number: 9))
        #expect(try held() == [])
        #expect(try disk.list("/data/snapshots").map { $0.hasSuffix(".broken") } == [true])
        directory.close()
    }

    @Test("A path that is no data directory is refused, and does not read as one without snapshots")
    func wrongPath() throws {
        let disk = SimulatedFileSystem()
        let (directory, _, _) = try Self.open(disk)
        #expect(try SnapshotDirectory.inspect("/data/", verifies: false, fileSystem: disk).isEmpty)
        let refused = #expect(throws: RaftError.self) {
            try SnapshotDirectory.inspect("/elsewhere", verifies: false, fileSystem: disk)
        }
        #expect(refused?.code == .wrongDirectory)
        #expect(refused?.message.contains("/elsewhere is no data directory") == true)
        directory.close()
    }

    @Test("An open snapshot can be read to its end although it was removed")
    func removedWhileOpen() throws {
        let disk = SimulatedFileSystem()
        let (directory, store, _) = try Self.open(disk)
        let state = Self.state(100_000)
        try Self.write(try Self.manifest(3, state), state, to: store)
        let reader = try store.reader(of: try Self.manifest(3, state).id)
        try Self.write(try Self.manifest(9, state, number: 2), state, to: store)
        try store.prune(endingBefore: 9)
        try reader.verify()
        directory.close()
    }

    @Test("A full disk leaves no snapshot and no half of one; the next is written when there is room")
    func fullDisk() throws {
        let disk = SimulatedFileSystem()
        let (directory, store, _) = try Self.open(disk)
        let state = Self.state(200_000)
        let manifest = try Self.manifest(3, state)
        let used = disk.snapshot().values.reduce(0) { $0 + $1.count }
        disk.limitCapacity(used + 100_000)
        #expect(throws: RaftError.self) { try Self.write(manifest, state, to: store) }
        #expect(try disk.list("/data/snapshots").isEmpty)
        disk.limitCapacity(nil)
        try Self.write(manifest, state, to: store)
        try store.reader(of: manifest.id).verify()
        directory.close()
    }

    @Test("A snapshot leaves the cache as it is written, so that a sync beside it waits for little")
    func writtenBack() throws {
        let watched = WatchedFileSystem(SimulatedFileSystem())
        let directory = try openDirectory(watched)
        defer { directory.close() }
        let store = SnapshotDirectory(directory: directory)
        _ = try store.open()
        let writer = try store.begin(.leader)
        let before = watched.seen.withLock { $0.syncs }
        let piece = Self.state(256 << 10)
        for _ in 0..<40 { try writer.write(piece[...]) }
        let (ranges, syncs) = watched.seen.withLock { ($0.ranges, $0.syncs) }
        #expect(ranges.first?.lowerBound == 0 && ranges.last.map { $0.upperBound >= 39 * piece.count } == true)
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        #expect(ranges.allSatisfy { $0.count <= 512 << 10 })
        #expect(syncs == before + 1, "one for 8 MiB")
        writer.abandon()
    }
}

/// Knows of every file what was written back, and how often one was synced.
private final class WatchedFileSystem: ForwardingFileSystem, @unchecked Sendable {
    let seen = Lock<(ranges: [Range<Int>], syncs: Int)>(([], 0))

    override func open(_ path: String, _ mode: OpenMode) throws(RaftError) -> any FileHandle {
        WatchedFile(try super.open(path, mode), self)
    }
}

private final class WatchedFile: FileHandle {
    private let base: any FileHandle
    private let watcher: WatchedFileSystem
    init(_ base: any FileHandle, _ watcher: WatchedFileSystem) {
        self.base = base
        self.watcher = watcher
    }

    var path: String { base.path }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RaftError) -> Int {
        try base.read(into: buffer, at: offset)
    }
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(RaftError) { try base.write(bytes, at: offset) }
    func size() throws(RaftError) -> Int { try base.size() }
    func sync() throws(RaftError) {
        watcher.seen.withLock { $0.syncs += 1 }
        try base.sync()
    }
    func writeBack(_ range: Range<Int>) { watcher.seen.withLock { $0.ranges.append(range) } }
    func tryLock() throws(RaftError) -> Bool { try base.tryLock() }
    func close() { base.close() }
}
