import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("The vote file", .heavy)
struct VoteFileTests {
    private let path = "/data/vote"
    private let first = HardState(currentTerm: 7, votedFor: 2)
    private let second = HardState(currentTerm: 8, votedFor: 3)

    private func written() throws -> SimulatedFileSystem {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        try store.log.write([.hardState(first)])
        try store.log.write([.hardState(second)])
        store.close()
        return disk
    }

    private func recovered(_ disk: SimulatedFileSystem) throws -> HardState {
        let store = try OpenLog(disk)
        defer { store.close() }
        return store.recovered.hardState
    }

    @Test("Term and vote survive, a vote for nobody too")
    func roundTrip() throws {
        let disk = try written()
        #expect(try recovered(disk) == second)
        let store = try OpenLog(disk)
        try store.log.write([.hardState(HardState(currentTerm: 9))])
        store.close()
        #expect(try recovered(disk) == HardState(currentTerm: 9, votedFor: nil))
    }

    @Test(
        "One damaged copy, any byte of it: the other counts, and the damaged one is written again",
        arguments: [0, 4096])
    func oneBadCopy(copy: Int) throws {
        let disk = try written()
        let whole = try #require(disk.contents(of: path))
        for byte in 0..<48 {
            disk.damage(path, at: copy + byte, mask: 0x11)
            #expect(try recovered(disk) == second)
            #expect(disk.contents(of: path) == whole)
        }
    }

    @Test("Two damaged copies stop the start, which changes nothing and says what to do")
    func twoBadCopies() throws {
        let disk = try written()
        disk.damage(path, at: 20)
        disk.damage(path, at: 4096 + 40)
        let before = disk.contents(of: path)
        let refusal = error(.corrupt) { _ = try OpenLog(disk) }
        #expect(refusal?.message.contains("/data/vote") == true)
        #expect(refusal?.message.contains("Replace this member") == true)
        #expect(disk.contents(of: path) == before)
    }

    @Test("Copies of one generation that differ stop the start")
    func contradiction() throws {
        let disk = try written()
        let other = SimulatedFileSystem()
        let store = try OpenLog(other)
        try store.log.write([.hardState(first)])
        try store.log.write([.hardState(HardState(currentTerm: 8, votedFor: 5))])
        store.close()
        // Same incarnation, generation and term, another vote.
        var bytes = try #require(disk.contents(of: path))
        bytes.replaceSubrange(0..<48, with: try #require(other.contents(of: path))[0..<48])
        disk.setContents(of: path, to: bytes)
        _ = error(.corrupt) { _ = try OpenLog(disk) }
    }

    @Test("A missing, empty or foreign file is never taken for term 0")
    func missing() throws {
        let disk = try written()
        disk.setContents(of: path, to: nil)
        let refusal = error(.corrupt) { _ = try OpenLog(disk) }
        #expect(refusal?.message.contains("missing") == true)
        #expect(disk.contents(of: path) == nil)
        disk.setContents(of: path, to: [])
        _ = error(.corrupt) { _ = try OpenLog(disk) }
        let other = SimulatedFileSystem()
        _ = try openDirectory(other, seed: 99)
        disk.setContents(of: path, to: other.contents(of: path))
        _ = error(.corrupt) { _ = try OpenLog(disk) }
    }

    @Test("A crash in the middle of a vote leaves the old one or the new one, and both copies hold it after the start")
    func crashInAVote() throws {
        var found: Set<UInt64> = []
        for seed in 0..<40 as Range<UInt64> {
            for moment in 0..<4 {
                var generator = SeededGenerator(seed: seed)
                let disk = SimulatedFileSystem()
                let store = try OpenLog(disk)
                try store.log.write([.hardState(first)])
                disk.stop(afterChanges: moment)
                #expect(throws: RaftError.self) { try store.log.write([.hardState(second)]) }
                disk.crash(using: &generator)
                store.close()
                let state = try recovered(disk)
                // The first copy was synced after two changes.
                #expect(state == second || (state == first && moment < 2))
                found.insert(state.currentTerm.rawValue)
                let bytes = try #require(disk.contents(of: path))
                #expect(bytes[0..<48].elementsEqual(bytes[4096..<4144]))
            }
        }
        #expect(found == [7, 8])
    }

    @Test("What a dead process left of a vote is durable in one copy before the other is touched")
    func syncedAtStart() throws {
        for moment in 0..<6 {
            for seed in 0..<10 as Range<UInt64> {
                var generator = SeededGenerator(seed: seed)
                let disk = try written()
                let store = try OpenLog(disk)
                disk.stop(afterChanges: 1)
                #expect(throws: RaftError.self) { try store.log.write([.hardState(HardState(currentTerm: 9))]) }
                disk.killProcess()
                store.close()
                disk.stop(afterChanges: moment)
                let interrupted = try? OpenLog(disk)
                disk.crash(using: &generator)
                let state = try recovered(disk)
                #expect(state == second || state == HardState(currentTerm: 9))
                if let told = interrupted?.recovered.hardState { #expect(state == told) }
            }
        }
    }
}
