/// Linearizable reads without a write (ReadIndex, dissertation §6.4): all reads that wait share one round of
/// heartbeats, which shows that this leader still leads *after* they arrived.
struct PendingReads: Sendable {
    private var waiting: [Ticket] = []
    private var underWay: (round: UInt64, index: LogIndex, tickets: [Ticket])?
    /// The newest round; every heartbeat carries it.
    private(set) var round: UInt64 = 0

    var isEmpty: Bool { waiting.isEmpty && underWay == nil }
    var count: Int { waiting.count + (underWay?.tickets.count ?? 0) }

    mutating func add(_ ticket: Ticket) { waiting.append(ticket) }

    /// Begins a round for everyone who waits, if none is under way. Returns whether heartbeats must go out.
    ///
    /// - Parameter commitIndex: everything committed before these reads arrived; the leader must have committed an
    ///   entry of its own term, or it may not know all of that (§8).
    mutating func beginRound(commitIndex: LogIndex) -> Bool {
        guard underWay == nil, !waiting.isEmpty else { return false }
        round += 1
        underWay = (round, commitIndex, waiting)
        waiting = []
        return true
    }

    /// A quorum has answered heartbeats of `round`. Returns the reads that may be served, and from which index on.
    mutating func confirm(round: UInt64) -> (tickets: [Ticket], index: LogIndex)? {
        let round = Mutant.isOn("read-on-earlier-round") ? round + 1 : round
        guard let current = underWay, current.round <= round else { return nil }
        underWay = nil
        return (current.tickets, current.index)
    }

    mutating func takeAll() -> [Ticket] {
        defer {
            waiting = []
            underWay = nil
        }
        return (underWay?.tickets ?? []) + waiting
    }
}
