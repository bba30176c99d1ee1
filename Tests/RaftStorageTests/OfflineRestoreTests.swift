import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("A data directory out of a saved snapshot", .heavy)
struct OfflineRestoreTests {
    private static let new = "/new"
    private static let members = try! ClusterConfiguration(
        voters: [1, 2, 3].map { .init(id: NodeID($0), address: "new\($0):1") })

    private static func restore(
        _ disk: SimulatedFileSystem, file: String = "/files/backup", node: NodeID = 1, seed: UInt64 = 5
    ) throws -> OfflineRestore {
        var generator = SeededGenerator(seed: seed)
        return try OfflineRestore(
            file, cluster: "again", node: node, members: members, fileSystem: disk, using: &generator)
    }

    private static func apply(_ restore: OfflineRestore, into path: String = new) throws(RaftError) {
        try restore.apply(into: path, machine: { Tape() })
    }

    /// What a node would find in the new directory.
    private static func expectRestored(
        _ disk: SimulatedFileSystem, _ path: String = new, node: NodeID = 1, comment: String = ""
    ) throws {
        let directory = try openDirectory(disk, path, cluster: "again", node: node, mode: .existing)
        defer { directory.close() }
        let log = try SegmentedLog(directory: directory)
        let recovered = try log.open()
        defer { log.close() }
        #expect(recovered.hardState == HardState(currentTerm: 4) && recovered.last == .zero, "\(comment)")
        let snapshots = SnapshotDirectory(directory: directory)
        let found = try snapshots.open()
        #expect(found.damaged.isEmpty && found.manifests.count == 1, "\(comment)")
        let manifest = try #require(found.manifests.first)
        #expect(manifest.last == LogID(term: 4, index: 41) && manifest.configuration == members, "\(comment)")
        #expect(manifest.id.builder == directory.identity.incarnation, "\(comment)")
        var contents = SnapshotContents(try snapshots.reader(of: manifest.id))
        #expect(try contents.all() == SavedSnapshotTests.state, "\(comment)")
        // Nobody has been met: it is an initial member, and may vote.
        let peers = try directory.peers()
        #expect((1...3).allSatisfy { peers.incarnation(of: NodeID($0)) == nil }, "\(comment)")
    }

    @Test("Each member begins behind the file's state, in a life of its own, with one birth mark")
    func whole() throws {
        let disk = try SavedSnapshotTests.disk()
        try SavedSnapshotTests.save(disk)
        var steps: [OfflineRestore.Progress] = []
        let seen = Lock<[OfflineRestore.Progress]>([])
        for node in 1...3 as ClosedRange<UInt64> {
            let restore = try Self.restore(disk, node: NodeID(node), seed: node)
            try restore.apply(
                into: "/new\(node)", machine: { Tape() }, progress: { step in seen.withLock { $0.append(step) } })
            try Self.expectRestored(disk, "/new\(node)", node: NodeID(node))
        }
        steps = seen.withLock { $0 }
        let all = UInt64(SavedSnapshotTests.state.count)
        #expect(steps.contains(.checking(all, of: all)) && steps.last == .writing(all, of: all))
        let plans = try (1...3 as ClosedRange<UInt64>).map { try Self.restore(disk, node: NodeID($0), seed: $0).plan }
        #expect(Set(plans.map(\.mark)).count == 1 && Set(plans.map(\.incarnation)).count == 3)
        // Once is enough.
        let error = #expect(throws: RaftError.self) { try Self.apply(try Self.restore(disk), into: "/new1") }
        #expect(error?.code == .wrongDirectory)
        try Self.expectRestored(disk, "/new1")
    }

    @Test("A crash at any change leaves no data directory or all of it, and the same call again finishes it")
    func crash() throws {
        let whole = try SavedSnapshotTests.disk()
        try SavedSnapshotTests.save(whole)
        let first = whole.changeCount
        try Self.apply(try Self.restore(whole))
        var unfinished = 0
        for moment in 0...(whole.changeCount - first) {
            for seed in 1...3 as ClosedRange<UInt64> {
                let disk = try SavedSnapshotTests.disk()
                try SavedSnapshotTests.save(disk)
                disk.stop(afterChanges: moment)
                let isDone = (try? Self.apply(try Self.restore(disk))) != nil
                var generator = SeededGenerator(seed: seed)
                if seed == 1 { disk.killProcess() } else { disk.crash(using: &generator) }
                let comment = "after \(moment) changes, seed \(seed)"
                switch try DataDirectory.contents(of: Self.new, fileSystem: disk) {
                case .ours: break
                case .empty, .foreign:
                    #expect(!isDone, "\(comment)")
                    unfinished += 1
                    #expect(throws: RaftError.self) {
                        try openDirectory(disk, Self.new, cluster: "again", mode: .existing)
                    }
                    try Self.apply(try Self.restore(disk, seed: 9))
                }
                try Self.expectRestored(disk, comment: comment)
            }
        }
        #expect(unfinished > 20)
    }

    @Test("A damaged file, one of another state machine, and a place that is not free leave no data directory")
    func refused() throws {
        let disk = try SavedSnapshotTests.disk()
        #expect(throws: RaftError.self) { try Self.restore(disk) }
        try SavedSnapshotTests.save(disk)
        #expect(throws: RaftError.self) { try Self.restore(disk, node: 4) }

        let restore = try Self.restore(disk)
        disk.damage("/files/backup", at: 90_000)
        var error = #expect(throws: RaftError.self) { try Self.apply(restore) }
        #expect(error?.code == .corrupt)
        disk.damage("/files/backup", at: 90_000)
        error = #expect(throws: RaftError.self) { try restore.apply(into: Self.new, machine: { Picky() }) }
        #expect(error?.message == "not mine")
        #expect(throws: RaftError.self) {
            try openDirectory(disk, Self.new, cluster: "again", mode: .existing)
        }
        try Self.apply(restore)
        try Self.expectRestored(disk)

        try disk.makeDirectory("/full")
        disk.setContents(of: "/full/letter", to: [1])
        error = #expect(throws: RaftError.self) { try Self.apply(restore, into: "/full") }
        #expect(error?.code == .wrongDirectory && disk.contents(of: "/full/letter") == [1])
    }
}

/// A machine that takes nothing over.
private struct Picky: StateMachine {
    mutating func apply(_ command: Tape.Piece, at id: LogID) -> Int { 0 }
    static let makesSnapshots = true
    mutating func snapshot() -> StateSnapshot { StateSnapshot { _ in } }
    mutating func restore(_ contents: inout SnapshotContents, through last: LogID) throws {
        throw RaftError(.corrupt, "not mine")
    }
}
