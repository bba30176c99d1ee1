internal import DequeModule

/// How long a leader may serve reads without asking: a quorum of voters, this node included, elects nobody else for a
/// while after it has answered a round of heartbeats (dissertation §6.4.1).
///
/// Measured from the moment at which that round *began*: a voter counts from when it heard the heartbeat, which was
/// later. And shortened by what clocks may drift: this one may be slow, and theirs fast.
struct LeaderLease: Sendable {
    /// Since when a quorum is known to have been in contact, by the configuration of this entry.
    private var held: (since: Instant, configuration: LogID)?
    /// What began before this moment does not count any more: the node did not run meanwhile.
    private var floor: Instant = .zero
    /// A successor was told to campaign, which voters do not refuse: there is no lease in this term any more.
    private(set) var isOver = false

    mutating func renew(since: Instant, by configuration: LogID) {
        if let held, held.configuration == configuration, held.since >= since { return }
        held = (since, configuration)
    }

    /// The node was held up, and may have been for longer than its clock says.
    mutating func interrupt(at now: Instant) { floor = now }

    /// Nothing brings it back in this term.
    mutating func end() { isOver = true }

    /// The moment before which it holds. Nil when the configuration in force has none, is not committed, or is another
    /// one than the lease was renewed by.
    func expiry(_ baton: borrowing Baton) -> Instant? {
        guard let window = baton.membership.current?.leaseWindow, baton.isConfigurationCommitted, let held,
            held.configuration == baton.membership.currentID, held.since >= floor
        else { return nil }
        if isOver, !Mutant.isOn("lease-in-transfer") { return nil }
        return held.since + (Mutant.isOn("lease-without-margin") ? window : baton.settings.leaseLength(of: window))
    }
}

/// When the rounds of heartbeats of one term began, the newest of them.
struct RoundTimes: Sendable {
    struct Beginning: Sendable {
        let round: UInt64
        let at: Instant
        /// The commit index then; nil before the leader knew it.
        let commitIndex: LogIndex?
    }
    private static let maximumCount = 256
    private var beginnings: Deque<Beginning> = []

    /// - Parameter spacing: a round that begins sooner after the one before is not noted by itself: it counts as having
    ///   begun with that one, which is never too late.
    mutating func note(_ beginning: Beginning, spacing: Duration) {
        if let last = beginnings.last, beginning.at - last.at < spacing { return }
        if beginnings.count == Self.maximumCount { beginnings.removeFirst() }
        beginnings.append(beginning)
    }

    /// The newest noted round that is not above this one: it began no later.
    func latest(through round: UInt64) -> Beginning? { beginnings.last { $0.round <= round } }
}

extension Configuration {
    /// How long a lease lasts on a leader's clock, if voters keep it for `window` on theirs: less what both may drift
    /// in the worst directions.
    func leaseLength(of window: Duration) -> Duration {
        let million = 1_000_000
        return window / (million + maximumClockDrift) * (million - maximumClockDrift)
    }

    /// The longest time on this node's clock that is certainly not longer than `duration` really.
    func certainlyWithin(_ duration: Duration) -> Duration {
        duration - (duration / 1_000_000 * maximumClockDrift + .nanoseconds(maximumClockDrift > 0 ? 1 : 0))
    }
}
