import Testing

@testable import Raft

@Suite("A state as bytes")
struct StateSnapshotTests {
    @Test("Contents come front to back, and bytes that are not those of the manifest are an error at the end")
    func contents() throws {
        var contents = SnapshotContents(SnapshotInMemory(manifest: manifest(7, 4), bytes: testState), pieceBytes: 4)
        #expect(try contents.next() == [1, 2, 3, 4])
        #expect(try contents.next() == [5, 6])
        #expect(try contents.next() == nil)
        var wrong = SnapshotContents(SnapshotInMemory(manifest: manifest(7, 4), bytes: [1, 2, 3, 4, 5, 7]))
        _ = try wrong.next()
        #expect(throws: RaftError.self) { try wrong.next() }
        var short = SnapshotContents(SnapshotInMemory(manifest: manifest(7, 4), bytes: [1, 2, 3]))
        _ = try short.next()
        #expect(throws: RaftError.self) { try short.next() }
    }
}
