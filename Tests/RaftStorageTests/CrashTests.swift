import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("A crash at any moment", .heavy)
struct CrashTests {
    @Test("Whatever a crash takes, all that was acknowledged is there, and of the rest a prefix", arguments: 0..<25)
    func randomCrashes(block: Int) throws {
        for seed in (block * 10)..<(block * 10 + 10) { try crashes(seed: UInt64(seed)) }
    }

    /// Twelve lives of one node, each ended by a crash in the middle of a write, of a start, or after a pause.
    private func crashes(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let disk = SimulatedFileSystem()
        var model = Model()
        // What the disk may hold: one state, unless a write was cut short.
        var possible = [model]
        for life in 0..<12 {
            var store: OpenLog?
            for attempt in 0..<4 {
                if attempt < 3, Int.random(in: 0..<3, using: &generator) == 0 {
                    disk.stop(afterChanges: Int.random(in: 0..<20, using: &generator))
                }
                do {
                    store = try OpenLog(disk, segmentBytes: 4096 << Int.random(in: 0...3, using: &generator))
                    break
                } catch let error as RaftError {
                    try #require(error.message.contains("machine has stopped"), "seed \(seed), life \(life): \(error)")
                    endLife(disk, &generator)
                }
            }
            let open = try #require(store)
            // No stop that was meant for the start may hit the reads below.
            disk.stop(afterChanges: .max)
            let entries = try open.all(
                through: open.recovered.last.index, maximumBytes: .random(in: 1..<9000, using: &generator))
            let found = Model(hardState: open.recovered.hardState, entries: entries)
            try #require(possible.contains(found), "seed \(seed), life \(life): \(found.hardState), last \(found.last)")
            model = found
            try model.expectHeld(by: open)
            possible = try work(open, disk, &model, &generator)
            endLife(disk, &generator)
            open.close()
        }
    }

    private func endLife(_ disk: SimulatedFileSystem, _ generator: inout SeededGenerator) {
        if Int.random(in: 0..<4, using: &generator) == 0 { disk.killProcess() } else { disk.crash(using: &generator) }
    }

    /// Writes until the machine stops, or for a while.
    private func work(
        _ store: OpenLog, _ disk: SimulatedFileSystem, _ model: inout Model, _ generator: inout SeededGenerator
    ) throws -> [Model] {
        disk.stop(afterChanges: Int.random(in: 0..<60, using: &generator))
        for _ in 0..<Int.random(in: 0..<20, using: &generator) {
            let before = model
            var operations: [LogOperation] = []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let operation = randomOperation(model, &generator)
                operations.append(operation)
                model.perform(operation)
            }
            do {
                try store.log.write(operations)
            } catch {
                return before.statesDuring(operations)
            }
            if !model.entries.isEmpty, Bool.random(using: &generator) {
                let first = Int.random(in: 0..<model.entries.count, using: &generator)
                let last = Int.random(in: first..<model.entries.count, using: &generator)
                let batch = try store.log.read(
                    from: model.entries[first].id.index, through: model.entries[last].id.index,
                    maximumBytes: .random(in: 1..<5000, using: &generator))
                #expect(batch.entries == Array(model.entries[first..<(first + batch.count)]))
            }
        }
        return [model]
    }

    private func randomOperation(_ model: Model, _ generator: inout SeededGenerator) -> LogOperation {
        switch Int.random(in: 0..<10, using: &generator) {
        case 0..<2:
            return .hardState(
                HardState(
                    currentTerm: Term(model.hardState.currentTerm.rawValue + .random(in: 0...1, using: &generator)),
                    votedFor: Bool.random(using: &generator) ? NodeID(.random(in: 1...5, using: &generator)) : nil))
        case 2..<4 where !model.entries.isEmpty:
            let keep = Int.random(in: max(0, model.entries.count - 12)...model.entries.count, using: &generator)
            return .truncate(through: keep == 0 ? .zero : model.entries[keep - 1].id)
        default:
            let isLarge = Int.random(in: 0..<20, using: &generator) == 0
            let sizes = (0..<Int.random(in: 1...6, using: &generator)).map { _ in
                Int.random(in: 0..<(isLarge ? 12_000 : 700), using: &generator)
            }
            return .append(
                entries(
                    model.last.index.next, term: Term(model.last.term.rawValue + .random(in: 0...1, using: &generator)),
                    sizes: sizes, kind: Bool.random(using: &generator) ? .command : .configuration))
        }
    }

    @Test("A crash at every single change of a start that cuts a torn end is survived, and the next start goes on")
    func crashDuringRecovery() throws {
        for seed in 0..<8 as Range<UInt64> {
            for moment in 0..<30 {
                var generator = SeededGenerator(seed: seed)
                let disk = SimulatedFileSystem()
                let store = try OpenLog(disk, segmentBytes: 8192)
                var model = Model()
                let operation = LogOperation.append(entries(1, term: 1, sizes: [900, 900]))
                try store.log.write([operation])
                model.perform(operation)
                let lost = LogOperation.append(entries(3, term: 1, sizes: [3000]))
                disk.failNext(.sync, at: ".segment")
                #expect(throws: RaftError.self) {
                    try store.log.write([lost])
                    try store.log.write([lost])
                }
                let possible = model.statesDuring([lost])
                disk.crash(using: &generator)
                store.close()
                disk.stop(afterChanges: moment)
                if let interrupted = try? OpenLog(disk, segmentBytes: 8192) { interrupted.close() }
                disk.crash(using: &generator)
                let again = try OpenLog(disk, segmentBytes: 8192)
                let found = try again.all(through: again.recovered.last.index)
                #expect(possible.contains(Model(entries: found)), "seed \(seed), moment \(moment)")
                let more = LogOperation.append(entries(again.recovered.last.index.next, term: 2, sizes: [10]))
                try again.log.write([more])
                again.close()
                let last = try OpenLog(disk, segmentBytes: 8192)
                var expected = Model(entries: found)
                expected.perform(more)
                try expected.expectHeld(by: last)
                last.close()
            }
        }
    }

    @Test("A crash in the write of an entry larger than a segment leaves all of it or nothing")
    func largeEntry() throws {
        var found: Set<LogIndex> = []
        for seed in 0..<60 as Range<UInt64> {
            for moment in 0..<9 {
                var generator = SeededGenerator(seed: seed)
                let disk = SimulatedFileSystem()
                let store = try OpenLog(disk)
                var model = Model()
                let small = LogOperation.append(entries(1, term: 1, sizes: [100]))
                try store.log.write([small])
                model.perform(small)
                disk.stop(afterChanges: moment)
                let large = LogOperation.append(entries(2, term: 1, sizes: [9000]))
                let isWritten = (try? store.log.write([large])) != nil
                disk.crash(using: &generator)
                store.close()
                let again = try OpenLog(disk)
                if isWritten || again.recovered.last.index == 2 { model.perform(large) }
                try model.expectHeld(by: again)
                found.insert(again.recovered.last.index)
                again.close()
            }
        }
        #expect(found == [1, 2])
    }
}
