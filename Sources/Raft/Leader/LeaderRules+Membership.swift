// Changing who belongs to the cluster (§6; dissertation §4): one configuration at a time, through the log.

extension LeaderRules {
    // MARK: What callers ask for

    mutating func changeMembership(_ order: MembershipOrder, _ baton: inout Baton, _ effects: inout Effects) {
        guard let configuration = baton.membership.current else { return }
        if let refusal = refusal(of: order, baton) {
            effects.add(.fail([order.ticket], refusal))
            return
        }
        let isRedirection = if case .redirect = order.request { true } else { false }
        if !baton.isConfigurationCommitted, !(isRedirection && configuration.isJoint), !Mutant.isOn("two-changes") {
            // Binding is not a change that a caller should hear of: it takes its turn behind that.
            guard baton.membership.currentID != baton.membership.membersID, membership.held == nil else {
                let error = RaftError(
                    .changeInProgress,
                    "the change of entry \(baton.membership.currentID) is not committed yet; wait until it is through")
                effects.add(.fail([order.ticket], error))
                return
            }
            membership.held = order
            return
        }
        var request = order.request
        if case .add(let id, let address, nil) = request {
            request = .add(id, address: address, promotedWhenReady: baton.settings.promotesLearners)
        }
        let outcome = MembershipChange.outcome(of: request, in: bound(configuration, baton)) { learner in
            unfitness(of: learner, baton)
        }
        let waiting = MembershipWork.Waiting(ticket: order.ticket, deadline: order.timeout.map { baton.now + $0 })
        switch outcome {
        case .refused(let error):
            effects.add(.fail([order.ticket], error))
        case .unchanged:
            if case .redirect(let voters) = order.request {
                redirect(to: voters, waiting, &effects)
            } else if case .add(let learner, _, _) = order.request, order.isBlocking {
                membership.catchUps.append(.init(learner: learner, waiting: waiting))
            } else {
                effects.add(.succeed(order.ticket))
            }
        case .next(let next):
            membership.change = waiting
            if case .add(let learner, _, _) = order.request, order.isBlocking { membership.adding = learner }
            enter(next, &baton, &effects)
        }
    }

    private func refusal(of order: MembershipOrder, _ baton: borrowing Baton) -> RaftError? {
        if let transfer {
            return RaftError(
                .notLeader, "node \(baton.me) is passing its leadership to node \(transfer.target); try again there",
                leader: LeaderHint(
                    id: transfer.target, address: baton.membership.current?.address(of: transfer.target)))
        }
        if membership.leavesAt != nil { return baton.notLeader() }
        guard baton.commitIndex >= opening || Mutant.isOn("change-before-own-commit") else {
            return RaftError(
                .notCommittedInTerm,
                "node \(baton.me) leads term \(baton.currentTerm) and has not committed an entry of it yet; try again soon"
            )
        }
        if case .allowLeases(.some(let window)) = order.request,
            let reason = baton.settings.unfitness(ofLeaseWindow: window)
        {
            return RaftError(.invalidConfiguration, reason)
        }
        let (current, members) = (baton.membership.currentID, baton.membership.membersID)
        if let seen = order.ifUnchangedSince, seen != current, seen != members {
            return RaftError(
                .membershipChanged,
                "the members are those of entry \(members), not of \(seen); look at them again (\(baton.membership.current?.members.map(\.id) ?? []))"
            )
        }
        return nil
    }

    private mutating func redirect(
        to voters: [NodeID], _ waiting: MembershipWork.Waiting, _ effects: inout Effects
    ) {
        if let earlier = membership.change {
            let error = RaftError(
                .changeRedirected, "the change was redirected: it ends with voters \(voters.sorted())",
                outcome: .unknown)
            effects.add(.fail([earlier.ticket], error))
        }
        membership.change = waiting
        membership.wish = voters.sorted()
    }

    /// Why a learner cannot be given a vote: it must be one life that everybody will know, hold the entry that says
    /// which, and lag by no more than what it catches up within an election.
    func unfitness(of learner: NodeID, _ baton: borrowing Baton) -> RaftError? {
        func lags(_ reason: String) -> RaftError { RaftError(.learnerLags, "node \(learner) \(reason)") }
        guard learner != baton.me else { return nil }
        guard let at = position(of: learner), progress[at].stream != nil else {
            let reason = position(of: learner).flatMap { progress[$0].lastFailure }
            return lags(
                "cannot be reached\(reason.map { ": \($0)" } ?? ""); a voter that is away would only count as lost")
        }
        guard baton.membership.current?.member(learner)?.incarnation != nil,
            progress[at].matchIndex >= baton.membership.currentID.index
        else { return lags("does not hold entry \(baton.membership.currentID), the members, yet; wait until it does") }
        let lag = baton.log.last.index.rawValue - progress[at].matchIndex.rawValue
        guard lag <= UInt64(baton.settings.maximumReplicationLag) else {
            return lags(
                "is \(lag) entries behind; at most \(baton.settings.maximumReplicationLag) are allowed (maximumReplicationLag)"
            )
        }
        return nil
    }

    // MARK: What follows from commits

    /// The next step of whatever is under way, once the one before it is committed. Called once a turn.
    mutating func advanceMembership(_ baton: inout Baton, _ effects: inout Effects) {
        let isThrough =
            baton.isConfigurationCommitted
            || (Mutant.isOn("joint-left-early") && baton.membership.current?.isJoint == true)
        if isThrough, baton.commitIndex >= opening { step(&baton, &effects) }
        tellDeparting(baton, &effects)
        settleCatchUps(baton, &effects)
    }

    private mutating func step(_ baton: inout Baton, _ effects: inout Effects) {
        guard let configuration = baton.membership.current, membership.leavesAt == nil else { return }
        if configuration.isJoint {
            let known = bound(configuration, baton)
            guard transfer == nil, let next = MembershipChange.end(of: known, wish: membership.wish) else { return }
            if membership.wish.take() != nil { baton.settings.reached(.changeRedirected) }
            return enter(next, &baton, &effects)
        }
        finishChange(baton, &effects)
        guard configuration.isVoter(baton.me) else { return leave(baton, &effects) }
        if let order = membership.held.take() { changeMembership(order, &baton, &effects) }
        // One entry for everybody who waits to be bound; it may be that a change has just bound them.
        guard baton.isConfigurationCommitted, transfer == nil, waitsForBinding(configuration, baton) else { return }
        enter(bound(configuration, baton), &baton, &effects)
    }

    private mutating func finishChange(_ baton: borrowing Baton, _ effects: inout Effects) {
        guard let change = membership.change.take() else { return }
        if let learner = membership.adding.take() {
            membership.catchUps.append(.init(learner: learner, waiting: change))
        } else {
            effects.add(.succeed(change.ticket))
        }
    }

    /// A leader without a vote has committed the configuration that took it. It tells everybody, and takes no more
    /// proposals: its log comes to its end.
    private mutating func leave(_ baton: borrowing Baton, _ effects: inout Effects) {
        membership.leavesAt = baton.now + baton.settings.electionTimeout.lowerBound
        effects.note("term \(baton.currentTerm): has no vote any more, and leaves its office")
        for at in progress.indices { sendHeartbeat(at, baton, &effects) }
    }

    /// Lets a successor campaign once it holds the whole log and all of that is committed: whoever proposed something here
    /// has been answered by then, and nobody waits for an election timeout. This leader goes when it hears of the next
    /// term, or when its time is over. Called at the end of each turn.
    ///
    /// For one heartbeat it waits for the fittest; after that the fittest of those who hold the log is good enough.
    mutating func passOn(_ baton: borrowing Baton, _ effects: inout Effects) {
        let last = baton.log.last.index
        guard let leavesAt = membership.leavesAt, membership.successor == nil, transfer == nil,
            baton.commitIndex == last
        else { return }
        let settings = baton.settings
        let isPatient = leavesAt - baton.now > settings.electionTimeout.lowerBound - settings.heartbeatInterval
        let now = baton.now
        let successor = fittestSuccessor(baton, includesNever: true) { peer in
            isThere(peer, now, settings) && (isPatient || peer.matchIndex == last)
        }
        guard let successor, let at = position(of: successor), progress[at].matchIndex == last else { return }
        settings.reached(.leaverPassedOn)
        effects.note("term \(baton.currentTerm): leaves its office to node \(successor)")
        membership.successor = successor
        tellToCampaign(at, baton, &effects)
    }

    /// Takes another successor if the one that was told to campaign answers no more. One that does has said no word of a
    /// later term, and is told again (see `repeatOrder`). Called once a heartbeat.
    mutating func reconsiderSuccessor(_ baton: borrowing Baton) {
        guard let successor = membership.successor else { return }
        let peer = position(of: successor).map { progress[$0] }
        if peer.map({ $0.stream != nil && isThere($0, baton.now, baton.settings) }) != true {
            membership.successor = nil
        }
    }

    private func isThere(_ peer: Progress, _ now: Instant, _ settings: Configuration) -> Bool {
        now - peer.heardAt <= settings.heartbeatInterval * 2
    }

    /// Whoever was taken out hears that it is final, and its stream ends then; or without that, after a while.
    private mutating func tellDeparting(_ baton: borrowing Baton, _ effects: inout Effects) {
        guard !membership.departures.isEmpty else { return }
        for at in membership.departures.indices {
            let departure = membership.departures[at]
            guard departure.configuration <= baton.commitIndex else { continue }
            if departure.endsAt == nil {
                membership.departures[at].endsAt = baton.now + baton.settings.electionTimeout.upperBound
            }
            guard let peer = position(of: departure.peer), !departure.isTold,
                progress[peer].matchIndex >= departure.configuration
            else { continue }
            sendHeartbeat(peer, baton, &effects)
            membership.departures[at].isTold = true
            membership.departures[at].endsAt = baton.now + baton.settings.heartbeatInterval
        }
    }

    private mutating func settleCatchUps(_ baton: borrowing Baton, _ effects: inout Effects) {
        guard !membership.catchUps.isEmpty else { return }
        let waiting = membership.catchUps
        membership.catchUps = []
        for catchUp in waiting {
            if baton.membership.current?.contains(catchUp.learner) != true {
                let error = RaftError(
                    .unknownNode, "node \(catchUp.learner) was removed before it had caught up", outcome: .unknown)
                effects.add(.fail([catchUp.waiting.ticket], error))
            } else if baton.membership.current?.isVoter(catchUp.learner) == true
                || unfitness(of: catchUp.learner, baton) == nil
            {
                effects.add(.succeed(catchUp.waiting.ticket))
            } else {
                membership.catchUps.append(catchUp)
            }
        }
    }

    // MARK: Time

    /// Callers whose time is over, and streams to those who have gone.
    mutating func tickMembership(_ baton: borrowing Baton, _ effects: inout Effects) {
        func isOver(_ waiting: MembershipWork.Waiting) -> Bool { waiting.deadline.map { baton.now >= $0 } ?? false }
        if let change = membership.change, isOver(change) {
            let error = RaftError(
                .deadlineExceeded, "the change is not committed yet; it goes on", outcome: .unknown)
            effects.add(.fail([change.ticket], error))
            membership.change = nil
            membership.adding = nil
        }
        for catchUp in membership.catchUps where isOver(catchUp.waiting) {
            let reason = unfitness(of: catchUp.learner, baton)?.message ?? "it has not caught up"
            let error = RaftError(
                .deadlineExceeded, "node \(catchUp.learner) is a learner now, but \(reason)", outcome: .unknown)
            effects.add(.fail([catchUp.waiting.ticket], error))
        }
        membership.catchUps.removeAll { isOver($0.waiting) }
        let gone = membership.departures.filter { departure in
            guard let at = position(of: departure.peer), progress[at].stream != nil else { return true }
            return departure.endsAt.map { baton.now >= $0 } ?? false
        }.map(\.peer)
        if !gone.isEmpty {
            drop(gone)
            effects.add(.keepStreams(progress.map(\.peer)))
        }
    }

    /// The term is over for this leader; what it has begun, the next one may finish.
    mutating func endMembership(_ baton: borrowing Baton, _ effects: inout Effects) {
        if let order = membership.held { effects.add(.fail([order.ticket], baton.notLeader())) }
        var late = membership.catchUps.map(\.waiting.ticket)
        if let change = membership.change { late.append(change.ticket) }
        membership = MembershipWork()
        guard !late.isEmpty else { return }
        let error = RaftError(
            .outcomeUnknown,
            "node \(baton.me) lost its leadership before the change was through; the next leader finishes it, or takes it back. Look at the members before asking again",
            outcome: .unknown, leader: baton.leader == baton.me ? nil : baton.leaderHint)
        effects.add(.fail(late, error))
    }

    // MARK: The configuration in force

    /// Appends a configuration, which is in force from now on.
    mutating func enter(_ next: ClusterConfiguration, _ baton: inout Baton, _ effects: inout Effects) {
        let id = LogID(term: baton.currentTerm, index: baton.log.last.index.next)
        var builder = EntryBatch.Builder(first: id.index, term: id.term)
        builder.append(.configuration, next.encoded)
        guard let batch = builder.finish() else { return }
        effects.note("term \(baton.currentTerm): configuration \(id): \(next)")
        baton.write(keeping: baton.log.last, [batch], configurations: [(id, next)], &effects)
        follow(next, since: id.index, baton, &effects)
    }

    /// One stream to each member, and for a while to those who were one.
    private mutating func follow(
        _ configuration: ClusterConfiguration, since index: LogIndex, _ baton: borrowing Baton,
        _ effects: inout Effects
    ) {
        let peers = configuration.members.map(\.id).filter { $0 != baton.me }
        // Who comes back before it has quite gone comes back as another life.
        let back = membership.departures.map(\.peer).filter(peers.contains)
        if !back.isEmpty {
            drop(back)
            effects.add(.keepStreams(progress.map(\.peer)))
        }
        for peer in progress.map(\.peer) where !peers.contains(peer) {
            if !membership.departures.contains(where: { $0.peer == peer }) {
                membership.departures.append(.init(peer: peer, configuration: index))
            }
        }
        membership.departures.sort { $0.peer < $1.peer }
        for peer in peers where position(of: peer) == nil {
            progress.append(Progress(peer: peer, nextIndex: baton.log.last.index.next, now: baton.now))
        }
        progress.sort { $0.peer < $1.peer }
        effects.add(.keepStreams(progress.map(\.peer)))
    }

    private mutating func drop(_ peers: [NodeID]) {
        progress.removeAll { peers.contains($0.peer) }
        membership.departures.removeAll { peers.contains($0.peer) }
    }

    /// Whether somebody else's life is known here and not to everybody. This leader's own is bound with theirs: whoever
    /// is alone is taken for nobody else.
    private func waitsForBinding(_ configuration: ClusterConfiguration, _ baton: borrowing Baton) -> Bool {
        configuration.members.contains { member in
            member.incarnation == nil && member.id != baton.me
                && position(of: member.id).map { progress[$0].incarnation != nil } == true
        }
    }

    /// The configuration with everybody bound whose life this leader knows: its own, and those that it has reached.
    func bound(_ configuration: ClusterConfiguration, _ baton: borrowing Baton) -> ClusterConfiguration {
        guard configuration.members.contains(where: { $0.incarnation == nil }) else { return configuration }
        let (me, own) = (baton.me, baton.incarnation)
        return configuration.binding { id in
            id == me ? own : position(of: id).flatMap { progress[$0].incarnation }
        }
    }
}
