internal import DequeModule

/// Names one write that the log writer was given. Never repeats within a process; later writes have greater ids.
struct WriteID: Hashable, Comparable, Sendable {
    let rawValue: UInt64
    static func < (a: WriteID, b: WriteID) -> Bool { a.rawValue < b.rawValue }
}

/// The writes that are on their way to the disk, and what each of them will have made durable.
///
/// The disk answers in order, and by write id, never by index alone: an index can be written, truncated, and written
/// again, and an answer to the first write says nothing about the second.
struct OutstandingWrites: Sendable {
    struct Write: Sendable {
        let id: WriteID
        let since: Instant
        /// The last entry of the log once this write, and so every one before it, is durable.
        var last: LogIndex
        /// The term and vote once it is durable.
        let hardState: HardState
    }
    private var writes: Deque<Write> = []
    private var nextID: UInt64 = 1

    var isEmpty: Bool { writes.isEmpty }
    /// When the oldest write that is still out was begun.
    var oldestSince: Instant? { writes.first?.since }

    mutating func begin(last: LogIndex, hardState: HardState, now: Instant) -> WriteID {
        let id = WriteID(rawValue: nextID)
        nextID += 1
        writes.append(Write(id: id, since: now, last: last, hardState: hardState))
        return id
    }

    /// Everything through `id` is durable. Returns what that is; nil when it says nothing new.
    mutating func finish(through id: WriteID) -> Write? {
        var finished: Write?
        while let write = writes.first, write.id <= id || Mutant.isOn("later-writes-durable-too") {
            finished = writes.removeFirst()
        }
        return finished
    }

    /// The log was cut: no write that is still out can make an entry above `through` durable any more.
    mutating func truncate(through: LogIndex) {
        if Mutant.isOn("cut-voids-no-write") { return }
        for position in writes.indices where writes[position].last > through { writes[position].last = through }
    }
}
