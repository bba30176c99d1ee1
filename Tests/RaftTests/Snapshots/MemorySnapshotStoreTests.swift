import Testing

@testable import Raft

@Suite("Snapshots in memory")
struct MemorySnapshotStoreTests {
    private func write(_ manifest: SnapshotManifest, to store: MemorySnapshotStore) throws {
        let writer = try store.begin(.own)
        try writer.write(testState[..<2])
        try writer.write(testState[2...])
        try writer.commit(manifest)
    }

    @Test("What is committed can be read back; what is not, and what does not match its manifest, is not there")
    func readBack() throws {
        let store = MemorySnapshotStore()
        let abandoned = try store.begin(.leader)
        try abandoned.write(testState[...])
        abandoned.abandon()
        #expect(try store.open().manifests.isEmpty)
        let wrong = try store.begin(.own)
        try wrong.write(testState[1...])
        #expect(throws: RaftError.self) { try wrong.commit(manifest(7, 4)) }
        #expect(try store.open().manifests.isEmpty)
        try write(manifest(7, 4), to: store)
        let reader = try store.reader(of: manifest(7, 4).id)
        #expect(try reader.read(at: 0, maximumBytes: 4) == [1, 2, 3, 4])
        #expect(try reader.read(at: 4, maximumBytes: 4) == [5, 6])
        #expect(try reader.read(at: 6, maximumBytes: 4) == [])
        var contents = SnapshotContents(reader, pieceBytes: 4)
        #expect(try contents.all() == testState)
    }

    @Test("The newest stays, and the one before it as long as the log goes on from it")
    func prune() throws {
        let store = MemorySnapshotStore()
        for index in [3, 9, 6] as [UInt64] { try write(manifest(LogIndex(index), 4, number: index), to: store) }
        #expect(try store.open().manifests.map(\.last.index) == [9, 6, 3])
        try store.prune(endingBefore: 1)
        #expect(try store.open().manifests.map(\.last.index) == [9, 6])
        try store.prune(endingBefore: 7)
        #expect(try store.open().manifests.map(\.last.index) == [9])
        try store.prune(endingBefore: 50)
        #expect(try store.open().manifests.map(\.last.index) == [9])
    }
}
