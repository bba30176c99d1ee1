import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

/// A machine that keeps every byte it was given.
struct Tape: StateMachine {
    struct Piece: ReplicatedCommand {
        var bytes: [UInt8]
        func encode(into target: inout [UInt8]) { target += bytes }
        init(decoding bytes: ArraySlice<UInt8>) { self.bytes = Array(bytes) }
    }
    var bytes: [UInt8] = []
    mutating func apply(_ command: Piece, at id: LogID) -> Int {
        bytes += command.bytes
        return bytes.count
    }
    static let makesSnapshots = true
    mutating func snapshot() -> StateSnapshot { StateSnapshot { [bytes] write in try write(bytes[...]) } }
    mutating func restore(_ contents: inout SnapshotContents, through last: LogID) throws { bytes = try contents.all() }
}

@Suite("Recovery of a directory whose cluster has lost its quorum", .heavy)
struct OfflineRecoveryTests {
    private static let members = try! ClusterConfiguration(
        voters: [1, 2, 3].map { .init(id: NodeID($0), address: "host\($0):1") })
    private static let old = "/data", new = "/new"

    /// Node 1 with the members and thirty commands, in term 4.
    private static func prepare(_ disk: SimulatedFileSystem, _ path: String = old, node: NodeID = 1, count: Int = 30)
        throws
    {
        let directory = try openDirectory(disk, path, node: node)
        defer { directory.close() }
        let log = try SegmentedLog(directory: directory, segmentBytes: 4096)
        _ = try log.open()
        var builder = EntryBatch.Builder(first: 1, term: 0)
        builder.append(.configuration, members.encoded)
        try log.write([
            .hardState(HardState(currentTerm: 4, votedFor: 2)), .append(builder.finish()!),
            .append(entries(2, term: 4, sizes: [Int](repeating: 100, count: count))),
        ])
        log.close()
    }

    private static func recovery(
        _ disk: SimulatedFileSystem, comparing others: [String] = [], seed: UInt64 = 5
    ) throws(RaftError) -> OfflineRecovery {
        var generator = SeededGenerator(seed: seed)
        return try OfflineRecovery(data: old, comparing: others, fileSystem: disk, using: &generator)
    }

    private static func apply(_ recovery: OfflineRecovery) throws(RaftError) {
        try recovery.apply(into: new, settings: Configuration(id: 1), machine: { Tape() })
    }

    /// What a node would find in the new directory.
    private static func expectRecovered(_ disk: SimulatedFileSystem, _ comment: String = "") throws {
        let directory = try openDirectory(disk, new, mode: .existing)
        defer { directory.close() }
        let log = try SegmentedLog(directory: directory)
        let recovered = try log.open()
        defer { log.close() }
        #expect(recovered.hardState == HardState(currentTerm: 5) && recovered.last == .zero, "\(comment)")
        #expect(recovered.incarnation == directory.identity.incarnation, "\(comment)")
        let snapshots = SnapshotDirectory(directory: directory)
        let found = try snapshots.open()
        #expect(found.damaged.isEmpty && found.manifests.count == 1, "\(comment)")
        let manifest = try #require(found.manifests.first)
        #expect(manifest.last == LogID(term: 5, index: 32), "\(comment)")
        #expect(manifest.configuration.voters == [1] && manifest.configuration.removed.map(\.id) == [1, 2, 3])
        #expect(manifest.configuration.member(1)?.incarnation == directory.identity.incarnation)
        var contents = SnapshotContents(try snapshots.reader(of: manifest.id))
        let expected = (2...31 as ClosedRange<UInt64>).flatMap { index in
            [UInt8](repeating: UInt8(truncatingIfNeeded: index &* 7 &+ 4 * 31) | 1, count: 100)
        }
        #expect(try contents.all() == expected, "\(comment)")
    }

    @Test(
        "The plan changes nothing; applied, there is another life with all of the state, and the old one never starts")
    func whole() throws {
        let disk = SimulatedFileSystem()
        try Self.prepare(disk)
        func files() -> [String: [UInt8]] {
            disk.snapshot().filter { $0.key.hasPrefix("/data/") && !$0.key.hasSuffix("lock") }
        }
        let before = files()
        let recovery = try Self.recovery(disk)
        #expect(recovery.plan.survivor.last == LogID(term: 4, index: 31))
        #expect(files() == before)
        try Self.apply(recovery)
        recovery.close()
        try Self.expectRecovered(disk)
        var after = files()
        let mark = after.removeValue(forKey: "/data/recovered")
        #expect(after == before && mark == Array("/new\n".utf8))
        let error = #expect(throws: RaftError.self) { try openDirectory(disk, mode: .existing) }
        #expect(error?.message.contains("goes on in /new") == true)
        #expect(throws: RaftError.self) { try Self.recovery(disk) }
        #expect(try OfflineRecovery.finish(data: Self.old, into: Self.new, fileSystem: disk))
        #expect(files().count == before.count + 1)
    }

    @Test("A crash at any change leaves the old directory or the new one whole, and the same call again finishes it")
    func crash() throws {
        let whole = SimulatedFileSystem()
        try Self.prepare(whole)
        let first = whole.changeCount
        let recovery = try Self.recovery(whole)
        try Self.apply(recovery)
        recovery.close()
        var unfinished = 0
        var unmarked = 0
        for moment in 0...(whole.changeCount - first) {
            for seed in 1...3 as ClosedRange<UInt64> {
                let disk = SimulatedFileSystem()
                try Self.prepare(disk)
                var generator = SeededGenerator(seed: seed)
                disk.stop(afterChanges: moment)
                if let recovery = try? Self.recovery(disk) {
                    try? Self.apply(recovery)
                    recovery.close()
                }
                if seed == 1 { disk.killProcess() } else { disk.crash(using: &generator) }
                let comment = "after \(moment) changes, seed \(seed)"
                switch try DataDirectory.contents(of: Self.new, fileSystem: disk) {
                case .ours:
                    let isMarked = disk.contents(of: "/data/recovered") != nil
                    if !isMarked { unmarked += 1 }
                    #expect(try OfflineRecovery.finish(data: Self.old, into: Self.new, fileSystem: disk), "\(comment)")
                case .empty, .foreign:
                    unfinished += 1
                    // No node begins on what there is of it.
                    #expect(throws: RaftError.self) { try openDirectory(disk, Self.new, mode: .existing) }
                    #expect(try !OfflineRecovery.finish(data: Self.old, into: Self.new, fileSystem: disk), "\(comment)")
                    try openDirectory(disk, mode: .existing).close()
                    let again = try Self.recovery(disk, seed: 9)
                    try Self.apply(again)
                    again.close()
                }
                try Self.expectRecovered(disk, comment)
                #expect(throws: RaftError.self, "\(comment)") { try openDirectory(disk, mode: .existing) }
            }
        }
        #expect(unfinished > 20 && unmarked > 5)
    }

    @Test("A half-made directory is none that a first start takes for empty")
    func halfMade() throws {
        let disk = SimulatedFileSystem()
        try Self.prepare(disk)
        let recovery = try Self.recovery(disk)
        disk.failNext(.sync, at: "/new/snapshots")
        #expect(throws: RaftError.self) { try Self.apply(recovery) }
        let error = #expect(throws: RaftError.self) { try openDirectory(disk, Self.new, mode: .create) }
        #expect(error?.message.contains("not whole") == true)
        recovery.close()
        try openDirectory(disk, mode: .existing).close()
    }

    @Test("It is refused while a node uses the directory, where there is no data, on damage, and into what is not free")
    func refused() throws {
        let disk = SimulatedFileSystem()
        #expect(throws: RaftError.self) { try Self.recovery(disk) }
        try Self.prepare(disk)
        let running = try openDirectory(disk, mode: .existing)
        let error = #expect(throws: RaftError.self) { try Self.recovery(disk) }
        #expect(error?.message.contains("in use") == true)
        running.close()

        try Self.prepare(disk, "/two", node: 2, count: 31)
        let behind = #expect(throws: RaftError.self) { try Self.recovery(disk, comparing: ["/two"]) }
        #expect(behind?.message.contains("majority") == true || behind?.message.contains("holds more") == true)

        let recovery = try Self.recovery(disk)
        try openDirectory(disk, Self.new).close()
        let taken = #expect(throws: RaftError.self) { try Self.apply(recovery) }
        #expect(taken?.code == .wrongDirectory)
        recovery.close()
        #expect(try !OfflineRecovery.finish(data: Self.old, into: Self.new, fileSystem: disk))

        disk.damage(firstSegment, at: 2000)
        let damaged = #expect(throws: RaftError.self) { try Self.recovery(disk) }
        #expect(damaged?.code == .corrupt)
    }

    @Test("A damaged snapshot is no reason to go on without it; newer formats are not touched")
    func damage() throws {
        let disk = SimulatedFileSystem()
        try Self.prepare(disk)
        let bytes = [UInt8](repeating: 7, count: 70_000)
        let manifest = SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: 5), number: 7), last: LogID(term: 4, index: 200),
            configuration: Self.members, configurationID: LogID(term: 0, index: 1), bootstrap: 9,
            byteCount: UInt64(bytes.count), checksum: SnapshotChecksum.of(bytes[...]))
        let directory = try openDirectory(disk, mode: .existing)
        let store = SnapshotDirectory(directory: directory)
        _ = try store.open()
        let writer = try store.begin(.leader)
        try writer.write(bytes[...])
        try writer.commit(manifest)
        directory.close()
        var recovery = try Self.recovery(disk)
        #expect(recovery.plan.survivor.last == LogID(term: 4, index: 200))
        #expect(recovery.plan.id == LogID(term: 5, index: 201))
        recovery.close()
        let file = try #require(disk.snapshot().keys.first { $0.hasSuffix(".snapshot") })
        for offset in [1000, disk.contents(of: file)!.count - 30] {
            disk.damage(file, at: offset)
            let error = #expect(throws: RaftError.self) { try Self.recovery(disk) }
            #expect(error?.code == .corrupt && error?.message.contains("damaged snapshot") == true)
            disk.damage(file, at: offset)
        }
        recovery = try Self.recovery(disk)
        recovery.close()
        let identity = String(decoding: try #require(disk.contents(of: "/data/identity")), as: UTF8.self)
        disk.setContents(
            of: "/data/identity",
            to: Array(
                identity.split(separator: "\n", omittingEmptySubsequences: false)
                    .map { $0 == "format 1" ? "format 9" : $0 }.joined(separator: "\n").utf8))
        let newer = #expect(throws: RaftError.self) { try Self.recovery(disk) }
        #expect(newer?.code == .wrongDirectory)
    }
}
