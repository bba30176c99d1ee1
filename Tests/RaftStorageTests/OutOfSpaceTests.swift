import Raft
import RaftSimulation
import TestTraits
import Testing

@testable import RaftStorage

/// Segments of 4 KiB, and entries of which four fit into one.
@Suite("A log on a full disk", .heavy)
struct OutOfSpaceTests {
    private let disk = SimulatedFileSystem()

    private func batch(_ first: LogIndex, count: Int, term: Term = 1) -> EntryBatch {
        entries(first, term: term, sizes: Array(repeating: 900, count: count))
    }

    /// Nothing more can be made from now on, but what was made ahead can be used.
    private func fill() { disk.limitCapacity(disk.byteCount) }

    @Test("What finds no room waits with all that comes behind it, is not read meanwhile, and is done in order later")
    func waits() throws {
        let store = try OpenLog(disk)
        var model = Model()
        let first: [LogOperation] = [.hardState(HardState(currentTerm: 1)), .append(batch(1, count: 2))]
        try store.log.write(first)
        fill()
        // Across several segments, and a vote behind.
        let second: [LogOperation] = [
            .append(batch(3, count: 9)), .hardState(HardState(currentTerm: 2, votedFor: 3)),
            .truncate(through: LogID(term: 1, index: 7)), .append(batch(8, count: 2, term: 2)),
        ]
        let refusal = error(.outOfSpace) { try store.log.write(second) }
        #expect(refusal?.message.contains("No space left") == true)
        #expect(store.log.shortage?.code == .outOfSpace)
        #expect(throws: RaftError.self) { try store.log.read(from: 11, through: 11, maximumBytes: 1000) }
        let third: [LogOperation] = [.append(batch(10, count: 1, term: 2))]
        _ = error(.outOfSpace) { try store.log.write(third) }
        _ = error(.outOfSpace) { try store.log.write([]) }
        disk.limitCapacity(nil)
        try store.log.write([])
        #expect(store.log.shortage == nil)
        for operation in first + second + third { model.perform(operation) }
        try model.expectHeld(by: store, recovered: false)
        try store.log.write([.append(batch(11, count: 1, term: 2))])
        model.perform(.append(batch(11, count: 1, term: 2)))
        store.close()
        let again = try OpenLog(disk)
        try model.expectHeld(by: again)
        again.close()
    }

    @Test("A crash while something waits leaves what was acknowledged and a part of what waits, never anything else")
    func crashes() throws {
        for seed in 1...40 as ClosedRange<UInt64> {
            let disk = SimulatedFileSystem()
            let store = try OpenLog(disk)
            var model = Model()
            let first: [LogOperation] = [.hardState(HardState(currentTerm: 1)), .append(batch(1, count: 3))]
            try store.log.write(first)
            for operation in first { model.perform(operation) }
            disk.limitCapacity(disk.byteCount)
            let second: [LogOperation] = [
                .truncate(through: LogID(term: 1, index: 2)), .append(batch(3, count: 6, term: 2)),
                .hardState(HardState(currentTerm: 3)),
            ]
            _ = error(.outOfSpace) { try store.log.write(second) }
            if seed % 2 == 0 { disk.limitCapacity(disk.byteCount + 4096) }
            _ = error(.outOfSpace) { try store.log.write([.append(batch(9, count: 1, term: 3))]) }
            let states = model.statesDuring(second + [.append(batch(9, count: 1, term: 3))])
            var random = SeededGenerator(seed: seed)
            store.directory.close()
            disk.crash(using: &random)
            disk.limitCapacity(nil)
            let again = try OpenLog(disk)
            let held = Model(
                hardState: again.recovered.hardState, entries: try again.all(through: again.recovered.last.index))
            #expect(states.contains(held))
            #expect(held.hardState.currentTerm == 1, "the vote waits behind the entries")
            again.close()
        }
    }

    @Test("A purge that waits is done first: it may be what makes room")
    func purgeMakesRoom() throws {
        let store = try OpenLog(disk)
        try store.log.write([.append(batch(1, count: 16))])
        fill()
        _ = error(.outOfSpace) { try store.log.write([.append(batch(17, count: 8))]) }
        // It covers too little: no whole segment becomes free.
        _ = error(.outOfSpace) { try store.log.write([.purge(through: LogID(term: 1, index: 2))]) }
        // Entries that wait themselves cannot be let go yet.
        _ = error(.outOfSpace) { try store.log.write([.purge(through: LogID(term: 1, index: 20))]) }
        try store.log.write([.purge(through: LogID(term: 1, index: 12))])
        #expect(try store.log.read(from: 24, through: 24, maximumBytes: 1000).count == 1)
        store.close()
        let again = try OpenLog(disk)
        #expect(again.recovered.last == LogID(term: 1, index: 24))
        again.close()
    }

    @Test("A purge that waits and finds no room to be made durable is a failed sync: no more is written")
    func purgeNotDurable() throws {
        let fileSystem = FullDirectories(disk)
        let store = try OpenLog(fileSystem)
        try store.log.write([.append(batch(1, count: 16))])
        fill()
        _ = error(.outOfSpace) { try store.log.write([.append(batch(17, count: 8))]) }
        fileSystem.isFull.withLock { $0 = true }
        let purge = [LogOperation.purge(through: LogID(term: 1, index: 12))]
        #expect(error(.storage) { try store.log.write(purge) }?.message.contains("No space left") == true)
        fileSystem.isFull.withLock { $0 = false }
        disk.limitCapacity(nil)
        _ = error(.storage) { try store.log.write([]) }
        store.close()
    }

    @Test("An entry larger than segments waits for its own one, wherever the disk becomes full")
    func largeEntry() throws {
        for room in stride(from: 0, through: 8 << 10, by: 1024) {
            let disk = SimulatedFileSystem()
            let store = try OpenLog(disk)
            try store.log.write([.append(batch(1, count: 2))])
            disk.limitCapacity(disk.byteCount + room)
            let large = entries(3, term: 1, sizes: [9000])
            _ = error(.outOfSpace) { try store.log.write([.append(large)]) }
            disk.limitCapacity(nil)
            try store.log.write([.append(batch(4, count: 1))])
            #expect(try store.all(through: 4).count == 4)
            store.close()
            let again = try OpenLog(disk)
            #expect(again.recovered.last == LogID(term: 1, index: 4))
            again.close()
        }
    }

    @Test("That there is no room ahead is known while the segment in use has room, and so is that there is again")
    func ahead() throws {
        let loop = HeldLoop()
        let store = try OpenLog(disk, preparation: loop)
        fill()
        #expect(store.log.shortage == nil)
        loop.run()
        #expect(store.log.shortage?.code == .outOfSpace)
        try store.log.write([.append(batch(1, count: 2))])
        #expect(store.log.shortage?.code == .outOfSpace)
        loop.run()
        #expect(store.log.shortage?.code == .outOfSpace)
        disk.limitCapacity(nil)
        try store.log.write([])
        #expect(store.log.shortage?.code == .outOfSpace, "nobody has tried yet")
        loop.run()
        #expect(store.log.shortage == nil)
        store.close()
    }

    @Test("A disk that fails in another way while something waits is not tried again")
    func failure() throws {
        let store = try OpenLog(disk)
        try store.log.write([.append(batch(1, count: 3))])
        fill()
        _ = error(.outOfSpace) { try store.log.write([.append(batch(4, count: 3))]) }
        disk.limitCapacity(nil)
        disk.failNext(.sync, at: "/log/")
        _ = error(.storage) { try store.log.write([]) }
        let refusal = error(.storage) { try store.log.write([]) }
        #expect(refusal?.message.contains("takes no more writes") == true)
        store.close()
    }
}

/// Has no room to make names durable.
private final class FullDirectories: ForwardingFileSystem, @unchecked Sendable {
    let isFull = Lock(false)

    override func syncDirectory(_ path: String) throws(RaftError) {
        guard !isFull.withLock({ $0 }) else { throw RaftError(.outOfSpace, "\(path): No space left on device") }
        try super.syncDirectory(path)
    }
}
