import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("Snapshots in files of their own", .heavy)
struct SavedSnapshotTests {
    static let state = (0..<150_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    static let members = try! ClusterConfiguration(voters: [.init(id: 1, address: "old:1")])

    static func manifest(_ state: [UInt8] = state, sessionBytes: UInt64 = 0) -> SnapshotManifest {
        SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: 5), number: 7), last: LogID(term: 3, index: 40),
            configuration: members, configurationID: LogID(term: 0, index: 1), bootstrap: 9,
            byteCount: UInt64(state.count), checksum: SnapshotChecksum.of(state[...]), sessionBytes: sessionBytes)
    }

    /// With a directory for files.
    static func disk() throws -> SimulatedFileSystem {
        let disk = SimulatedFileSystem()
        try disk.makeDirectory("/files")
        try disk.syncDirectory("/")
        return disk
    }

    static func save(
        _ disk: SimulatedFileSystem, _ path: String = "/files/backup", _ state: [UInt8] = state, replacing: Bool = false
    ) throws {
        let writer = try SavedSnapshot.write(path, replacing: replacing, fileSystem: disk)
        try writer.write(state[..<(state.count / 2)])
        try writer.write(state[(state.count / 2)...])
        try writer.commit(manifest(state))
    }

    private static func expectRefusal(_ reason: String, _ body: () throws -> Void) {
        let error = #expect(throws: RaftError.self, performing: body)
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    }

    @Test("What is saved is read back, under any name, and so is a snapshot out of a data directory")
    func readBack() throws {
        let disk = try Self.disk()
        try Self.save(disk)
        let saved = try SavedSnapshot("/files/backup", fileSystem: disk)
        #expect(saved.manifest == Self.manifest())
        try saved.verify()
        var contents = SnapshotContents(saved.reader)
        #expect(try contents.all() == Self.state)
        #expect(disk.contents(of: "/files/backup.tmp") == nil)

        let directory = try openDirectory(disk)
        let store = SnapshotDirectory(directory: directory)
        _ = try store.open()
        let writer = try store.begin(.own)
        try writer.write(Self.state[...])
        try writer.commit(Self.manifest())
        directory.close()
        let file = try #require(disk.snapshot().keys.first { $0.hasSuffix(".snapshot") })
        #expect(disk.contents(of: file) == disk.contents(of: "/files/backup"))
        try SavedSnapshot(file, fileSystem: disk).verify()
    }

    @Test("A crash at any change leaves no file or all of it, and of an older one that it replaces all of one of them")
    func crash() throws {
        let whole = try Self.disk()
        let first = whole.changeCount
        try Self.save(whole)
        var outcomes: Set<Int> = []
        for isReplacing in [false, true] {
            for moment in 0...(whole.changeCount - first) {
                for seed in 1...3 as ClosedRange<UInt64> {
                    let disk = try Self.disk()
                    if isReplacing { try Self.save(disk, "/files/backup", [1, 2, 3]) }
                    disk.stop(afterChanges: moment)
                    let isDone = (try? Self.save(disk, replacing: isReplacing)) != nil
                    var generator = SeededGenerator(seed: seed)
                    if seed == 1 { disk.killProcess() } else { disk.crash(using: &generator) }
                    let comment = "after \(moment) changes, seed \(seed)"
                    if try disk.kind(of: "/files/backup") == nil {
                        #expect(!isReplacing && !isDone, "\(comment)")
                        outcomes.insert(0)
                    } else {
                        let saved = try SavedSnapshot("/files/backup", fileSystem: disk)
                        try saved.verify()
                        #expect(!isDone || saved.manifest == Self.manifest(), "\(comment)")
                        outcomes.insert(saved.manifest == Self.manifest() ? 2 : 1)
                    }
                    // The same again finishes it.
                    try Self.save(disk, replacing: true)
                    try SavedSnapshot("/files/backup", fileSystem: disk).verify()
                }
            }
        }
        #expect(outcomes == [0, 1, 2])
    }

    @Test("A file that is there is kept unless it is to be replaced; two writers of one file do not mix")
    func refusesToWrite() throws {
        let disk = try Self.disk()
        try Self.save(disk)
        Self.expectRefusal("there is a file /files/backup already") { try Self.save(disk) }
        try disk.makeDirectory("/folder")
        Self.expectRefusal("/folder is no file") { try Self.save(disk, "/folder", replacing: true) }
        Self.expectRefusal("there is no directory /nowhere") { try Self.save(disk, "/nowhere/backup") }
        let first = try SavedSnapshot.write("/files/two", replacing: false, fileSystem: disk)
        Self.expectRefusal("another process writes /files/two already") { try Self.save(disk, "/files/two") }
        try first.write([1])
        first.abandon()
        #expect(try disk.kind(of: "/files/two.tmp") == nil && disk.kind(of: "/files/two") == nil)
        // What was received is compared with what the snapshot says of itself.
        let other = try SavedSnapshot.write("/files/two", replacing: false, fileSystem: disk)
        try other.write(Self.state.dropLast())
        Self.expectRefusal("bytes with checksum") { try other.commit(Self.manifest()) }
        other.abandon()
        #expect(try disk.kind(of: "/files/two") == nil)
    }

    @Test("What is no snapshot, or not as it was written, is refused with what is wrong and where")
    func refusesToRead() throws {
        let disk = try Self.disk()
        func expectRefused(_ reason: String, _ path: String = "/files/backup") {
            Self.expectRefusal(reason) { try SavedSnapshot(path, fileSystem: disk).verify() }
        }
        expectRefused("there is no file /files/backup")
        try disk.makeDirectory("/folder")
        expectRefused("/folder is no file", "/folder")
        try Self.save(disk)
        let bytes = try #require(disk.contents(of: "/files/backup"))
        for part in [[], [UInt8](repeating: 7, count: 100_000), bytes.dropLast(), bytes + [0]] as [[UInt8]] {
            disk.setContents(of: "/files/backup", to: Array(part))
            expectRefused("this is no saved snapshot, or not a whole one")
        }
        for (offset, reason) in [
            (3, "does not begin"), (100_000, "checksum"), (bytes.count - 30, "manifest's checksum"),
        ] {
            disk.setContents(of: "/files/backup", to: bytes)
            disk.damage("/files/backup", at: offset)
            expectRefused(reason)
        }
        disk.setContents(of: "/files/backup", to: bytes)
        try SavedSnapshot("/files/backup", fileSystem: disk).verify()
    }
}
