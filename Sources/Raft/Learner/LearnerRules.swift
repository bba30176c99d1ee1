/// A node without a vote in the configuration that it knows: it follows, and never campaigns. A pristine node is one
/// too, until it is initialised or hears a leader.
struct LearnerRules: RoleRules {
    private var reads = RemoteReads()

    mutating func begin(_ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        baton.electionTimer.stop()
        return baton.isStopping ? .become(.stopped(nil)) : .stay
    }

    mutating func handle(_ message: Message, _ baton: inout Baton, _ effects: inout Effects) -> Verdict {
        if let verdict = TermGate.check(
            message, isPassive: true, hearsLeader: { $0.hasHeardLeaderRecently }, &baton, &effects)
        {
            return verdict
        }
        if let verdict = Housekeeping.handle(message, &baton, &effects) { return verdict }
        switch message {
        case .request(.append(let request), let path):
            let verdict = Following.append(request, path, &baton, &effects)
            return verdict == .stay && baton.mayCampaign ? .become(.follower) : verdict
        case .request(.heartbeat(let request), let path):
            return Following.heartbeat(request, path, &baton, &effects)
        case .request(.snapshot(let request), let path):
            return Following.snapshot(request, path, &baton, &effects)
        case .snapshotPiece(let piece):
            let verdict = Following.wrote(piece, &baton, &effects)
            return verdict == .stay && baton.mayCampaign ? .become(.follower) : verdict
        case .request(.vote(let request), let path):
            // Its configuration may be old: the candidate may know that it votes by now.
            _ = Voting.answer(request, path, &baton, &effects)
            return .stay
        case .read(let ticket, let consistency):
            reads.add(ticket, consistency, baton, &effects)
            return .stay
        case .reply(.readIndex(let reply), let from):
            reads.note(reply, from: from, &baton, &effects)
            return .stay
        case .tick, .overslept:
            reads.tick(baton, &effects)
            return .stay
        case .initialize(let configuration, let ticket):
            return initialize(configuration, ticket, &baton, &effects)
        default:
            return .stay  // A timeout-now is for voters.
        }
    }

    /// Begins a cluster: the same first entry, index 1 of term 0, on every node that is told the same.
    private func initialize(
        _ configuration: ClusterConfiguration, _ ticket: CompletionTicket, _ baton: inout Baton,
        _ effects: inout Effects
    ) -> Verdict {
        guard baton.isPristine else {
            Housekeeping.refuseInitialize(ticket, baton, &effects)
            return .stay
        }
        guard configuration.isVoter(baton.me) else {
            let error = RaftError(
                .invalidConfiguration,
                "node \(baton.me) is not among the voters \(configuration.voters); a node can only begin a cluster of its own"
            )
            effects.add(.fail([ticket], error))
            return .stay
        }
        guard !configuration.isJoint else {
            let error = RaftError(
                .invalidConfiguration,
                "two voter sets, \(configuration.voterSets[0]) and \(configuration.voterSets[1]); a cluster begins with one"
            )
            effects.add(.fail([ticket], error))
            return .stay
        }
        var builder = EntryBatch.Builder(first: 1, term: 0)
        builder.append(.configuration, configuration.encoded)
        guard let batch = builder.finish() else { return .stay }
        baton.write(keeping: .zero, [batch], configurations: [(batch.last, configuration)], &effects)
        baton.initializing = ticket
        return .become(.follower)
    }

    mutating func endTurn(_ baton: inout Baton, _ effects: inout Effects) { reads.endTurn(&baton, &effects) }

    mutating func end(_ baton: inout Baton, _ effects: inout Effects) {
        reads.fail("this node follows no more", baton, &effects)
    }

    func deadline(_ baton: borrowing Baton) -> Instant? { reads.deadline }
}
