internal import Raft

/// Draws what goes wrong only where several faults come in one order and within moments: drawn one by one they hardly
/// ever do.
struct Strokes {
    /// What happens together, and how long after what came before, in nanoseconds.
    struct Step {
        var pause: Int64 = 0
        var faults: [Fault]
        /// It waits for this, for so many more looks at the same pace.
        var awaited: Awaited?
        var looks = 0

        enum Awaited {
            case successor(of: NodeID)
            case receiver(NodeID)
        }

        /// Whether it is time; nobody is waited for any more after the last look.
        mutating func isDue(_ nodes: [SimulatedNode]) -> Bool {
            guard let awaited, looks > 0 else { return true }
            let isThere =
                switch awaited {
                case .successor(let id): nodes.contains { $0.id != id && $0.role == .leader }
                case .receiver(let id):
                    nodes.contains {
                        $0.role == .leader
                            && $0.node?.status.peers.contains { $0.id == id && $0.isReceivingSnapshot } == true
                    }
                }
            if isThere { return true }
            looks -= 1
            return false
        }
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

    private enum Kind {
        case leaseOwed, redirect, cutAtLastStep, comeBack, rotNewest, rotAtInstall, installOverWrites
        case overtakeSnapshot
    }

    /// One of them; the first step is to happen at once. Nil where the one drawn does not fit the moment.
    ///
    /// - Parameter isChurn: members come and go. Who they are in the end must not depend on whose files are damaged.
    func next(withChurn isChurn: Bool, _ random: inout RandomSource) -> [Step]? {
        var kinds: [Kind] = [.leaseOwed]
        if isChurn { kinds += [.redirect, .cutAtLastStep, .comeBack] }
        if leader.makesSnapshots {
            kinds += [.installOverWrites, .overtakeSnapshot] + (isChurn ? [] : [.rotNewest, .rotAtInstall])
        }
        return switch kinds[Int(random.next() % UInt64(kinds.count))] {
        case .leaseOwed: leaseOwed(&random)
        case .redirect: redirect(&random)
        case .cutAtLastStep: cutAtLastStep(&random)
        case .comeBack: comeBack(&random)
        case .rotNewest: rotNewest(&random)
        case .rotAtInstall: rotAtInstall(&random)
        case .installOverWrites: installOverWrites(&random)
        case .overtakeSnapshot: overtakeSnapshot(&random)
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
                    .changeMembers(at: leader.id, .allowLeases(window)),
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
        let change = Fault.changeMembers(at: leader.id, .replaceVoters(new, keepingOthers: true))
        let redirection = Fault.changeMembers(at: leader.id, .redirect(to: wish))
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

    /// The newest snapshot of a leader is damaged as it is to be sent, most often while nothing more is applied: another one
    /// takes its place although it ends with the same entry, and no third one is built.
    private func rotNewest(_ random: inout RandomSource) -> [Step]? {
        let others = ids.filter { $0 != leader.id }
        guard !others.isEmpty else { return nil }
        let shortest = leader.settings.electionTimeout.lowerBound.nanoseconds
        // What a file says of itself is looked at before anything is sent of it.
        let place = chance(50, &random) ? Int(random.next() % 4) : Int(random.next() % 1000)
        let rot = Fault.rot(
            leader.id, file: SimulatedNode.newestSnapshot, perMille: place, bit: Int(random.next() % 8))
        let silent = chance(70, &random) ? others.map { NodePair(from: $0, to: leader.id) } : []
        return [
            Step(faults: [.cut(silent)]),
            Step(pause: draw(1_000_000...20_000_000, &random), faults: [.snapshot(leader.id)]),
            Step(pause: draw(1_000_000...shortest / 3, &random), faults: [rot, .pushSnapshot(leader.id)]),
            Step(pause: draw(electionTimeout...electionTimeout * 2, &random), faults: [.cut([])]),
        ]
    }

    /// A member is taken out, and comes back with an empty directory while the leader still keeps a stream to it: to tell it
    /// that it has gone.
    private func comeBack(_ random: inout RandomSource) -> [Step]? {
        let members = configuration.members.map(\.id).filter { $0 != leader.id }
        guard members.count > 1 else { return nil }
        let gone = members[Int(random.next() % UInt64(members.count))]
        let heartbeat = leader.settings.heartbeatInterval.nanoseconds
        let pause = chance(50, &random) ? heartbeat + reach * 4 : electionTimeout
        return [
            Step(faults: [.changeMembers(at: leader.id, .remove(gone))]),
            Step(pause: draw(reach...max(pause, reach), &random), faults: [.addAnew(gone, at: leader.id)]),
            Step(pause: draw(electionTimeout...electionTimeout * 2, &random), faults: []),
        ]
    }

    /// A follower that was away is sent a snapshot, and before that is durable there the log of another leader, which has
    /// purged less, overtakes it; the machine has taken nothing of that log yet.
    private func overtakeSnapshot(_ random: inout RandomSource) -> [Step]? {
        let others = others(&random)
        guard others.count > 1 else { return nil }
        let victim = others[0]
        let hanging = draw(electionTimeout * 2...electionTimeout * 6, &random)
        return [
            Step(faults: [.cut(ways(between: ids.filter { $0 != victim }, and: [victim]))]),
            Step(pause: draw(electionTimeout...electionTimeout * 5, &random), faults: [.snapshot(leader.id)]),
            Step(
                pause: draw(1_000_000...40_000_000, &random),
                faults: [
                    .hangReads(victim, nanoseconds: hanging),
                    .hangMachine(victim, nanoseconds: hanging + draw(1_000_000...electionTimeout, &random)), .cut([]),
                ]),
            Step(
                pause: electionTimeout / 20,
                faults: [.cut(ways(between: ids.filter { $0 != leader.id }, and: [leader.id]))],
                awaited: .receiver(victim), looks: 60),
            Step(pause: draw(electionTimeout * 2...electionTimeout * 4, &random), faults: [.cut([])]),
        ]
    }

    /// A follower that was away is sent a snapshot and ends before its log begins behind that; then the snapshot is damaged.
    /// A start must look at it before it lets go of the log.
    private func rotAtInstall(_ random: inout RandomSource) -> [Step]? {
        let others = others(&random)
        guard others.count > 1 else { return nil }
        let victim = others[0]
        let crash = Fault.crashAtInstall(
            victim, perMille: Int(random.next() % 1000), bit: Int(random.next() % 8))
        return [
            Step(faults: [.cut(ways(between: ids.filter { $0 != victim }, and: [victim]))]),
            Step(pause: draw(electionTimeout...electionTimeout * 2, &random), faults: [.snapshot(leader.id)]),
            Step(
                pause: draw(1_000_000...40_000_000, &random), faults: [crash, .pushSnapshot(leader.id), .cut([])]),
            Step(pause: draw(electionTimeout...electionTimeout * 2, &random), faults: []),
        ]
    }

    /// A leader is parted from the others, its disk hangs, and as soon as it has a successor that is to send it a snapshot:
    /// which takes the place of entries whose writes are still out, and whose completion says nothing any more.
    private func installOverWrites(_ random: inout RandomSource) -> [Step]? {
        let others = ids.filter { $0 != leader.id }
        guard configuration.voters.count > 2 else { return nil }
        let building = draw(1_000_000...40_000_000, &random)
        let hanging = electionTimeout * 2 + building + draw(500_000_000...electionTimeout * 2 + 1_000_000_000, &random)
        return [
            Step(faults: [
                .cut(ways(between: others, and: [leader.id])), .hangDisk(leader.id, nanoseconds: hanging),
            ]),
            // Whoever leads then; the others refuse.
            Step(
                pause: electionTimeout / 20, faults: others.map { .pushSnapshot($0) },
                awaited: .successor(of: leader.id), looks: 60),
            Step(pause: building, faults: [.cut([])]),
            Step(pause: draw(electionTimeout...electionTimeout * 2, &random), faults: []),
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
        let change = Fault.changeMembers(at: leader.id, .replaceVoters(voters, keepingOthers: true))
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
