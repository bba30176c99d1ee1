internal import Raft

/// Draws what goes wrong only where several faults come in one order and within moments: drawn one by one they hardly
/// ever do.
struct Strokes {
    /// What happens together, and how long after what came before, in nanoseconds.
    struct Step {
        var pause: Int64 = 0
        var faults: [Fault]
    }

    private let leader: SimulatedNode
    private let configuration: ClusterConfiguration
    private let ids: [NodeID]
    /// The longest election timeout, and how long a message takes at most when nothing delays it.
    private let electionTimeout: Int64
    private let reach: Int64

    /// Nil where nobody leads, or not with a vote and without a change of voters.
    init?(_ nodes: [SimulatedNode], electionTimeout: Int64, reach: Int64) {
        guard let leader = nodes.last(where: { $0.role == .leader }),
            let configuration = leader.node?.status.configuration, !configuration.isJoint,
            configuration.isVoter(leader.id)
        else { return nil }
        self.leader = leader
        self.configuration = configuration
        self.electionTimeout = electionTimeout
        self.reach = reach
        ids = nodes.map(\.id)
    }

    /// One of them; the first step is to happen at once. Nil where the one drawn does not fit the moment.
    func next(withChurn isChurn: Bool, _ random: inout RandomSource) -> [Step]? {
        switch isChurn ? random.next() % 3 : 0 {
        case 1: redirect(&random)
        case 2: cutAtLastStep(&random)
        default: leaseOwed(&random)
        }
    }

    private func draw(_ range: ClosedRange<Int64>, _ random: inout RandomSource) -> Int64 {
        range.lowerBound + Int64(random.next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    private func chance(_ percent: UInt64, _ random: inout RandomSource) -> Bool { random.next() % 100 < percent }

    /// The other voters in any order.
    private func others(_ random: inout RandomSource) -> [NodeID] {
        var rest = configuration.voters.filter { $0 != leader.id }
        var drawn: [NodeID] = []
        while !rest.isEmpty { drawn.append(rest.remove(at: Int(random.next() % UInt64(rest.count)))) }
        return drawn
    }

    private func ways(between some: some Sequence<NodeID>, and others: [NodeID]) -> [NodePair] {
        some.flatMap { a in others.flatMap { [NodePair(from: a, to: $0), NodePair(from: $0, to: a)] } }.sorted()
    }

    /// A leader is parted from the voters that it can do without. About when those campaign, as many of its own start
    /// again as they lack for a quorum, and at that moment it is parted from everybody: whoever has started again must
    /// not have forgotten the lease that rests on it (dissertation §6.4.1).
    ///
    /// Now and then leases are asked for right before, and who starts again has no entry yet that says so.
    private func leaseOwed(_ random: inout RandomSource) -> [Step]? {
        let others = others(&random)
        guard others.count > 1 else { return nil }
        let quorum = (others.count + 1) / 2 + 1
        let near = others.prefix(quorum - 1)
        let far = others.dropFirst(quorum - 1)
        let restarted = near.prefix(2 * quorum - others.count - 1)
        let shortest = leader.settings.electionTimeout.lowerBound
        let pause = draw(shortest.nanoseconds * 5 / 8...shortest.nanoseconds * 5 / 4, &random)
        var steps: [Step] = []
        if restarted.count == 1, configuration.leaseWindow == nil || chance(30, &random) {
            let windows = [shortest, shortest * 3 / 4, nil].filter { $0 != configuration.leaseWindow }
            let window = windows[configuration.leaseWindow == nil ? Int(random.next() % 2) : 0]
            let wait = draw(reach...reach * 4 + 100_000_000, &random)
            steps = [
                Step(faults: [
                    .hangDisk(restarted[0], nanoseconds: wait + pause * 2),
                    .changeMembers(at: leader.id, .allowLeases(window), isGuarded: false),
                ]), Step(pause: wait, faults: []),
            ]
        } else {
            steps = [Step(faults: [])]
        }
        steps[steps.count - 1].faults.append(.cut(ways(between: far, and: [leader.id])))
        let crashes: [Fault] = restarted.flatMap { id -> [Fault] in
            [.crash(id, losingPower: chance(50, &random), afterChanges: nil), .start(id)]
        }
        let rest = ids.filter { $0 != leader.id }
        steps.append(Step(pause: pause, faults: [.cut(ways(between: rest, and: [leader.id]))] + crashes))
        steps.append(Step(pause: draw(electionTimeout...electionTimeout * 3, &random), faults: [.cut([])]))
        return steps
    }

    /// Right behind a change of voters another end of it is asked for: most often while nobody answers who would let the
    /// first one go on.
    private func redirect(_ random: inout RandomSource) -> [Step]? {
        let members = configuration.members.map(\.id)
        func drawVoters(_ random: inout RandomSource) -> [NodeID] { members.filter { _ in chance(50, &random) } }
        let (new, wish) = (drawVoters(&random), drawVoters(&random))
        guard !new.isEmpty, !wish.isEmpty, new != wish, ![new, wish].contains(configuration.voterSets[0]) else {
            return nil
        }
        let change = Fault.changeMembers(at: leader.id, .replaceVoters(new, keepingOthers: true), isGuarded: false)
        let redirection = Fault.changeMembers(at: leader.id, .redirect(to: wish), isGuarded: false)
        let silent = new.filter { $0 != leader.id }.map { NodePair(from: $0, to: leader.id) }
        guard !silent.isEmpty, chance(70, &random) else {
            return [Step(faults: [change]), Step(pause: draw(1_000...reach * 2, &random), faults: [redirection])]
        }
        return [
            Step(faults: [change, .cut(silent)]),
            Step(pause: draw(10_000...reach * 4, &random), faults: [redirection]),
            Step(pause: draw(1_000...electionTimeout / 3, &random), faults: [.cut([])]),
        ]
    }

    /// Half of the voters or more lose their vote, the leader among them; and as it begins the last step of that, they
    /// are parted from those who keep theirs. Nobody else holds that entry then, and nobody can be elected without the
    /// vote of one who does: they must campaign, although their own logs have taken their votes.
    private func cutAtLastStep(_ random: inout RandomSource) -> [Step]? {
        let others = others(&random)
        guard !others.isEmpty else { return nil }
        let voters = Array(others.prefix(1 + Int(random.next() % UInt64((others.count + 1) / 2))))
        let rest = ids.filter { !voters.contains($0) }
        let change = Fault.changeMembers(at: leader.id, .replaceVoters(voters, keepingOthers: true), isGuarded: false)
        var steps = [
            Step(faults: [.cutAtEndOfChange(leader.id, ways(between: rest, and: voters)), change]),
            Step(pause: draw(electionTimeout * 2...electionTimeout * 5, &random), faults: [.cut([])]),
        ]
        if chance(50, &random) {
            let crash = Fault.crash(leader.id, losingPower: chance(50, &random), afterChanges: nil)
            steps.insert(
                Step(pause: draw(1_000_000...electionTimeout, &random), faults: [crash, .start(leader.id)]), at: 1)
        }
        return steps
    }
}
