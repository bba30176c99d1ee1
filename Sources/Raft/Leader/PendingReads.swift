/// Linearizable reads without a write (ReadIndex, dissertation §6.4): all reads that wait share one round of
/// heartbeats, which shows that this leader still leads *after* they arrived.
struct PendingReads: Sendable {
    enum Reader: Sendable {
        case caller(Ticket)
        /// A follower or a learner that asks for its own readers.
        case peer(any ReplyPath, UInt64)

        var isSettled: Bool { if case .caller(let ticket) = self { ticket.isSettled } else { false } }
    }
    private var waiting: [(reader: Reader, mayUseLease: Bool)] = []
    private var underWay: (round: UInt64, index: LogIndex, readers: [Reader])?
    /// The newest round; every heartbeat carries it.
    private(set) var round: UInt64 = 0

    var isEmpty: Bool { waiting.isEmpty && underWay == nil }
    var count: Int { waiting.count + (underWay?.readers.count ?? 0) }
    var hasLeaseReaders: Bool { waiting.contains { $0.mayUseLease } }

    mutating func add(_ reader: Reader, mayUseLease: Bool = false) { waiting.append((reader, mayUseLease)) }

    /// Heartbeats that leave from now on belong to another round.
    mutating func nextRound() { round += 1 }

    /// Begins a round for everyone who waits, if none is under way. Returns whether heartbeats must go out.
    ///
    /// - Parameter commitIndex: everything committed before these reads arrived; the leader must have committed an
    ///   entry of its own term, or it may not know all of that (§8).
    mutating func beginRound(commitIndex: LogIndex) -> Bool {
        guard underWay == nil, !waiting.isEmpty else { return false }
        nextRound()
        underWay = (round, commitIndex, waiting.map(\.reader))
        waiting = []
        return true
    }

    /// A quorum has answered heartbeats of `round`. Returns the reads that may be served, and from which index on.
    mutating func confirm(round: UInt64) -> (readers: [Reader], index: LogIndex)? {
        let round = Mutant.isOn("read-on-earlier-round") ? round + 1 : round
        guard let current = underWay, current.round <= round else { return nil }
        underWay = nil
        return (current.readers, current.index)
    }

    /// Those for whom a lease is enough, and who are in no round yet.
    mutating func takeLeaseReaders() -> [Reader] {
        defer { waiting.removeAll { $0.mayUseLease } }
        return waiting.filter(\.mayUseLease).map(\.reader)
    }

    mutating func removeSettled() { waiting.removeAll { $0.reader.isSettled } }

    mutating func takeAll() -> [Reader] {
        defer {
            waiting = []
            underWay = nil
        }
        return (underWay?.readers ?? []) + waiting.map(\.reader)
    }
}
