import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("A segmented log", .heavy)
struct SegmentedLogTests {
    @Test("A new one is empty, in term 0, without a vote")
    func new() throws {
        let store = try OpenLog(SimulatedFileSystem())
        #expect(store.recovered.hardState == HardState())
        #expect(store.recovered.last == .zero)
        #expect(store.recovered.purged == .zero)
        #expect(store.recovered.incarnation == store.directory.identity.incarnation)
        #expect(error(.storage) { _ = try store.log.read(from: 1, through: 1, maximumBytes: 10) } != nil)
    }

    @Test("What was written comes back, before and after a start")
    func roundTrip() throws {
        let disk = SimulatedFileSystem()
        var store = try OpenLog(disk)
        var model = Model()
        let writes: [[LogOperation]] = [
            [.hardState(HardState(currentTerm: 1, votedFor: 3)), .append(entries(1, term: 1, sizes: [0, 10]))],
            [.append(entries(3, term: 1, sizes: [5], kind: .configuration))],
            [.append(entries(4, term: 2, sizes: [5, 6, 7])), .hardState(HardState(currentTerm: 4))],
            [],
            [.truncate(through: LogID(term: 2, index: 5)), .append(entries(6, term: 4, sizes: [1]))],
            [.truncate(through: LogID(term: 1, index: 2))],
            [.append(entries(3, term: 5, sizes: [8], kind: .configuration))],
        ]
        for write in writes {
            try store.log.write(write)
            for operation in write { model.perform(operation) }
            try model.expectHeld(by: store, recovered: false)
            store.close()
            store = try OpenLog(disk)
            try model.expectHeld(by: store)
        }
        #expect(store.recovered.configurations.map(\.payload) == [Array(entries(3, term: 5, sizes: [8])[0].payload)])
    }

    @Test("Every order of up to four operations in one write has the effect of one after another")
    func everyOrder() throws {
        func operation(_ kind: Int, _ model: Model) -> LogOperation {
            switch kind {
            case 0: .hardState(HardState(currentTerm: model.hardState.currentTerm.next, votedFor: 2))
            case 1: .append(entries(model.last.index.next, term: model.last.term.next, sizes: [20, 30]))
            default: .truncate(through: model.entries.dropLast().last?.id ?? .zero)
            }
        }
        for code in 0..<81 {
            let disk = SimulatedFileSystem()
            let store = try OpenLog(disk)
            var model = Model()
            var operations: [LogOperation] = []
            var rest = code
            for _ in 0..<4 {
                operations.append(operation(rest % 3, model))
                if rest % 3 < 2 || !model.entries.isEmpty { model.perform(operations.last!) }
                rest /= 3
            }
            try store.log.write(operations)
            try model.expectHeld(by: store, recovered: false)
            store.close()
            let again = try OpenLog(disk)
            try model.expectHeld(by: again)
            again.close()
        }
    }

    @Test("A write of entries costs one write and one sync, whatever is in it")
    func oneSync() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk, segmentBytes: 1 << 20)
        try store.log.write([.append(entries(1, term: 1, sizes: [3400]))])
        try store.log.write([.append(entries(2, term: 1, sizes: [3400]))])
        for first in [3, 103, 203] as [LogIndex] {
            let before = disk.changeCount
            try store.log.write([.append(entries(first, term: 1, sizes: Array(repeating: 300, count: 100)))])
            #expect(disk.changeCount - before == 2)
        }
        let before = disk.changeCount
        try store.log.write([
            .truncate(through: LogID(term: 1, index: 250)), .append(entries(251, term: 2, sizes: [10])),
            .append(entries(252, term: 3, sizes: [10])),
        ])
        #expect(disk.changeCount - before == 2)
        try store.log.write([.hardState(HardState(currentTerm: 3))])
        #expect(disk.changeCount - before == 6)
        try store.log.write([.hardState(HardState(currentTerm: 3))])
        #expect(disk.changeCount - before == 6)
    }

    @Test("A batch runs over as many segments as it needs, and an entry larger than a segment gets a larger one")
    func rolling() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        var model = Model()
        for operation in [
            LogOperation.append(entries(1, term: 1, sizes: (0..<60).map { 40 + 7 * $0 })),
            .append(entries(61, term: 2, sizes: [9000, 10, 20_000, 3392, 3393, 0])),
            .truncate(through: LogID(term: 2, index: 64)),
            .append(entries(65, term: 3, sizes: [3000, 3000, 500])),
        ] {
            try store.log.write([operation])
            model.perform(operation)
        }
        try model.expectHeld(by: store, recovered: false)
        store.close()
        let again = try OpenLog(disk)
        try model.expectHeld(by: again)
        let names = try disk.list("/data/log")
        #expect(names.count > 8)
        #expect(names.allSatisfy { $0.hasSuffix(".segment") })
    }

    @Test("A truncation that finds no room in a segment goes to the next")
    func truncationRolls() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        // Leaves 72 bytes, fewer than any frame.
        let filler = entries(1, term: 1, sizes: [1000, 2368])
        #expect(512 + frameSize(filler.byteCount) == 4096 - 72)
        try store.log.write([.append(filler)])
        try store.log.write([.truncate(through: LogID(term: 1, index: 1))])
        store.close()
        let again = try OpenLog(disk)
        #expect(again.recovered.last == LogID(term: 1, index: 1))
        #expect(disk.contents(of: secondSegment) != nil)
    }

    @Test("Reads of every range and limit give the entries that fit, and one at least")
    func everyRead() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk, segmentBytes: 1 << 18)
        var model = Model()
        // Small frames, one frame of several extents, what a truncation left, and several segments.
        var operations = (1...4).map { LogOperation.append(entries(LogIndex(UInt64($0)), term: 1, sizes: [30 * $0])) }
        operations.append(.append(entries(5, term: 1, sizes: [40_000, 40_000, 100, 70_000, 5])))
        operations.append(.truncate(through: LogID(term: 1, index: 8)))
        operations.append(.append(entries(9, term: 2, sizes: [1, 2])))
        operations.append(.truncate(through: LogID(term: 2, index: 9)))
        operations.append(.append(entries(10, term: 3, sizes: [90_000, 3])))
        operations.append(.append(entries(12, term: 3, sizes: [120_000, 3])))
        for operation in operations {
            try store.log.write([operation])
            model.perform(operation)
        }
        let sizes = (1...13).map {
            try? store.log.read(from: LogIndex(UInt64($0)), through: LogIndex(UInt64($0)), maximumBytes: 1).byteCount
        }
        for first in 1...13 {
            for last in first...13 {
                for limit in [1, 100, 200, 40_032, 40_100, 80_500, 150_200, 1_000_000] {
                    var count = 1
                    var bytes = try #require(sizes[first - 1])
                    while first + count <= last, bytes + sizes[first + count - 1]! <= limit {
                        bytes += sizes[first + count - 1]!
                        count += 1
                    }
                    let batch = try store.log.read(
                        from: LogIndex(UInt64(first)), through: LogIndex(UInt64(last)), maximumBytes: limit)
                    #expect(batch.count == count, "\(first) through \(last) in \(limit) bytes")
                    #expect(batch.entries == Array(model.entries[(first - 1)..<(first - 1 + count)]))
                }
            }
        }
        for (first, last) in [(0, 3), (1, 14), (14, 14), (5, 4)] as [(LogIndex, LogIndex)] {
            _ = error(.storage) { _ = try store.log.read(from: first, through: last, maximumBytes: 100) }
        }
    }

    @Test("A read of what rotted on the disk is refused, with the file's name")
    func rotUnderARead() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        try store.log.write([.append(entries(1, term: 1, sizes: [100, 100]))])
        disk.damage(firstSegment, at: 512 + 72 + 40)
        let refusal = error(.corrupt) { _ = try store.log.read(from: 1, through: 2, maximumBytes: 1000) }
        #expect(refusal?.message.contains(firstSegment) == true)
        #expect(try store.log.read(from: 2, through: 2, maximumBytes: 1000).count == 1)
        disk.damage(firstSegment, at: 512 + 20)
        _ = error(.corrupt) { _ = try store.log.read(from: 2, through: 2, maximumBytes: 1000) }
    }

    @Test(
        "After a failed sync or write the log refuses everything, and a start finds what was acknowledged",
        arguments: [
            SimulatedFileSystem.Operation.sync, .write,
        ])
    func failure(operation: SimulatedFileSystem.Operation) throws {
        for file in ["segment", "vote"] {
            let disk = SimulatedFileSystem()
            let store = try OpenLog(disk)
            try store.log.write([.hardState(HardState(currentTerm: 1)), .append(entries(1, term: 1, sizes: [10]))])
            disk.failNext(operation, at: file)
            let both: [LogOperation] = [
                .hardState(HardState(currentTerm: 2, votedFor: 1)), .append(entries(2, term: 2, sizes: [600])),
            ]
            let first = error(.storage) { try store.log.write(both) }
            #expect(first?.message.contains(file) == true)
            for _ in 0..<2 {
                let later = error(.storage) { try store.log.write([.append(entries(2, term: 2, sizes: [600]))]) }
                #expect(later?.message.contains("takes no more writes") == true)
            }
            // Readers never see what was not acknowledged.
            _ = error(.storage) { _ = try store.log.read(from: 2, through: 2, maximumBytes: 10) }
            #expect(try store.log.read(from: 1, through: 1, maximumBytes: 10).count == 1)
            var generator = SeededGenerator(seed: 5)
            disk.crash(using: &generator)
            store.close()
            let again = try OpenLog(disk)
            #expect(try again.all(through: 1) == entries(1, term: 1, sizes: [10]).entries)
            #expect(again.recovered.hardState.currentTerm >= 1)
            again.close()
        }
    }

    @Test("A full disk refuses the write that needs a new segment, by name; with room again, a start goes on")
    func diskFull() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        try store.log.write([.append(entries(1, term: 1, sizes: [3000]))])
        disk.limitCapacity(14_000)
        let refusal = error(.outOfSpace) { try store.log.write([.append(entries(2, term: 1, sizes: [3000]))]) }
        #expect(refusal?.message.contains("No space left") == true)
        store.close()
        #expect(try disk.list("/data/log") == ["0000000000000001.segment"])
        disk.limitCapacity(nil)
        let again = try OpenLog(disk)
        try again.log.write([.append(entries(2, term: 1, sizes: [3000]))])
        #expect(try again.all(through: 2).count == 2)
    }

    @Test("Operations that contradict the log are refused")
    func contradictions() throws {
        let disk = SimulatedFileSystem()
        for operation in [
            LogOperation.append(entries(3, term: 2, sizes: [1])), .append(entries(5, term: 2, sizes: [1])),
            .append(entries(4, term: 1, sizes: [1])), .truncate(through: LogID(term: 2, index: 9)),
            .truncate(through: LogID(term: 1, index: 3)),
        ] {
            let store = try OpenLog(disk)
            if store.recovered.last == .zero { try store.log.write([.append(entries(1, term: 2, sizes: [1, 1, 1]))]) }
            _ = error(.invariantViolated) { try store.log.write([operation]) }
            store.close()
        }
        #expect(try OpenLog(disk).recovered.last == LogID(term: 2, index: 3))
    }

    @Test("A segment size that is no multiple of 4096 is refused", arguments: [0, -4096, 4095, 4100])
    func segmentSize(bytes: Int) throws {
        let directory = try openDirectory(SimulatedFileSystem())
        _ = error(.invalidConfiguration) { _ = try SegmentedLog(directory: directory, segmentBytes: bytes) }
    }

    @Test("A log that was not opened takes no write")
    func notOpen() throws {
        let directory = try openDirectory(SimulatedFileSystem())
        let log = try SegmentedLog(directory: directory)
        _ = error(.storage) { try log.write([.hardState(HardState(currentTerm: 1))]) }
    }
}
