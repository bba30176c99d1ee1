internal import Raft

/// One store under check, with what it should hold.
final class LogStoreSession {
    private let place: LogStoreConformance.Place
    private(set) var store: any LogStore
    private(set) var recovered: RecoveredLog
    private(set) var expected: ExpectedStore

    /// Opens a store in a new place.
    init(_ makePlace: () throws -> LogStoreConformance.Place) throws {
        place = try makePlace()
        store = try place.open()
        recovered = try store.open()
        expected = ExpectedStore(path: "", incarnation: recovered.incarnation)
        try check()
    }

    /// Performs operations in one write.
    func write(_ operations: LogOperation...) throws { try write(operations) }

    func write(_ operations: [LogOperation]) throws {
        try store.write(operations)
        for operation in operations { expected.perform(operation) }
    }

    /// Passes operations behind those that the store keeps, and expects all of them to be performed.
    func write(_ operations: [LogOperation], behind kept: [LogOperation]) throws {
        try store.write(operations)
        for operation in kept + operations { expected.perform(operation) }
    }

    /// Closes the store and opens it again, and expects it to hold what it should.
    func reopen() throws {
        store.close()
        try begin()
    }

    /// As ``reopen()``, but the machine stops in between, if it can.
    func crash() throws {
        try place.crash?()
        try reopen()
    }

    /// As ``crash()``; the store may hold what a crash during a write of `operations` leaves: any prefix of them. There is
    /// room afterwards.
    func crash(during operations: [LogOperation]) throws {
        try place.crash?()
        try fill(false)
        store.close()
        try open()
        let states = expected.states(during: operations)
        expected =
            states.last { $0.hardState == recovered.hardState && $0.last == recovered.last } ?? expected
        try check()
    }

    /// Whether the check can have a full disk.
    var canFill: Bool { place.fill != nil }

    /// Takes all room from the disk, or gives it back.
    func fill(_ isFull: Bool) throws { try place.fill?(isFull) }

    /// Passes operations that find no room.
    ///
    /// - Returns: whether that was said; false if they were performed.
    func writeWithoutRoom(_ operations: [LogOperation]) throws -> Bool {
        do {
            try write(operations)
            return false
        } catch let error as RaftError where error.code == .outOfSpace {
            return true
        } catch {
            throw LogStoreMismatch(
                "a write that found no room threw \(error); a store that can keep what it was given throws outOfSpace")
        }
    }

    private func begin() throws {
        try open()
        try check()
    }

    private func open() throws {
        store = try place.open()
        recovered = try store.open()
    }

    func close() { store.close() }

    /// What was recovered is what was expected when the store was opened.
    private func check() throws {
        let found = FoundStore(
            isNew: false, incarnation: recovered.incarnation, hardState: recovered.hardState,
            purged: recovered.purged, last: recovered.last, termStarts: recovered.termStarts,
            configurations: recovered.configurations.map(\.id),
            entries: recovered.purged.index < recovered.last.index
                && recovered.last == expected.last ? try entries(after: recovered.purged.index) : [],
            snapshots: [], damagedSnapshots: [], peers: [:])
        if let difference = expected.difference(from: found) {
            throw LogStoreMismatch("an opened store does not hold what was written: \(difference)")
        }
    }

    /// What must be readable is read, in pieces, and is what was written.
    func checkReads(maximumBytes: Int = 3000) throws {
        let first = max(expected.purged.index, expected.base.index)
        let found = try entries(after: first, maximumBytes: maximumBytes)
        guard found.elementsEqual(expected.entries[first.distance(above: expected.base.index)...]) else {
            throw LogStoreMismatch(
                "entries \(first.next) through \(expected.last.index) are not those that were written")
        }
    }

    private func entries(after index: LogIndex, maximumBytes: Int = 64 << 10) throws -> [HeldEntry] {
        var entries: [HeldEntry] = []
        var next = index.next
        while next <= expected.last.index {
            let batch = try read(next, expected.last.index, maximumBytes)
            entries += batch.entries
            next = batch.lastIndex.next
        }
        return entries
    }

    /// A read that keeps to its limits.
    func read(_ first: LogIndex, _ last: LogIndex, _ maximumBytes: Int) throws -> EntryBatch {
        let batch = try store.read(from: first, through: last, maximumBytes: maximumBytes)
        let what = "a read of entries \(first) through \(last), at most \(maximumBytes) bytes, gave"
        guard batch.firstIndex == first, batch.lastIndex <= last else {
            throw LogStoreMismatch("\(what) entries \(batch.firstIndex) through \(batch.lastIndex)")
        }
        guard batch.count == 1 || batch.byteCount <= maximumBytes else {
            throw LogStoreMismatch("\(what) \(batch.byteCount) bytes in \(batch.count) entries")
        }
        return batch
    }

    /// A read that must fail.
    func expectRefusal(of first: LogIndex, _ last: LogIndex, _ why: String) throws {
        guard let batch = try? store.read(from: first, through: last, maximumBytes: 1 << 20) else { return }
        throw LogStoreMismatch(
            "a read of entries \(first) through \(last) gave \(batch.firstIndex) through \(batch.lastIndex) and no error, though \(why)"
        )
    }

    /// Entries behind the last one, of these sizes.
    func entries(_ term: Term, _ sizes: Int..., kind: EntryKind = .command) -> LogOperation {
        CrashRecording.entries(behind: expected.last, term, sizes: sizes, kind: kind)
    }

    /// The id of an entry that is held.
    func id(_ index: LogIndex) -> LogID { expected.id(index) }
}
