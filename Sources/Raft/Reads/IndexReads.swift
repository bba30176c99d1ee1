/// Reads that wait until an entry is applied here. They travel with the baton: no change of roles concerns them.
struct IndexReads: Sendable {
    private var waiting: [(index: LogIndex, ticket: Ticket)] = []
    var isEmpty: Bool { waiting.isEmpty }

    /// False when `limit` of them wait already.
    mutating func add(_ ticket: Ticket, at index: LogIndex, limit: Int) -> Bool {
        if waiting.count >= limit { waiting.removeAll { $0.ticket.isSettled } }
        guard waiting.count < limit else { return false }
        waiting.append((index, ticket))
        return true
    }

    mutating func take(through index: LogIndex) -> [Ticket] {
        let due = waiting.filter { $0.index <= index }.map(\.ticket)
        if !due.isEmpty { waiting.removeAll { $0.index <= index } }
        return due
    }

    mutating func takeAll() -> [Ticket] {
        defer { waiting = [] }
        return waiting.map(\.ticket)
    }
}

extension Baton {
    mutating func awaitIndex(_ index: LogIndex, _ ticket: Ticket, _ effects: inout Effects) {
        if index <= lastApplied {
            effects.add(.serveReads([ticket], at: index))
        } else if !indexReads.add(ticket, at: index, limit: settings.maximumWaitingCalls) {
            effects.add(.fail([ticket], tooManyReads()))
        }
    }

    /// Called at the end of each turn.
    mutating func serveIndexReads(_ effects: inout Effects) {
        guard !indexReads.isEmpty else { return }
        let due = indexReads.take(through: lastApplied)
        if !due.isEmpty { effects.add(.serveReads(due, at: lastApplied)) }
    }

    func tooManyReads() -> RaftError {
        RaftError(
            .overloaded, "\(settings.maximumWaitingCalls) reads wait already (maximumWaitingCalls); try again soon")
    }

    func tooStale(_ reason: String) -> RaftError {
        RaftError(
            .tooStale, "it cannot be shown how recent the state of node \(me) is: \(reason)",
            leader: leader == me ? nil : leaderHint)
    }
}
