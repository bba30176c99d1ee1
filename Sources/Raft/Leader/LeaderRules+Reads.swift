// Reads that nobody writes for: by a round of heartbeats, or by the lease that earlier rounds have left.

extension LeaderRules {
    /// A round whose confirmation will show the followers how recent they are.
    struct Evidence: Sendable {
        let round: UInt64
        let commitIndex: LogIndex
    }

    mutating func read(
        _ ticket: Ticket, _ consistency: ReadConsistency, _ baton: inout Baton, _ effects: inout Effects
    ) {
        switch consistency {
        case .local:
            effects.add(.serveReads([ticket], at: 0))
        case .atLeast(let index):
            baton.awaitIndex(index, ticket, &effects)
        case .noOlderThan(let age):
            if let index = baton.freshness.index(noOlderThan: age, now: baton.now, baton.settings) {
                baton.settings.reached(.staleReadServed)
                effects.add(.serveReads([ticket], at: index))
            } else {
                join(.caller(ticket), mayUseLease: false, baton, &effects)
            }
        case .linearizable:
            join(.caller(ticket), mayUseLease: false, baton, &effects)
        case .lease:
            join(.caller(ticket), mayUseLease: true, baton, &effects)
        }
    }

    mutating func answer(
        _ request: ReadIndexRequest, _ path: any ReplyPath, _ baton: inout Baton, _ effects: inout Effects
    ) {
        guard request.term == baton.currentTerm, baton.membership.current?.contains(request.asker) == true,
            reads.count < baton.settings.maximumWaitingCalls
        else { return baton.refuse(request, path, &effects) }
        reads.add(.peer(path, request.id), mayUseLease: request.mayUseLease)
    }

    private mutating func join(
        _ reader: PendingReads.Reader, mayUseLease: Bool, _ baton: borrowing Baton, _ effects: inout Effects
    ) {
        if reads.count >= baton.settings.maximumWaitingCalls { reads.removeSettled() }
        guard reads.count < baton.settings.maximumWaitingCalls else {
            if case .caller(let ticket) = reader { effects.add(.fail([ticket], baton.tooManyReads())) }
            return
        }
        reads.add(reader, mayUseLease: mayUseLease)
    }

    // MARK: Rounds

    /// A new round: the answers to it show that this node led after this moment.
    mutating func beginRound(_ baton: borrowing Baton) {
        reads.nextRound()
        noteRound(baton)
        if evidence == nil, baton.commitIndex >= opening {
            evidence = Evidence(round: reads.round, commitIndex: baton.commitIndex)
            for at in progress.indices { progress[at].beginEvidence() }
        }
        hasNewRound = true
    }

    private mutating func noteRound(_ baton: borrowing Baton) {
        rounds.note(
            .init(
                round: reads.round, at: baton.now,
                commitIndex: baton.commitIndex >= opening ? baton.commitIndex : nil),
            spacing: baton.markSpacing)
    }

    /// The newest round that a quorum has answered, of those for which `counts` holds.
    private func confirmedRound(
        _ configuration: ClusterConfiguration, _ baton: borrowing Baton,
        where counts: (Progress) -> Bool = { _ in true }
    ) -> UInt64 {
        let (me, newest, progress) = (baton.me, reads.round, progress)
        return Quorum(configuration).agreed { id -> UInt64 in
            if id == me { return newest }
            guard let at = progress.firstIndex(where: { $0.peer == id }), counts(progress[at]) else { return 0 }
            return progress[at].confirmedRound
        }
    }

    /// What the answers of this turn have shown.
    private mutating func noteAnswers(_ configuration: ClusterConfiguration, _ baton: inout Baton) {
        hasNewRound = false
        let confirmed = confirmedRound(configuration, baton)
        if let beginning = rounds.latest(through: confirmed), let index = beginning.commitIndex {
            baton.freshness.note(at: beginning.at, index: index)
        }
        if let shown = evidence, shown.round <= confirmed {
            for at in progress.indices { progress[at].showEvidence(shown.commitIndex) }
            evidence = nil
        }
        guard configuration.leaseWindow != nil else { return }
        // Who does not hold the entry that asks for it may vote as if there were no leases.
        let entry = baton.membership.currentID
        let leased = confirmedRound(configuration, baton) {
            $0.matchIndex >= entry.index || Mutant.isOn("lease-without-entry")
        }
        guard let beginning = rounds.latest(through: leased) else { return }
        lease.renew(since: Mutant.isOn("lease-from-receipt") ? baton.now : beginning.at, by: entry)
    }

    // MARK: The lease

    /// Until when reads may be served without asking anybody; nil for not at all.
    func leaseExpiry(_ baton: borrowing Baton) -> Instant? {
        let isPassingOn = transfer != nil && !Mutant.isOn("lease-in-transfer")
        guard baton.commitIndex >= opening, !isPassingOn, membership.leavesAt == nil, !isLate(baton) else { return nil }
        return lease.expiry(baton)
    }

    /// A tick that is late by more than a heartbeat: the node did not run, and nobody knows what its clock did then.
    private func isLate(_ baton: borrowing Baton) -> Bool {
        baton.now - nextHeartbeat > baton.settings.heartbeatInterval
    }

    mutating func notePause(_ baton: borrowing Baton) {
        guard isLate(baton), baton.membership.current?.leaseWindow != nil else { return }
        if lease.expiry(baton) != nil { baton.settings.reached(.leaseLostInPause) }
        lease.interrupt(at: baton.now)
    }

    /// Voters are about to be asked for votes that they will not refuse for this leader's sake.
    mutating func endLease(_ baton: borrowing Baton) {
        if lease.expiry(baton) != nil { baton.settings.reached(.leaseEndedForTransfer) }
        lease.end()
    }

    // MARK: Serving

    mutating func serveReads(
        _ configuration: ClusterConfiguration, _ baton: inout Baton, _ effects: inout Effects
    ) {
        if hasNewRound { noteAnswers(configuration, &baton) }
        guard !reads.isEmpty else { return }
        if baton.commitIndex < opening { baton.settings.reached(.readWaitedForOpening) }
        guard baton.commitIndex >= opening || Mutant.isOn("read-before-own-commit") else { return }
        if reads.hasLeaseReaders {
            if let expiry = leaseExpiry(baton), baton.now < expiry {
                baton.settings.reached(.leaseReadServed)
                serve(reads.takeLeaseReaders(), at: baton.commitIndex, &baton, &effects)
            } else {
                baton.settings.reached(.leaseReadByRound)
            }
        }
        guard servesReads else { return }
        for _ in 0..<2 {
            if reads.beginRound(commitIndex: baton.commitIndex) {
                noteRound(baton)
                for at in progress.indices { sendHeartbeat(at, baton, &effects) }
            }
            let isAsked = !Mutant.isOn("read-without-round")
            let round = isAsked ? confirmedRound(configuration, baton) : reads.round
            guard let (readers, index) = reads.confirm(round: round) else { return }
            if readers.count > 1 { baton.settings.reached(.readsSharedRound) }
            serve(readers, at: index, &baton, &effects)
        }
    }

    func serve(
        _ readers: [PendingReads.Reader], at index: LogIndex, _ baton: inout Baton, _ effects: inout Effects
    ) {
        var tickets: [Ticket] = []
        for reader in readers {
            switch reader {
            case .caller(let ticket): tickets.append(ticket)
            case .peer(let path, let id):
                baton.answer(
                    path, .readIndex(ReadIndexReply(term: baton.currentTerm, id: id, index: index)), &effects)
            }
        }
        if !tickets.isEmpty { effects.add(.serveReads(tickets, at: index)) }
    }

    /// This node leads no more: nobody is served by what it knew. Returns the callers of its own.
    mutating func giveUpReads(_ baton: inout Baton, _ effects: inout Effects) -> [Ticket] {
        var tickets: [Ticket] = []
        for reader in reads.takeAll() {
            switch reader {
            case .caller(let ticket): tickets.append(ticket)
            case .peer(let path, let id):
                baton.answer(path, .readIndex(ReadIndexReply(term: baton.currentTerm, id: id, index: nil)), &effects)
            }
        }
        if !tickets.isEmpty { baton.settings.reached(.readLost) }
        return tickets
    }
}
