import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("A data directory", .heavy)
struct DataDirectoryTests {
    private let identityPath = "/data/identity"

    private func expectRefused(
        _ disk: SimulatedFileSystem, cluster: String = "test", node: NodeID = 1, mode: DataDirectory.Mode = .create,
        code: RaftError.Code = .wrongDirectory, saying text: String...
    ) {
        let before = disk.snapshot()
        let changes = disk.changeCount
        let refusal = error(code) { _ = try openDirectory(disk, cluster: cluster, node: node, mode: mode) }
        for part in text { #expect(refusal?.message.contains(part) == true, "\(refusal?.message ?? "")") }
        let isUnchanged = disk.snapshot() == before && disk.changeCount == changes
        #expect(isUnchanged)
    }

    @Test("A new one is made with its parents, and found again with the same incarnation")
    func create() throws {
        let disk = SimulatedFileSystem()
        let made = try openDirectory(disk, "/var/lib/raft")
        #expect(made.isNew)
        #expect(made.identity.cluster == "test")
        #expect(made.identity.node == 1)
        made.close()
        let found = try openDirectory(disk, "/var/lib/raft", mode: .existing, seed: 2)
        #expect(!found.isNew)
        #expect(found.identity == made.identity)
        found.close()
        let again = try openDirectory(disk, "/var/lib/raft", mode: .create, seed: 3)
        #expect(!again.isNew)
        #expect(again.identity == made.identity)
        #expect(try DataDirectory.contents(of: "/var/lib/raft", fileSystem: disk) == .ours(made.identity))
    }

    @Test("Each new one has another incarnation")
    func incarnations() throws {
        let drawn = try (0..<20).map { try openDirectory(SimulatedFileSystem(), seed: $0).identity.incarnation }
        #expect(Set(drawn).count == 20)
    }

    @Test("An absent or empty directory is refused where one must be")
    func existing() throws {
        let disk = SimulatedFileSystem()
        #expect(try DataDirectory.contents(of: directoryPath, fileSystem: disk) == .empty)
        expectRefused(disk, mode: .existing, saying: directoryPath, "empty")
        try disk.makeDirectory(directoryPath)
        expectRefused(disk, mode: .existing, saying: "empty", "Bootstrap")
    }

    @Test("Another node's or cluster's directory is refused, untouched, with both names")
    func foreign() throws {
        let disk = SimulatedFileSystem()
        try OpenLog(disk).close()
        expectRefused(disk, node: 2, saying: "node 1", "node 2")
        expectRefused(disk, cluster: "prod", saying: "\"test\"", "\"prod\"")
        expectRefused(disk, cluster: "prod", mode: .existing, saying: "\"test\"")
    }

    @Test("A directory that somebody else uses for something is refused, untouched")
    func notOurs() throws {
        let disk = SimulatedFileSystem()
        disk.setContents(of: "/file", to: [1])
        _ = error(.wrongDirectory) { _ = try openDirectory(disk, "/file") }
        try disk.makeDirectory(directoryPath)
        disk.setContents(of: "/data/photos", to: [1])
        expectRefused(disk, saying: "not a data directory", "photos")
        disk.setContents(of: "/data/photos", to: nil)
        try openDirectory(disk).close()
        let log = try OpenLog(disk)
        try log.log.write([.append(entries(1, term: 1, sizes: [1]))])
        log.close()
        disk.setContents(of: identityPath, to: nil)
        expectRefused(disk, saying: "no identity file", "log that is not empty")
        disk.setContents(of: firstSegment, to: nil)
        disk.setContents(of: secondSegment, to: [1])
        expectRefused(disk, saying: "no identity file", "log that is not empty")
    }

    @Test("A damaged identity stops the start, whichever byte it is; nothing is changed")
    func damagedIdentity() throws {
        let disk = SimulatedFileSystem()
        try openDirectory(disk).close()
        let bytes = try #require(disk.contents(of: identityPath))
        for offset in bytes.indices {
            disk.damage(identityPath, at: offset, mask: 2)
            let before = disk.snapshot()
            #expect(throws: RaftError.self) { _ = try openDirectory(disk) }
            let isUnchanged = disk.snapshot() == before
            #expect(isUnchanged)
            disk.damage(identityPath, at: offset, mask: 2)
        }
        for count in bytes.indices {
            disk.setContents(of: identityPath, to: Array(bytes[..<count]))
            expectRefused(disk, code: .corrupt, saying: identityPath)
        }
    }

    @Test("A newer format is refused by its number, whatever else the file says")
    func newerFormat() throws {
        let disk = SimulatedFileSystem()
        try openDirectory(disk).close()
        disk.setContents(of: identityPath, to: Array("swift-raft data directory\nformat 2\nsomething new\n".utf8))
        expectRefused(disk, saying: "format 2", "up to 1", "newer")
        expectRefused(disk, mode: .existing, saying: "format 2")
    }

    @Test("A second user is refused by the first one's process id, until the first one closes")
    func locked() throws {
        let disk = SimulatedFileSystem()
        let first = try openDirectory(disk)
        let refusal = error(.wrongDirectory) { _ = try openDirectory(disk) }
        #expect(refusal?.message.contains("process 1.") == true)
        first.close()
        try openDirectory(disk).close()
    }

    @Test("Names and ids that cannot be are refused")
    func names() throws {
        let disk = SimulatedFileSystem()
        for cluster in ["", "a\nb", String(repeating: "x", count: 256)] {
            expectRefused(disk, cluster: cluster, code: .invalidConfiguration)
        }
        expectRefused(disk, node: 0, code: .invalidConfiguration)
        _ = error(.invalidConfiguration) { _ = try openDirectory(disk, "") }
    }

    @Test("After a crash at any moment of its making it is empty or whole, and can be made")
    func crashWhileMaking() throws {
        var outcomes: Set<Bool> = []
        for moment in 0..<24 {
            for seed in 0..<25 as Range<UInt64> {
                var generator = SeededGenerator(seed: seed)
                let disk = SimulatedFileSystem()
                disk.stop(afterChanges: moment)
                let made = try? openDirectory(disk)
                if seed % 5 == 0 { disk.killProcess() } else { disk.crash(using: &generator) }
                let contents = try DataDirectory.contents(of: directoryPath, fileSystem: disk)
                if let made {
                    #expect(contents == .ours(made.identity), "moment \(moment), seed \(seed)")
                } else if case .foreign(let reason) = contents {
                    Issue.record("moment \(moment), seed \(seed): \(reason)")
                }
                outcomes.insert(contents == .empty)
                let store = try OpenLog(disk)
                #expect(store.recovered.last == .zero)
                #expect(store.recovered.hardState == HardState())
                #expect(store.recovered.incarnation == store.directory.identity.incarnation)
                store.close()
            }
        }
        #expect(outcomes == [true, false])
    }

    @Test("What a dead process made is made durable before it is used")
    func syncedAtStart() throws {
        for moment in 0..<24 {
            var generator = SeededGenerator(seed: 7)
            let disk = SimulatedFileSystem()
            disk.stop(afterChanges: moment)
            _ = try? openDirectory(disk)
            disk.killProcess()
            let store = try OpenLog(disk)
            let incarnation = store.recovered.incarnation
            try store.log.write([
                .hardState(HardState(currentTerm: 4)), .append(entries(1, term: 4, sizes: [3000, 3000])),
            ])
            disk.crash(using: &generator)
            store.close()
            let again = try OpenLog(disk)
            #expect(again.recovered.incarnation == incarnation)
            #expect(again.recovered.hardState.currentTerm == 4)
            #expect(again.recovered.last == LogID(term: 4, index: 2))
            again.close()
        }
    }

    // Found by raft-simulate --crash-states: a dead process had made the first of three directories.
    @Test("Directories above it that a dead process made are made durable too")
    func parentsSyncedAtStart() throws {
        let path = "/several/nodes/data"
        for moment in 0..<12 {
            for seed in 0..<8 as Range<UInt64> {
                var generator = SeededGenerator(seed: seed)
                let disk = SimulatedFileSystem()
                disk.stop(afterChanges: moment)
                _ = try? openDirectory(disk, path)
                disk.killProcess()
                let made = try openDirectory(disk, path)
                disk.crash(using: &generator)
                #expect(
                    try DataDirectory.contents(of: path, fileSystem: disk) == .ours(made.identity),
                    "moment \(moment), seed \(seed)")
            }
        }
    }
}
