import Testing

@testable import Raft

@Suite("A snapshot's manifest")
struct SnapshotManifestTests {
    @Test("Bytes give back what they were made of")
    func roundTrip() throws {
        var snapshot = manifest(7, 4, voters: [1, 2, 5], configured: LogID(3, 2))
        #expect(try SnapshotManifest(decoding: snapshot.encoded) == snapshot)
        snapshot.bootstrap = nil
        #expect(try SnapshotManifest(decoding: snapshot.encoded) == snapshot)
    }

    @Test("With sessions in front of the state it has another version, which an older program refuses")
    func sessions() throws {
        var snapshot = manifest(7, 4)
        let plain = snapshot.encoded
        snapshot.sessionBytes = 5
        let bytes = snapshot.encoded
        #expect(plain[0] == 1 && bytes[0] == 2 && bytes.count == plain.count + 8)
        #expect(try SnapshotManifest(decoding: bytes) == snapshot)
        snapshot.sessionBytes = snapshot.byteCount + 1
        #expect(throws: RaftError.self) { try SnapshotManifest(decoding: snapshot.encoded) }
        // Version 2 without sessions would be a second way to say the same.
        let none =
            bytes.prefix(plain.count - manifest(7, 4).configuration.encoded.count) + [UInt8](repeating: 0, count: 8)
        #expect(throws: RaftError.self) {
            try SnapshotManifest(decoding: none + manifest(7, 4).configuration.encoded)
        }
    }

    @Test("Cut at any byte, or with one too many, the bytes are no manifest")
    func damaged() {
        let bytes = manifest(7, 4, configured: LogID(3, 2)).encoded
        for count in 0..<bytes.count {
            #expect(throws: RaftError.self, "\(count) bytes") { try SnapshotManifest(decoding: bytes[..<count]) }
        }
        #expect(throws: RaftError.self) { try SnapshotManifest(decoding: bytes + [0]) }
    }

    @Test("What cannot be is refused: no last entry, and a configuration after it")
    func impossible() {
        #expect(throws: RaftError.self) { try SnapshotManifest(decoding: manifest(0, 0).encoded) }
        #expect(throws: RaftError.self) {
            try SnapshotManifest(decoding: manifest(7, 4, configured: LogID(8, 4)).encoded)
        }
        #expect(throws: RaftError.self) {
            try SnapshotManifest(decoding: manifest(7, 4, configured: LogID(6, 5)).encoded)
        }
    }

    @Test("It names itself in one line")
    func description() {
        #expect("\(manifest(7, 4))" == "snapshot 0000000000000009-1 through 7@4 (6 bytes)")
    }
}
