internal import DequeModule

/// The node's state. Whoever holds it is the node's role: it cannot be copied, so the compiler proves that two roles
/// never hold it.
struct Baton: ~Copyable, Sendable {
    /// Never looked at: see ``InPlace``.
    private let inPlace = InPlace()
    let settings: Configuration
    /// This node's own life.
    let incarnation: Incarnation
    var random: RandomSource
    /// The moment at which this turn began.
    var now: Instant

    // MARK: Figure 2: persistent state
    /// `currentTerm` and `votedFor` as decided; perhaps not on disk yet, see `durableHardState`.
    private(set) var hardState: HardState
    private(set) var durableHardState: HardState
    private(set) var log: LogTail
    /// How far the log is on disk.
    private(set) var durableIndex: LogIndex
    private(set) var writes = OutstandingWrites()
    /// Why the log has no room for more, or soon will have none; nil while it has.
    private(set) var logShortage: RaftError?
    private(set) var membership: MembershipHistory

    // MARK: Figure 2: volatile state
    private(set) var commitIndex: LogIndex
    /// How far the Applier has been told to apply.
    private(set) var applyOrdered: LogIndex
    /// How far it has applied: Figure 2's `lastApplied`.
    var lastApplied: LogIndex
    /// The runs in between, with their bytes.
    private var applying: Deque<(through: LogIndex, bytes: Int)> = []
    private var applyingBytes = 0

    // MARK: The leader, as this node sees it
    var leader: NodeID?
    /// When the leader was last heard: set only by an append or a heartbeat of the current leader. A change of term
    /// does not clear it: a vote request of a higher term must not make its receiver forget that it hears a leader.
    var leaderHeardAt: Instant?
    var electionTimer = ElectionTimer()
    /// How many more rounds of a campaign are short, since the leader is known to be gone.
    var shortRounds = 0
    static let maximumShortRounds = 4
    /// How far apart marks and rounds are that show how recent something is.
    let markSpacing: Duration

    // MARK: Readers
    /// How recent the state here is known to be, whatever the role.
    var freshness: Freshness
    var indexReads = IndexReads()

    // MARK: Belonging to the cluster
    /// The log began with entries of a leader, or with its snapshot, not with this node's own first one: perhaps this
    /// is a member that has lost its disk, so it has no vote before a configuration binds this life of it
    /// (<doc:Incarnations>).
    private(set) var hasJoined: Bool
    /// Who said that this node was removed; nil again once a leader is heard.
    var removedBy: NodeID?

    // MARK: The work at hand
    /// Messages taken from the mailbox and not answered yet: they travel with the baton.
    var inbox: Deque<Message> = []
    /// How often the message in front has been handed over; above three is a bug.
    var handOverCount = 0
    /// Who asked for a stop that has not happened yet: the leader is passing its office on first.
    var stopRequests: [CompletionTicket] = []
    var isStopping = false
    /// Who asked for the first entry of this cluster, until it is durable.
    var initializing: CompletionTicket?
    var snapshots: SnapshotLedger

    init(
        settings: Configuration, recovered: RecoveredLog, membership: MembershipHistory, applied: LogID,
        hasJoined: Bool = false, random: RandomSource, now: Instant, snapshots: SnapshotLedger? = nil
    ) {
        self.settings = settings
        markSpacing = settings.heartbeatInterval / 16
        incarnation = recovered.incarnation
        self.hasJoined = hasJoined
        let snapshots = snapshots ?? SnapshotLedger(builder: recovered.incarnation, isEnabled: false, now: now)
        self.snapshots = snapshots
        self.random = random
        freshness = Freshness(random)
        self.now = now
        // A vote file that lags behind the log cannot be (it is written first); the greater term is always right.
        hardState = recovered.hardState
        durableHardState = recovered.hardState
        log = LogTail(terms: TermRuns(purged: recovered.purged, starts: recovered.termStarts, last: recovered.last))
        durableIndex = recovered.last.index
        self.membership = membership
        commitIndex = max(applied.index, recovered.purged.index, snapshots.newest?.last.index ?? 0)
        applyOrdered = applied.index
        lastApplied = applied.index
        if Mutant.isOn("vote-forgotten-at-start") { hardState.votedFor = nil }
        if recovered.last.term > hardState.currentTerm {
            hardState = HardState(currentTerm: recovered.last.term)
        }
        // Nothing says when it last heard a leader. It may have been right before this start, and that leader may hold
        // a lease by it.
        if membership.current?.leaseWindow != nil, !Mutant.isOn("lease-forgotten-at-start") { leaderHeardAt = now }
    }

    var me: NodeID { settings.id }
    var currentTerm: Term { hardState.currentTerm }
    var isTermDurable: Bool { durableHardState.currentTerm == hardState.currentTerm }
    var isVoter: Bool { membership.current?.isVoter(me) ?? false }
    /// Whether it must campaign when it hears no leader. So must one that the configuration in force has just taken the
    /// vote from, until that is committed: it may hold the only copies of that configuration's entry, and who lacks the
    /// entry still needs the vote of a log that is longer than theirs. It wins by the votes of the others, and leaves.
    var mayCampaign: Bool {
        if Mutant.isOn("loss-of-vote-at-append") { return isVoter }
        return isVoter || (!isConfigurationCommitted && membership.before?.isVoter(me) == true)
    }
    /// Whether its vote may count, for itself or for others: no configuration binds another life of this node, and one
    /// binds this life if the node has joined (R27).
    var mayVote: Bool {
        let member = membership.current?.member(me) ?? (mayCampaign ? membership.before?.member(me) : nil)
        guard let bound = member?.incarnation else { return !hasJoined }
        return bound == incarnation
    }
    /// The configuration in force cannot be undone any more.
    var isConfigurationCommitted: Bool { membership.currentID.index <= commitIndex }
    /// It was a member, and is none any more: by a configuration that is committed, or because members say so.
    var isRemoved: Bool {
        removedBy != nil || (isConfigurationCommitted && membership.current?.isRemoved(me, incarnation) == true)
    }
    /// Nothing was ever written here, and no term was ever heard of: only then may a cluster be begun.
    var isPristine: Bool { log.last == .zero && currentTerm == 0 }

    /// The role for a node that neither leads nor campaigns.
    var passiveRole: NextRole { mayCampaign ? .follower : .learner }

    /// How old the oldest write is that has not reached the disk.
    var oldestWriteAge: Duration { writes.oldestSince.map { now - $0 } ?? .zero }

    /// Whether a leader was heard so recently that nobody else should be voted for, whatever
    /// their term (dissertation §4.2.3).
    var hasHeardLeaderRecently: Bool {
        guard let leaderHeardAt else { return false }
        return now - leaderHeardAt < max(settings.electionTimeout.lowerBound, membership.current?.leaseWindow ?? .zero)
    }

    /// Until when this node's vote, for itself too, would break the lease of the leader that it heard. Nil when no lease
    /// can rest on it.
    var leaseOwedUntil: Instant? {
        guard let window = membership.current?.leaseWindow, let leaderHeardAt, now - leaderHeardAt < window else {
            return nil
        }
        return leaderHeardAt + window
    }

    /// Never somebody who is no member any more (R58).
    var leaderHint: LeaderHint? {
        guard let leader else { return nil }
        guard let configuration = membership.current else { return LeaderHint(id: leader, address: nil) }
        return configuration.address(of: leader).map { LeaderHint(id: leader, address: $0) }
    }

    /// The refusal of a call that only a leader can serve.
    func notLeader() -> RaftError {
        let message =
            switch leaderHint {
            case .some(let hint) where hint.id != me:
                "not the leader in term \(currentTerm); ask node \(hint.id)\(hint.address.map { " at \($0)" } ?? "")"
            default: "not the leader in term \(currentTerm), and no leader is known; try again soon"
            }
        return RaftError(.notLeader, message, leader: leader == me ? nil : leaderHint)
    }

    /// Whoever is never to lead waits three times as long: it campaigns only where nobody else can win.
    mutating func resetElectionTimer() {
        shortRounds = 0
        let usual = settings.electionTimeout
        let range = preference == .never ? usual.lowerBound * 3...usual.upperBound * 3 : usual
        electionTimer.reset(now: now, range: range, random: &random)
    }

    /// The leader is known to be gone: whoever may lead campaigns within a heartbeat, at a random moment as ever (§5.2),
    /// and whoever is never to lead after that.
    mutating func hastenElection() {
        let beat = settings.heartbeatInterval
        electionTimer.reset(now: now, range: preference == .never ? beat * 2...beat * 3 : .zero...beat, random: &random)
        shortRounds = Self.maximumShortRounds
    }

    /// The time of a candidate's round. Those who campaign because the leader is known to be gone do so within one
    /// heartbeat of each other, and split the vote more often than by the election timeout: they soon try again.
    mutating func startRoundTimer() {
        guard shortRounds > 0 else { return resetElectionTimer() }
        let beat = settings.heartbeatInterval
        electionTimer.reset(
            now: now, range: preference == .never ? beat * 3...beat * 4 : beat...beat * 2, random: &random)
    }

    /// This node's own, by the configuration in force.
    var preference: LeadershipPreference { membership.current?.preference(of: me) ?? .ordinary }
}

// MARK: - What changes the persistent state

extension Baton {
    /// Moves to a later term, in which nobody has been voted for, or votes. Durable before anything of it leaves.
    mutating func persist(_ state: HardState, _ effects: inout Effects, replies: [HeldReply] = []) -> WriteID {
        hardState = state
        let id = writes.begin(last: log.last.index, hardState: state, now: now)
        effects.add(.write([.hardState(state)], id: id, replies: replies))
        return id
    }

    /// Rule 2: a term above mine is mine from now on.
    mutating func adopt(_ term: Term, _ effects: inout Effects) {
        guard term > currentTerm else { return }
        leader = nil
        let vote = Mutant.isOn("vote-kept-in-next-term") ? hardState.votedFor : nil
        _ = persist(HardState(currentTerm: term, votedFor: vote), &effects)
    }

    /// Cuts the log behind `keep` if that is below its end, adds `batches`, and writes both as one.
    mutating func write(
        keeping keep: LogID, _ batches: [EntryBatch], configurations: [(LogID, ClusterConfiguration)],
        _ effects: inout Effects, replies: [HeldReply] = []
    ) {
        var operations: [LogOperation] = []
        if keep.index < log.last.index {
            operations.append(.truncate(through: keep))
            log.truncate(through: keep.index)
            writes.truncate(through: keep.index)
            durableIndex = min(durableIndex, keep.index)
            _ = membership.truncate(through: keep.index)
        }
        for batch in batches {
            operations.append(.append(batch))
            log.append(batch)
        }
        for (id, configuration) in configurations { membership.append(configuration, at: id) }
        let id = writes.begin(last: log.last.index, hardState: hardState, now: now)
        effects.add(.write(operations, id: id, replies: replies))
    }

    /// Entries of a leader, or its snapshot, are about to be the first ones here. Durable before they are.
    mutating func noteJoining(_ effects: inout Effects) {
        guard log.last == .zero, !hasJoined else { return }
        hasJoined = true
        effects.add(.rememberJoining)
    }

    /// Lets go of the log through `id`, which a durable snapshot covers.
    mutating func purge(through id: LogID, _ effects: inout Effects) {
        log.purge(through: id)
        let write = writes.begin(last: log.last.index, hardState: hardState, now: now)
        effects.add(.write([.purge(through: id)], id: write, replies: []))
    }

    /// The log does not hold what a durable snapshot ends with: it begins anew behind it, with what is committed and
    /// what the machine is told to apply (§7). All of this is decided here and now; a start completes what a crash
    /// leaves of it.
    mutating func install(_ manifest: SnapshotManifest, _ effects: inout Effects, replies: [HeldReply]) {
        let last = manifest.last
        if snapshots.building != nil { effects.add(.abortBuild) }
        // First, so that the machine no longer waits for entries that the next write forgets.
        effects.add(.installSnapshot(manifest))
        if !writes.isEmpty { settings.reached(.installedOverWrites) }
        writes.truncate(through: last.index)
        log.reset(to: last)
        durableIndex = last.index
        commitIndex = last.index
        applyOrdered = last.index
        membership.reset(to: manifest)
        let id = writes.begin(last: last.index, hardState: hardState, now: now)
        effects.add(.write([.reset(to: last)], id: id, replies: replies))
        note(manifest)
    }

    /// The disk has answered. Returns whether more of the log is durable than before.
    mutating func finishWrites(through id: WriteID, _ effects: inout Effects) -> Bool {
        guard let write = writes.finish(through: id) else { return false }
        durableHardState = write.hardState
        guard write.last > durableIndex else { return false }
        durableIndex = write.last
        log.evict(
            through: durableIndex, maximumBytes: settings.disturbs(.emptyTail) ? 0 : settings.maximumTailBytes)
        if let ticket = initializing.take() { effects.add(.succeed(ticket)) }
        return true
    }

    mutating func noteLogRoom(_ shortage: RaftError?, _ effects: inout Effects) {
        logShortage = shortage
        if let shortage {
            effects.warn(
                "the log's disk is full: \(shortage.message). This node takes no commands as leader until there is room; it looks again once a second"
            )
        } else {
            effects.note("the log's disk has room again")
        }
    }

    /// Moves the commit index up to `index`, never back, never past the end of the log.
    mutating func commit(through index: LogIndex) {
        let index = min(index, log.last.index)
        guard index > commitIndex else { return }
        commitIndex = index
        membership.commit(through: index)
    }

    /// Orders the state machine to apply what is committed *and* durable here: no machine is ever ahead of its own log.
    /// One run ahead of the one at hand: what a slow machine cannot take yet waits in the log, not in its queue, and
    /// its proposers count as waiting.
    mutating func orderApply(_ effects: inout Effects, tickets: (LogIndex) -> [(index: LogIndex, ticket: Ticket)]) {
        let through = Mutant.isOn("apply-before-commit") ? durableIndex : min(commitIndex, durableIndex)
        while applyOrdered < through, applyingBytes < 2 * settings.maximumApplyBytes {
            if !applying.isEmpty, settings.disturbs(.lateApply) { break }
            let first = applyOrdered.next
            let entries = log.entries(from: first, through: through, maximumBytes: settings.maximumApplyBytes)
            let end = entries?.last?.lastIndex ?? through
            if entries == nil { settings.reached(.readForMachine) }
            effects.add(.apply(ApplyOrder(first: first, through: end, entries: entries, tickets: tickets(end))))
            applyOrdered = end
            let bytes = entries?.reduce(0) { $0 + $1.byteCount } ?? settings.maximumApplyBytes
            applying.append((end, bytes))
            applyingBytes += bytes
        }
        if applyOrdered < through { settings.reached(.applyHeldBack) }
        if Mutant.isOn("apply-backlog-forgotten") { applyOrdered = max(applyOrdered, through) }
    }

    mutating func noteApplied(through index: LogIndex) {
        lastApplied = max(lastApplied, index)
        while let run = applying.first, run.through <= lastApplied {
            applying.removeFirst()
            applyingBytes -= run.bytes
        }
        log.evict(through: durableIndex, maximumBytes: settings.maximumTailBytes)
    }
}
