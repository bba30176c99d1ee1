import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("A log that is purged, or begins anew behind a snapshot", .heavy)
struct PurgeTests {
    /// What a store should hold, with what it may still hold of what was purged.
    private struct History {
        /// The log begins anew behind this.
        var base = LogID.zero
        /// Need not be held any more.
        var purged = LogID.zero
        var entries: [HeldEntry] = []
        var last: LogID { entries.last?.id ?? base }

        func id(_ index: LogIndex) -> LogID {
            index == base.index ? base : entries[index.distance(above: base.index) - 1].id
        }

        mutating func perform(_ operation: LogOperation) {
            switch operation {
            case .hardState: break
            case .truncate(let id): entries.removeLast(last.index.distance(above: id.index))
            case .append(let batch): entries += batch.entries
            case .purge(let id): purged = id
            case .reset(let id): self = History(base: id, purged: id)
            }
        }

        func expectHeld(by store: OpenLog, _ what: String) throws {
            let recovered = store.recovered
            try #require(recovered.last == last, "\(what)")
            try #require(recovered.purged.index <= max(purged.index, base.index), "\(what)")
            try #require(recovered.purged.index >= base.index, "\(what): nothing before \(base) is left")
            try #require(recovered.purged == id(recovered.purged.index), "\(what)")
            var next = recovered.purged.index.next
            while next <= last.index {
                let batch = try store.log.read(from: next, through: last.index, maximumBytes: 3000)
                let from = next.distance(above: base.index) - 1
                try #require(batch.entries == Array(entries[from..<(from + batch.count)]), "\(what)")
                next = batch.lastIndex.next
            }
        }
    }

    /// Thirty entries in about eight segments.
    private func fill(_ store: OpenLog, _ model: inout History) throws {
        for index in 1...30 as ClosedRange<UInt64> {
            let operation = LogOperation.append(entries(LogIndex(index), term: Term(index / 8 + 1), sizes: [900]))
            try store.log.write([operation])
            model.perform(operation)
        }
    }

    private func segments(_ disk: SimulatedFileSystem) throws -> [String] {
        try disk.list("/data/log").filter { $0.hasSuffix(".segment") }
    }

    @Test("Segments wholly behind are removed, the rest is there, also after a restart, and more can follow")
    func removesSegments() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        var model = History()
        try fill(store, &model)
        let before = try segments(disk).count
        let purge = LogOperation.purge(through: model.id(20))
        try store.log.write([purge])
        model.perform(purge)
        #expect(try segments(disk).count < before - 3)
        #expect(throws: RaftError.self) { try store.log.read(from: 1, through: 2, maximumBytes: 100) }
        store.close()
        let again = try OpenLog(disk)
        try model.expectHeld(by: again, "after a restart")
        #expect(again.recovered.purged.index > 14)
        #expect(again.recovered.termStarts.first.map { $0.index > again.recovered.purged.index } == true)
        let more = LogOperation.append(entries(31, term: 9, sizes: [10]))
        try again.log.write([more])
        model.perform(more)
        again.close()
        let last = try OpenLog(disk)
        try model.expectHeld(by: last, "after more")
        last.close()
    }

    @Test("A log purged to its very end keeps its place, through any number of restarts")
    func toTheTip() throws {
        let disk = SimulatedFileSystem()
        var store = try OpenLog(disk)
        var model = History()
        try fill(store, &model)
        let purge = LogOperation.purge(through: model.last)
        try store.log.write([purge])
        model.perform(purge)
        for round in 0..<3 {
            store.close()
            store = try OpenLog(disk)
            try model.expectHeld(by: store, "restart \(round)")
        }
        store.close()
    }

    @Test("A crash at any change of a purge leaves a log without a gap", arguments: 0..<12)
    func crashInPurge(moment: Int) throws {
        for seed in 0..<12 as Range<UInt64> {
            try crash(seed, moment) { .purge(through: $0.id(22)) }
        }
    }

    @Test("A crash at any change of a reset leaves the old log or the new, whole", arguments: 0..<6)
    func crashInReset(moment: Int) throws {
        for seed in 0..<12 as Range<UInt64> {
            try crash(seed, moment) { _ in .reset(to: LogID(term: 5, index: 50)) }
            try crash(seed, moment) { _ in .reset(to: LogID(term: 5, index: 12)) }
        }
    }

    private func crash(_ seed: UInt64, _ moment: Int, _ operation: (History) -> LogOperation) throws {
        var generator = SeededGenerator(seed: seed)
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        var old = History()
        try fill(store, &old)
        let operation = operation(old)
        var new = old
        new.perform(operation)
        disk.stop(afterChanges: moment)
        let isDone = (try? store.log.write([operation])) != nil
        disk.crash(using: &generator)
        store.close()
        // And once more while it comes back.
        disk.stop(afterChanges: moment)
        if let interrupted = try? OpenLog(disk) { interrupted.close() }
        disk.crash(using: &generator)
        let again = try OpenLog(disk)
        var found = !isDone && again.recovered.last == old.last && old.last != new.last ? old : new
        try found.expectHeld(by: again, "seed \(seed), moment \(moment), \(operation)")
        let more = LogOperation.append(entries(found.last.index.next, term: 9, sizes: [10]))
        try again.log.write([more])
        found.perform(more)
        again.close()
        let last = try OpenLog(disk)
        try found.expectHeld(by: last, "seed \(seed), moment \(moment), \(operation), and more")
        last.close()
    }

    @Test(
        "Any order of appends, truncations, purges and resets is what a restart finds",
        arguments: 0..<40 as Range<UInt64>)
    func anyOrder(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let disk = SimulatedFileSystem()
        var model = History()
        for life in 0..<6 {
            let store = try OpenLog(disk, segmentBytes: 4096 << Int.random(in: 0...1, using: &generator))
            try model.expectHeld(by: store, "seed \(seed), life \(life)")
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                let floor = max(model.purged.index, model.base.index)
                let room = model.last.index.distance(above: floor)
                func somewhere() -> LogID {
                    model.id(floor.advanced(by: Int.random(in: 0...room, using: &generator)))
                }
                let operation: LogOperation
                switch Int.random(in: 0..<10, using: &generator) {
                case 0..<2: operation = .purge(through: somewhere())
                case 2..<4: operation = .truncate(through: somewhere())
                case 4:
                    let term = Term(model.last.term.rawValue + 1)
                    let index = max(1, floor.rawValue + UInt64.random(in: 0...20, using: &generator))
                    operation = .reset(to: LogID(term: term, index: LogIndex(index)))
                default:
                    let term = Term(max(1, model.last.term.rawValue) + .random(in: 0...1, using: &generator))
                    let sizes = (0..<Int.random(in: 1...5, using: &generator)).map { _ in
                        Int.random(in: 0..<1500, using: &generator)
                    }
                    operation = .append(entries(model.last.index.next, term: term, sizes: sizes))
                }
                try store.log.write([operation])
                model.perform(operation)
            }
            store.close()
            disk.crash(using: &generator)
        }
    }

    @Test("A missing segment that was not purged stops the start")
    func missing() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        var model = History()
        try fill(store, &model)
        store.close()
        disk.setContents(of: secondSegment, to: nil)
        #expect(error(.corrupt) { _ = try OpenLog(disk) }?.message.contains("segment 2 is missing") == true)
    }
}
