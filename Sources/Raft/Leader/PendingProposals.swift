internal import DequeModule

/// The callers whose commands are in the log and not yet with the state machine, in order of index.
struct PendingProposals: Sendable {
    private struct Pending: Sendable {
        var index: LogIndex
        var ticket: Ticket
        var bytes: Int
    }
    private var waiting: Deque<Pending> = []
    /// The bytes of the commands that wait.
    private(set) var byteCount = 0
    var isEmpty: Bool { waiting.isEmpty }

    mutating func add(_ ticket: Ticket, at index: LogIndex, bytes: Int) {
        waiting.append(Pending(index: index, ticket: ticket, bytes: bytes))
        byteCount += bytes
    }

    /// Takes those whose entries go to the state machine now.
    mutating func take(through index: LogIndex) -> [(index: LogIndex, ticket: Ticket)] {
        var taken: [(index: LogIndex, ticket: Ticket)] = []
        while let first = waiting.first, first.index <= index {
            waiting.removeFirst()
            byteCount -= first.bytes
            taken.append((first.index, first.ticket))
        }
        return taken
    }

    mutating func takeAll() -> [Ticket] {
        defer {
            waiting.removeAll()
            byteCount = 0
        }
        return waiting.map(\.ticket)
    }
}
