internal import DequeModule

/// What the leader knows of one peer's log, and what is on its way there (Figure 2: `nextIndex`, `matchIndex`).
struct Progress: Sendable {
    enum State: Sendable, Equatable {
        /// Where the logs agree is not known: one append at a time, until one is accepted.
        case probe
        /// They agree; appends follow each other without waiting, within the window.
        case replicate
        /// It needs entries that were purged: it is being sent this snapshot, and no append.
        case snapshot(SnapshotID)
    }

    /// One append without an answer.
    struct Inflight: Sendable {
        let sequence: UInt64
        /// The last entry it brings; nil when it was read from the disk, so that its end is not known here.
        var last: LogIndex?
        var bytes: Int
    }

    let peer: NodeID
    /// The stream's present life; nil while the peer cannot be reached.
    private(set) var stream: StreamID?
    /// The life of the peer that the newest stream stood to; nil while none is known.
    private(set) var incarnation: Incarnation?
    /// Why the last life of the stream ended, or why there could be none; nil while one stands.
    private(set) var lastFailure: String?
    private(set) var state = State.probe
    private(set) var nextIndex: LogIndex
    /// The highest entry known to be durable there. Known only within one life of the stream (D10).
    private(set) var matchIndex: LogIndex = 0
    private(set) var inflight: Deque<Inflight> = []
    private(set) var inflightBytes = 0
    /// The number of the next append. Never goes back, whatever becomes of the stream.
    private(set) var nextSequence: UInt64 = 1
    /// When something was last sent while nothing was on its way, or an answer last moved things on.
    private(set) var movedAt: Instant
    /// When the peer last answered anything in this term.
    private(set) var heardAt: Instant
    /// The log behind this entry is kept for it: the last snapshot that it was sent ends there. Nil once it can go on
    /// from the newest one's end, whatever is purged.
    private(set) var heldIndex: LogIndex?
    /// Whether a snapshot stream was ordered for it and not ended.
    private(set) var hasSnapshotStream = false
    /// Since when it has answered, and been near the end of the log, at every look; nil when it was not at the last one.
    private(set) var steadySince: Instant?
    /// The newest read round that it has confirmed.
    private(set) var confirmedRound: UInt64 = 0
    /// Its newest mark, and the one that was here when the round began that is to show followers how recent they are.
    private var mark: UInt64 = 0
    private var evidenceMark: UInt64 = 0
    /// Of the last such round that a quorum has confirmed; see ``HeartbeatRequest/freshMark``.
    private(set) var fresh: (mark: UInt64, index: LogIndex) = (0, 0)

    init(peer: NodeID, nextIndex: LogIndex, now: Instant) {
        self.peer = peer
        self.nextIndex = nextIndex
        movedAt = now
        heardAt = now
    }

    mutating func streamStarted(
        _ id: StreamID, nextIndex: LogIndex, now: Instant, incarnation: Incarnation = Incarnation(rawValue: 0)
    ) {
        stream = id
        if incarnation.rawValue != 0 { self.incarnation = incarnation }
        lastFailure = nil
        matchIndex = 0
        self.nextIndex = nextIndex
        state = .probe
        clearInflight()
        movedAt = now
    }

    mutating func streamEnded(_ reason: String) {
        stream = nil
        lastFailure = reason
        matchIndex = 0
        state = .probe
        steadySince = nil
        clearInflight()
    }

    mutating func noteSteady(_ isSteady: Bool, now: Instant) {
        steadySince = isSteady ? steadySince ?? now : nil
    }

    /// How many entries of a log that ends with `last` it is not known to hold.
    func lag(behind last: LogIndex) -> UInt64 { last.rawValue - min(last, matchIndex).rawValue }

    mutating func becomeSnapshot(_ manifest: SnapshotManifest, now: Instant) {
        state = .snapshot(manifest.id)
        heldIndex = manifest.last.index
        hasSnapshotStream = true
        clearInflight()
        movedAt = now
    }

    /// The peer holds everything through `index`, which is committed: from a snapshot, or because it was past it.
    mutating func installed(through index: LogIndex, now: Instant) {
        if index > matchIndex {
            matchIndex = index
            movedAt = now
        }
        // An answer about an earlier one may come late.
        if case .snapshot = state, matchIndex >= heldIndex ?? 0 { state = .probe }
        if state == .probe, inflight.isEmpty { nextIndex = matchIndex.next }
        nextIndex = max(nextIndex, matchIndex.next)
    }

    mutating func endSnapshotStream() { hasSnapshotStream = false }

    /// The peer has come so far that nothing is kept for it any more.
    mutating func release(beyond index: LogIndex) { if matchIndex >= index { heldIndex = nil } }

    mutating func heard(now: Instant) { heardAt = now }

    mutating func confirm(round: UInt64) { confirmedRound = max(confirmedRound, round) }

    mutating func note(mark: UInt64) { self.mark = mark }
    mutating func beginEvidence() { evidenceMark = mark }
    mutating func showEvidence(_ index: LogIndex) { if evidenceMark != 0 { fresh = (evidenceMark, index) } }

    mutating func sent(last: LogIndex?, bytes: Int, now: Instant) {
        if inflight.isEmpty { movedAt = now }
        inflight.append(Inflight(sequence: nextSequence, last: last, bytes: bytes))
        nextSequence += 1
        inflightBytes += bytes
        if state == .replicate, let last { nextIndex = last.next }
    }

    /// The peer holds everything through `index`. Returns whether that is news.
    ///
    /// An answer to an append that is no longer under way still tells the truth about the peer's log, and nothing
    /// else: it must not open the window, or each answer that comes twice would add an append for ever.
    mutating func accepted(sequence: UInt64, through index: LogIndex, now: Instant) -> Bool {
        let index = Mutant.isOn("ack-of-all-sent") ? max(index, inflight.last?.last ?? 0) : index
        let isAnswer = take(through: sequence)
        if isAnswer, state == .probe, !Mutant.isOn("probe-for-ever") {
            state = .replicate
            nextIndex = matchIndex.next
        }
        let isNews = index > matchIndex
        if isNews {
            movedAt = now
            matchIndex = index
        }
        nextIndex = max(nextIndex, matchIndex.next)
        return isNews
    }

    /// The peer held no entry `previous` when it looked. Ignored when it answers something that is no longer the
    /// question: then it must not move anything back (R46, R47).
    ///
    /// Where an answer that was overtaken has shown meanwhile that the peer does hold `previous`, the refused append
    /// is still lost, and is sent again.
    mutating func refused(sequence: UInt64, previous: LogIndex, agreeable: LogIndex, now: Instant) {
        guard take(through: sequence) else { return }
        var next = max(min(previous, agreeable.next), matchIndex.next)
        if Mutant.isOn("next-index-underflow") { next = LogIndex(next.rawValue &- 3) }
        becomeProbe(now: now)
        nextIndex = next
    }

    /// Whether an answer to the append of this number is still awaited.
    func isAwaited(_ sequence: UInt64) -> Bool {
        guard let newest = inflight.last, let oldest = inflight.first else { return false }
        return oldest.sequence <= sequence && sequence <= newest.sequence
    }

    /// Takes the append of this number, and what was sent before it, from what is under way. False when it is not.
    private mutating func take(through sequence: UInt64) -> Bool {
        guard isAwaited(sequence) else { return Mutant.isOn("answer-to-no-question") }
        while let first = inflight.first, first.sequence <= sequence {
            inflight.removeFirst()
            inflightBytes -= first.bytes
        }
        return true
    }

    /// Asks again from where the logs are known to agree.
    mutating func becomeProbe(now: Instant) {
        if state == .replicate || matchIndex > 0 { nextIndex = matchIndex.next }
        state = .probe
        clearInflight()
        movedAt = now
    }

    private mutating func clearInflight() {
        inflight.removeAll(keepingCapacity: true)
        inflightBytes = 0
    }

    /// How many bytes of entries may be sent now; nil for none.
    func window(_ settings: borrowing Configuration) -> Int? {
        switch state {
        case .snapshot: return nil
        case .probe:
            return inflight.isEmpty ? min(settings.maximumAppendBytes, Self.probeBytes) : nil
        case .replicate:
            guard inflight.count < settings.maximumInflightAppends, inflightBytes < settings.maximumInflightBytes
            else { return nil }
            // What is read from the disk ends where the disk says: wait for the answer.
            if let newest = inflight.last, newest.last == nil { return nil }
            return min(settings.maximumAppendBytes, settings.maximumInflightBytes - inflightBytes)
        }
    }

    /// Whether entries of this many bytes are worth a message of their own now.
    ///
    /// Two appends under way keep the wire busy; a third waits until it is worth it, because many small requests in
    /// flight are many small batches at the other end (hashicorp/raft cut its default from 130 to 2).
    func isWorthSending(bytes: Int) -> Bool { inflight.count < 2 || bytes >= Self.worthwhileBytes }

    private static let probeBytes = 16 << 10
    private static let worthwhileBytes = 64 << 10
}
