/// The leader (§5.3): appends what callers propose, brings every peer's log to its own, and commits what a quorum has
/// on disk.
///
/// What a turn asks for is gathered and done once, in `endTurn`: one batch, one write, one append for each peer.
struct LeaderRules: RoleRules {
    private let inPlace = InPlace()
    var progress: [Progress] = []
    private(set) var proposals = PendingProposals()
    var reads = PendingReads()
    var lease = LeaderLease()
    var rounds = RoundTimes()
    var evidence: Evidence?
    var hasNewRound = false
    var transfer: LeadershipTransfer?
    var membership = MembershipWork()
    var leadership = LeadershipWork()
    var pushes: [SnapshotPush] = []
    private var gathered: [Proposal] = []
    private var gatheredBytes = 0
    /// The no-op that opened this term. Before it is committed nothing older can be known to be (§8).
    private(set) var opening: LogIndex = 0
    private(set) var nextHeartbeat: Instant = .zero
    /// When it next looks for sessions whose clients have gone.
    private var nextSessionSweep: Instant = .zero

    // MARK: Taking and leaving office

    mutating func begin(_ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        baton.leader = baton.me
        baton.electionTimer.stop()
        let peers = baton.membership.current?.members.map(\.id).filter { $0 != baton.me } ?? []
        progress = peers.map { Progress(peer: $0, nextIndex: baton.log.last.index.next, now: baton.now) }
        opening = baton.log.last.index.next
        leadership.since = baton.now
        leadership.term = baton.currentTerm
        append([.init(kind: .blank, payload: [])], &baton, &effects)
        effects.add(.keepStreams(peers))
        nextHeartbeat = baton.now + baton.settings.heartbeatInterval
        nextSessionSweep = baton.now + baton.settings.sessionTimeout / 4
        return .stay
    }

    mutating func end(_ baton: inout Baton, _ effects: inout Effects) {
        effects.add(.keepStreams([]))
        // What is not in the log never was anywhere.
        if Mutant.isOn("reads-outlive-office") { serve(reads.takeAll(), at: baton.commitIndex, &baton, &effects) }
        let early = gathered.map(\.ticket) + giveUpReads(&baton, &effects)
        gathered = []
        gatheredBytes = 0
        if !early.isEmpty { effects.add(.fail(early, baton.notLeader())) }
        let late = proposals.takeAll()
        if !late.isEmpty {
            baton.settings.reached(.proposalLost)
            effects.add(
                .fail(
                    late,
                    RaftError(
                        .outcomeUnknown,
                        "node \(baton.me) lost its leadership before the command was committed; it may be applied by the next leader, or never",
                        outcome: .unknown, leader: baton.leader == baton.me ? nil : baton.leaderHint)))
        }
        endTransfer(baton, &effects)
        endMembership(baton, &effects)
        failPushes(baton, &effects)
        if baton.leader == baton.me { baton.leader = nil }
    }

    // MARK: The table

    mutating func handle(_ message: Message, _ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        notePause(baton)
        switch message {
        case .request, .reply:
            if let verdict = checkTerm(message, &baton, &effects) { return verdict }
        default: break
        }
        switch message {
        case .propose(let proposal):
            propose(proposal, baton, &effects)
        case .read(let ticket, let consistency):
            read(ticket, consistency, &baton, &effects)
        case .request(let request, let path):
            return answer(request, path, &baton, &effects)
        case .reply(let reply, let from):
            note(reply, from, baton, &effects)
        case .durable(let id):
            _ = baton.finishWrites(through: id, &effects)
        case .applied(let index):
            baton.noteApplied(through: index)
        case .streamStarted(let peer, let id, let incarnation):
            if let at = position(of: peer) {
                progress[at].streamStarted(
                    id, nextIndex: baton.log.last.index.next, now: baton.now, incarnation: incarnation)
                sendHeartbeat(at, baton, &effects)
            }
        case .streamEnded(let peer, let id, let reason):
            if let at = position(of: peer) { streamEnded(at, id, reason, &effects) }
        case .tick:
            return tick(&baton, &effects)
        case .overslept(let duration):
            // Nobody else can lead. What was due meanwhile is done now, or the clock would say the same again at once.
            guard baton.membership.current?.isSoleVoter(baton.me) != true else { return tick(&baton, &effects) }
            baton.settings.reached(.leaderOverslept)
            effects.warn("term \(baton.currentTerm): held up for \(duration) and steps down; others may lead by now")
            return .become(baton.passiveRole)
        case .initialize(_, let ticket):
            Housekeeping.refuseInitialize(ticket, baton, &effects)
        case .transfer(let target, let ticket):
            beginTransfer(to: target, ticket, baton, &effects)
        case .changeMembership(let order):
            changeMembership(order, &baton, &effects)
        case .removed, .connectionBroke, .found:
            break  // It leads: a quorum knows better.
        case .stop(let ticket):
            return stop(ticket, &baton, &effects)
        case .writeFailed(let error), .applyFailed(let error):
            return .become(.stopped(error))
        case .logRoom(let shortage):
            baton.noteLogRoom(shortage, &effects)
        case .pushSnapshot(let peer, let ticket):
            push(to: peer, ticket, &baton, &effects)
        case .snapshotFailed(_, let error):
            _ = Snapshotting.handle(message, &baton, &effects)
            failPushes(awaiting: error, baton, &effects)
        case .triggerSnapshot, .snapshotBuilt, .snapshotUnreadable, .snapshotInstalled:
            _ = Snapshotting.handle(message, &baton, &effects)
        case .snapshotPiece(let piece):
            Snapshotting.outlive(piece, &baton, &effects)
        }
        return .stay
    }

    private func checkTerm(_ message: Message, _ baton: inout Baton, _ effects: inout Effects) -> Verdict? {
        TermGate.check(
            message, isPassive: false,
            hearsLeader: { hasQuorumContact(within: $0.settings.electionTimeout.lowerBound, $0) }, &baton, &effects)
    }

    /// Everything that the messages of this turn made possible, once.
    mutating func endTurn(_ baton: inout Baton, _ effects: inout Effects) {
        if !gathered.isEmpty { appendGathered(&baton, &effects) }
        guard let configuration = baton.membership.current else { return }
        if let index = Commitment.index(configuration, progress: progress, baton) { baton.commit(through: index) }
        baton.orderApply(&effects) { proposals.take(through: $0) }
        serveReads(configuration, &baton, &effects)
        advanceMembership(&baton, &effects)
        continuePushes(baton, &effects)
        for at in progress.indices { replicate(at, baton, &effects) }
        finishTransfer(baton, &effects)
        passOn(baton, &effects)
    }

    func deadline(_ baton: borrowing Baton) -> Instant? {
        earliest(nextHeartbeat, earliest(transfer?.deadline, membership.leavesAt))
    }

    // MARK: Proposals

    private mutating func propose(_ proposal: Proposal, _ baton: borrowing Baton, _ effects: inout Effects) {
        let settings = baton.settings
        let bytes = proposal.payload.count + EntryRecord.headerSize
        if proposal.payload.count > settings.maximumCommandBytes {
            let error = RaftError(
                .tooLarge,
                "a command of \(proposal.payload.count) bytes is above the limit of \(settings.maximumCommandBytes) (maximumCommandBytes)"
            )
            effects.add(.fail([proposal.ticket], error))
        } else if let term = proposal.term, term != baton.currentTerm {
            let error = RaftError(
                .leaderChanged,
                "node \(baton.me) leads in term \(baton.currentTerm), and the command was for term \(term) only; look again, and decide anew"
            )
            effects.add(.fail([proposal.ticket], error))
        } else if let transfer {
            baton.settings.reached(.proposalRefusedInTransfer)
            let error = RaftError(
                .notLeader, "node \(baton.me) is passing its leadership to node \(transfer.target); try again there",
                leader: LeaderHint(
                    id: transfer.target, address: baton.membership.current?.address(of: transfer.target)))
            effects.add(.fail([proposal.ticket], error))
        } else if membership.leavesAt != nil {
            effects.add(.fail([proposal.ticket], baton.notLeader()))
        } else if let shortage = baton.logShortage {
            settings.reached(.proposalRefusedWhenFull)
            let error = RaftError(
                .outOfSpace,
                "node \(baton.me), which leads, takes no commands as long as its log has no room: \(shortage.message)")
            effects.add(.fail([proposal.ticket], error))
        } else if proposals.byteCount + gatheredBytes + bytes > settings.maximumUncommittedBytes,
            proposals.byteCount + gatheredBytes > 0
        {
            settings.reached(.overloaded)
            let error = RaftError(
                .overloaded,
                "\(proposals.byteCount + gatheredBytes) bytes wait to be committed; the limit is \(settings.maximumUncommittedBytes) (maximumUncommittedBytes). Try again soon"
            )
            effects.add(.fail([proposal.ticket], error))
        } else {
            gathered.append(proposal)
            gatheredBytes += bytes
        }
    }

    private mutating func appendGathered(_ baton: inout Baton, _ effects: inout Effects) {
        var index = baton.log.last.index
        var builder = EntryBatch.Builder(
            first: index.next, term: baton.currentTerm, reservingBytes: gatheredBytes, count: gathered.count)
        for proposal in gathered {
            index = builder.append(proposal.kind, proposal.payload)
            proposals.add(
                proposal.ticket, at: index, bytes: proposal.payload.count + EntryRecord.headerSize)
        }
        gathered.removeAll(keepingCapacity: true)
        gatheredBytes = 0
        if let batch = builder.finish() {
            baton.write(keeping: baton.log.last, [batch], configurations: [], &effects)
        }
    }

    private struct OwnEntry {
        var kind: EntryKind
        var payload: [UInt8]
    }

    private mutating func append(_ entries: [OwnEntry], _ baton: inout Baton, _ effects: inout Effects) {
        var builder = EntryBatch.Builder(first: baton.log.last.index.next, term: baton.currentTerm)
        for entry in entries { builder.append(entry.kind, entry.payload) }
        if let batch = builder.finish() {
            baton.write(keeping: baton.log.last, [batch], configurations: [], &effects)
        }
    }

    // MARK: Time

    private mutating func tick(_ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        let settings = baton.settings
        if let transfer, baton.now >= transfer.deadline { fail(transfer, &baton, &effects) }
        if baton.isStopping, transfer == nil { return .become(.stopped(nil)) }
        if let leavesAt = membership.leavesAt, baton.now >= leavesAt { return .become(baton.passiveRole) }
        guard baton.now >= nextHeartbeat else { return .stay }
        let isEarly = settings.disturbs(.earlyHeartbeat)
        nextHeartbeat = baton.now + (isEarly ? settings.heartbeatInterval / 8 : settings.heartbeatInterval)
        if !hasQuorumContact(within: settings.electionTimeout.upperBound, baton), !Mutant.isOn("no-check-quorum") {
            settings.reached(.quorumLost)
            effects.warn("term \(baton.currentTerm): no quorum answers; steps down")
            return .become(baton.passiveRole)
        }
        let age = Mutant.isOn("heartbeats-without-disk") ? .zero : baton.oldestWriteAge
        if age > settings.electionTimeout.lowerBound, baton.membership.current?.isSoleVoter(baton.me) != true {
            settings.reached(.leaderDiskStalled)
            effects.warn("term \(baton.currentTerm): a log write is out for \(age); steps down")
            return .become(baton.passiveRole)
        }
        tickMembership(baton, &effects)
        if baton.now >= nextSessionSweep {
            nextSessionSweep = baton.now + settings.sessionTimeout / 4
            effects.add(.sweepSessions)
        }
        beginRound(baton)
        for at in progress.indices {
            let peer = progress[at]
            // Lost on the way, or at a disk that is very slow: ask again where the logs agree.
            let isLost = !peer.inflight.isEmpty && baton.now - peer.movedAt > settings.electionTimeout.lowerBound
            if isLost || settings.disturbs(.earlyProbe) {
                settings.reached(.probedAgain)
                progress[at].becomeProbe(now: baton.now)
            }
            sendHeartbeat(at, baton, &effects)
        }
        repeatOrder(baton, &effects)
        noteSteadiness(baton)
        promoteReady(&baton, &effects)
        tendLeadership(baton, &effects)
        return .stay
    }

    /// Whether a quorum, this node included, has answered within `limit` (check-quorum, dissertation §6.2).
    private func hasQuorumContact(within limit: Duration, _ baton: borrowing Baton) -> Bool {
        guard let configuration = baton.membership.current else { return false }
        let (me, now, progress) = (baton.me, baton.now, progress)
        return Quorum(configuration).isReached { id in
            id == me || progress.contains { $0.peer == id && now - $0.heardAt < limit }
        }
    }
}
