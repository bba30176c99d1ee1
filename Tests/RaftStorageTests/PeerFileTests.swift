import Raft
import RaftSimulation
import TestTraits
import Testing

@testable import RaftStorage

@Suite("What a data directory remembers of the other members", .heavy)
struct PeerFileTests {
    private func directory(_ fileSystem: SimulatedFileSystem) throws -> DataDirectory {
        var random = RandomSource(seed: 1)
        return try DataDirectory.open(
            "/data", cluster: "test", node: 1, mode: .create, fileSystem: fileSystem, using: &random)
    }

    @Test("What was remembered survives a power failure")
    func survives() throws {
        let fileSystem = SimulatedFileSystem()
        let peers = try directory(fileSystem).peers()
        #expect(peers.incarnation(of: 2) == nil)
        try peers.remember(Incarnation(rawValue: 0xABC), of: 2)
        try peers.remember(Incarnation(rawValue: 0xDEF), of: 3)
        var random = RandomSource(seed: 2)
        fileSystem.crash(using: &random)
        let again = try directory(fileSystem).peers()
        #expect(again.incarnation(of: 2) == Incarnation(rawValue: 0xABC))
        #expect(again.incarnation(of: 3) == Incarnation(rawValue: 0xDEF))
    }

    @Test("A crash in the middle leaves what was remembered before, or all of it", arguments: 0..<8)
    func crashes(changes: Int) throws {
        let fileSystem = SimulatedFileSystem()
        let peers = try directory(fileSystem).peers()
        try peers.remember(Incarnation(rawValue: 5), of: 2)
        fileSystem.stop(afterChanges: changes)
        let isDone = (try? peers.remember(Incarnation(rawValue: 6), of: 3)) != nil
        var random = RandomSource(seed: UInt64(changes))
        fileSystem.crash(using: &random)
        let again = try directory(fileSystem).peers()
        #expect(again.incarnation(of: 2) == Incarnation(rawValue: 5))
        if isDone { #expect(again.incarnation(of: 3) == Incarnation(rawValue: 6)) }
    }

    @Test("Any flipped bit is found, and nothing is forgotten silently")
    func rot() throws {
        let fileSystem = SimulatedFileSystem()
        let opened = try directory(fileSystem)
        try opened.peers().remember(Incarnation(rawValue: 0xABC), of: 2)
        let bytes = try #require(fileSystem.contents(of: "/data/peers"))
        for offset in bytes.indices {
            fileSystem.damage("/data/peers", at: offset)
            let error = #expect(throws: RaftError.self) { try opened.peers() }
            #expect(error?.code == .corrupt)
            fileSystem.damage("/data/peers", at: offset)
        }
        #expect(try opened.peers().incarnation(of: 2) != nil)
    }
}
