/// What a node knows of its snapshots: part of the baton.
struct SnapshotLedger: Sendable {
    /// This life of the node: the first half of the ids of what it builds.
    let builder: Incarnation
    /// Whether there is a store for them, and the state machine makes them. If not, the log is never purged.
    let isEnabled: Bool
    /// The newest durable one. The log goes on behind it, or still holds its last entry.
    private(set) var newest: SnapshotManifest?
    /// Everything through this entry may go from the log, as far as `newest` decides.
    private(set) var purgeable: LogIndex = 0
    /// When `newest` came to be, or this process began.
    private(set) var since: Instant
    private(set) var building: SnapshotID?
    /// Of the newest, when it could not be read: another one must be built, even of the same state.
    private(set) var damaged: SnapshotID?
    /// Those of the last that could not be read: whoever is being sent one gets another.
    private(set) var unreadable: [SnapshotID] = []
    var receiver = SnapshotReceiver()

    /// Callers who wait for the build under way, and for one that must begin after they asked (openraft #1829).
    private var callers: [SnapshotTicket] = []
    private var requests: [SnapshotTicket] = []
    /// What the snapshot of `requests` must include. A caller may know that an entry is applied before the node does: the
    /// applier resumes callers itself.
    private(set) var requestedThrough: LogIndex = 0
    private var backoff = Backoff(minimum: .seconds(1), maximum: .seconds(60))
    private var notBefore: Instant?

    init(builder: Incarnation, isEnabled: Bool, newest: SnapshotManifest? = nil, now: Instant) {
        self.builder = builder
        self.isEnabled = isEnabled
        self.newest = newest
        since = now
    }

    var isWanted: Bool { !requests.isEmpty || damaged != nil }
    func mayBegin(_ now: Instant) -> Bool { building == nil && (notBefore.map { now >= $0 } ?? true) }

    /// A snapshot is to be built that includes everything through `index`, which is or will be applied.
    mutating func request(_ ticket: SnapshotTicket, through index: LogIndex) {
        requests.append(ticket)
        requestedThrough = max(requestedThrough, index)
    }

    mutating func takeRequests() -> [SnapshotTicket] {
        defer { (requests, requestedThrough) = ([], 0) }
        return requests
    }

    mutating func begin(_ id: SnapshotID) {
        building = id
        callers = takeRequests()
    }

    /// The build of `id` is over. Returns who waited for it.
    mutating func end(_ id: SnapshotID) -> [SnapshotTicket] {
        guard building == id else { return [] }
        building = nil
        defer { callers = [] }
        return callers
    }

    mutating func succeeded() {
        backoff.reset()
        notBefore = nil
    }

    /// Re-armed, but not at once: what failed may fail again for a while.
    mutating func failed(now: Instant, _ random: inout RandomSource) { notBefore = now + backoff.pause(&random) }

    /// A snapshot is durable here. Older ones than the newest are of no more use than that.
    mutating func note(_ manifest: SnapshotManifest, purgeable index: LogIndex, now: Instant) {
        if let newest {
            let isNewer = manifest.last.index > newest.last.index
            let isReplacement =
                damaged == newest.id && manifest.last == newest.last && !Mutant.isOn("rebuilt-not-taken")
            guard isNewer || isReplacement else { return }
        }
        newest = manifest
        purgeable = index
        since = now
        damaged = nil
    }

    mutating func noteDamage(_ id: SnapshotID) {
        if newest?.id == id { damaged = id }
        if !unreadable.contains(id) { unreadable.append(id) }
        if unreadable.count > 4 { unreadable.removeFirst() }
    }

    /// Everyone who waits, when the node ends.
    mutating func takeCallers() -> [SnapshotTicket] {
        defer { callers = [] }
        return callers + takeRequests()
    }
}

/// A caller who waits for a snapshot.
final class SnapshotTicket: ValueTicket<SnapshotManifest>, @unchecked Sendable {
    // @unchecked: as its superclass.
}
