/// What somebody wants of the membership.
public enum MembershipRequest: Hashable, Sendable {
    /// Takes a node in, as a learner: it gets the log, and does not vote. Whether it is given a vote by itself once it is
    /// ready; with nil ``Configuration/promotesLearners`` of the leader says.
    case add(NodeID, address: String, promotedWhenReady: Bool? = nil)
    /// Gives a learner a vote.
    case promote(NodeID)
    /// Whether a learner is given a vote by itself, once it has caught up and is steady.
    case promoteWhenReady(NodeID, Bool)
    /// Whether a member should lead, may lead, or must not.
    case prefer(NodeID, LeadershipPreference)
    /// Takes the vote away; the node stays as a learner.
    case demote(NodeID)
    /// The node is no member any more.
    case remove(NodeID)
    /// These members are the voters, from now on and at once. Who loses its vote by it stays as a learner, or goes.
    case replaceVoters([NodeID], keepingOthers: Bool)
    /// Where a member listens from now on.
    case changeAddress(NodeID, to: String)
    /// Voters elect nobody else for so long after they have heard a leader, so that it may serve reads by a lease; nil
    /// ends that (``ClusterConfiguration/leaseWindow``).
    case allowLeases(Duration?)
    /// Of a change of voters that is under way: it is to end with these voters. The old ones take it back.
    case redirect(to: [NodeID])
}

/// From the configuration in force to the next one (§6; dissertation §4.3). Pure; the leader says when.
///
/// Whoever's vote changes, changes it through a joint configuration: from [A] by [A, B] to [B]. What changes no vote is
/// one step.
enum MembershipChange {
    enum Outcome {
        /// It is so already.
        case unchanged
        case next(ClusterConfiguration)
        case refused(RaftError)
    }

    /// - Parameter unfitness: why a learner cannot be given a vote now; nil when it can.
    static func outcome(
        of request: MembershipRequest, in configuration: ClusterConfiguration, unfitness: (NodeID) -> RaftError?
    ) -> Outcome {
        if case .redirect(let voters) = request {
            return redirection(of: configuration, to: voters, unfitness: unfitness)
        }
        guard !configuration.isJoint else {
            return .refused(
                RaftError(
                    .changeInProgress,
                    "the voters are changing from \(configuration.voterSets[0]) to \(configuration.voterSets[1]); wait until that is through, or redirect it"
                ))
        }
        switch request {
        case .add(let id, let address, let isPromoted):
            return adding(id, address, isPromoted ?? false, configuration)
        case .promoteWhenReady(let id, let isPromoted):
            guard !configuration.isVoter(id) || !configuration.contains(id) else {
                return .refused(RaftError(.notALearner, "node \(id) is not a learner: it votes already"))
            }
            return changing(id, configuration) { $0.isPromotedWhenReady = isPromoted }
        case .prefer(let id, let preference): return changing(id, configuration) { $0.preference = preference }
        case .changeAddress(let id, let address): return changing(id, configuration) { $0.address = address }
        case .promote(let id):
            guard configuration.contains(id) else { return .refused(unknown(id, configuration)) }
            guard !configuration.isVoter(id) else {
                return .refused(RaftError(.notALearner, "node \(id) is not a learner: it votes already"))
            }
            return voting(configuration.voterSets[0] + [id], leaving: [], configuration, unfitness)
        case .demote(let id), .remove(let id):
            guard configuration.contains(id) else { return .refused(unknown(id, configuration)) }
            let isRemoval = if case .remove = request { true } else { false }
            if !configuration.isVoter(id) {
                guard isRemoval else { return .refused(RaftError(.notAVoter, "node \(id) is a learner already")) }
                return made(configuration.voterSets, configuration, without: [id])
            }
            return voting(
                configuration.voterSets[0].filter { $0 != id }, leaving: isRemoval ? [id] : [], configuration, unfitness
            )
        case .replaceVoters(let voters, let keepingOthers):
            let others = configuration.voterSets[0].filter { !voters.contains($0) }
            return voting(voters, leaving: keepingOthers ? [] : others, configuration, unfitness)
        case .allowLeases(let window):
            if window == configuration.leaseWindow { return .unchanged }
            return made(configuration.voterSets, configuration, leaseWindow: .some(window))
        case .redirect: return .unchanged  // Answered above.
        }
    }

    /// What follows a joint configuration that is committed: the new voters, or what was wished for instead.
    static func end(of joint: ClusterConfiguration, wish: [NodeID]?) -> ClusterConfiguration? {
        let (old, new) = (joint.voterSets[0], joint.voterSets[1])
        let wish = wish ?? new
        let made: Outcome
        switch wish {
        case new: made = Self.made([new], joint, without: joint.leaving)
        case old: made = Self.made([old], joint, without: [])
        case _ where Mutant.isOn("redirect-in-one-step"): made = Self.made([wish], joint, without: [])
        default:
            made = Self.made([new, wish], joint, without: joint.leaving.filter { !wish.contains($0) })
        }
        return if case .next(let configuration) = made { configuration } else { nil }
    }

    // MARK: One request

    private static func adding(
        _ id: NodeID, _ address: String, _ isPromoted: Bool, _ configuration: ClusterConfiguration
    ) -> Outcome {
        if let known = configuration.address(of: id) {
            guard known == address else {
                return .refused(
                    RaftError(
                        .invalidConfiguration,
                        "node \(id) is a member already, at \(known); change its address instead"))
            }
            return .unchanged
        }
        return made(
            configuration.voterSets, configuration,
            members: configuration.members + [.init(id: id, address: address, isPromotedWhenReady: isPromoted)])
    }

    /// One member is to be described otherwise; nobody's vote changes.
    private static func changing(
        _ id: NodeID, _ configuration: ClusterConfiguration, _ change: (inout ClusterConfiguration.Member) -> Void
    ) -> Outcome {
        guard configuration.contains(id) else { return .refused(unknown(id, configuration)) }
        let members = configuration.members.map { member in
            var member = member
            if member.id == id { change(&member) }
            return member
        }
        if members == configuration.members { return .unchanged }
        return made(configuration.voterSets, configuration, members: members)
    }

    private static func voting(
        _ voters: [NodeID], leaving: [NodeID], _ configuration: ClusterConfiguration,
        _ unfitness: (NodeID) -> RaftError?
    ) -> Outcome {
        if let refusal = refusal(of: voters, configuration, unfitness) { return .refused(refusal) }
        let old = configuration.voterSets[0]
        if voters.sorted() == old { return .unchanged }
        if Mutant.isOn("voters-in-one-step") { return made([voters], configuration, without: leaving) }
        return made([old, voters], configuration, leaving: leaving)
    }

    private static func redirection(
        of configuration: ClusterConfiguration, to voters: [NodeID], unfitness: (NodeID) -> RaftError?
    ) -> Outcome {
        guard configuration.isJoint else {
            return .refused(RaftError(.notInProgress, "no change of voters is under way; nothing can be redirected"))
        }
        if let refusal = refusal(of: voters, configuration, unfitness) { return .refused(refusal) }
        // Made when the joint configuration is committed; here it only must be possible.
        guard end(of: configuration, wish: voters.sorted()) != nil else {
            return .refused(RaftError(.invalidConfiguration, "voters \(voters) cannot follow \(configuration)"))
        }
        return .unchanged
    }

    private static func refusal(
        of voters: [NodeID], _ configuration: ClusterConfiguration, _ unfitness: (NodeID) -> RaftError?
    ) -> RaftError? {
        guard !voters.isEmpty else {
            return RaftError(
                .emptyMembership,
                "nobody would vote any more; to end a cluster stop its nodes, to replace its last voter promote another first"
            )
        }
        for id in voters {
            guard configuration.contains(id) else { return unknown(id, configuration) }
            if !configuration.isVoter(id), let reason = unfitness(id) { return reason }
        }
        return nil
    }

    private static func unknown(_ id: NodeID, _ configuration: ClusterConfiguration) -> RaftError {
        let isGone = configuration.removed.contains { $0.id == id }
        return RaftError(
            .unknownNode,
            "node \(id) is not a member\(isGone ? ": it was removed" : ""); members are \(configuration.members.map(\.id))"
        )
    }

    // MARK: The next configuration

    private static func made(
        _ sets: [[NodeID]], _ configuration: ClusterConfiguration, members: [ClusterConfiguration.Member]? = nil,
        leaving: [NodeID] = [], without gone: [NodeID] = [], leaseWindow: Duration?? = nil
    ) -> Outcome {
        let removed =
            configuration.removed
            + gone.map { .init(id: $0, incarnation: configuration.member($0)?.incarnation) }
        do {
            return .next(
                try ClusterConfiguration(
                    voterSets: sets,
                    members: (members ?? configuration.members).filter { !gone.contains($0.id) }.map { member in
                        var member = member
                        // Whoever has a vote waits for none; taken away again, it must be asked for anew.
                        if sets.contains(where: { $0.contains(member.id) }) { member.isPromotedWhenReady = false }
                        return member
                    },
                    leaving: leaving,
                    removed: Array(removed.suffix(ClusterConfiguration.maximumRemovedCount)),
                    leaseWindow: leaseWindow ?? configuration.leaseWindow))
        } catch {
            return .refused(error)
        }
    }
}
