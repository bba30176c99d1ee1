internal import Raft

/// Draws what operators ask of the members: sensible things and others, of the leader and of others.
struct MemberChurn {
    /// Whose removal was asked for: nobody adds such a node again before it is through, and with the data that it has.
    private var usedUp: [NodeID] = []

    mutating func next(_ nodes: [SimulatedNode], _ random: inout RandomSource) -> [Fault] {
        // Now and then two at once, of two nodes.
        (0..<(random.next() % 5 == 0 ? 2 : 1)).flatMap { _ in one(nodes, &random) }
    }

    /// A leader and fewer than half of the voters are parted from the others, and at that moment it is asked to let
    /// only members on its own side vote: where the old voters had no say in that, both sides could go on. Nil where
    /// that cannot be asked for.
    func stroke(_ nodes: [SimulatedNode], _ random: inout RandomSource) -> [Fault]? {
        guard let leader = nodes.last(where: { $0.role == .leader }),
            let configuration = leader.node?.status.configuration, !configuration.isJoint,
            configuration.voters.count > 2, configuration.isVoter(leader.id)
        else { return nil }
        var far: [NodeID] = []
        var near = configuration.voters
        while far.count <= configuration.voters.count / 2 {
            let others = near.filter { $0 != leader.id }
            let id = others[Int(random.next() % UInt64(others.count))]
            near.removeAll { $0 == id }
            far.append(id)
        }
        // Those who may vote at once: who is new may lag behind, and then nothing would be changed.
        var voters = near
        if random.next() % 2 == 0 { voters += configuration.learners }
        voters = voters.filter { _ in random.next() % 2 == 0 }
        let ways = nodes.map(\.id).filter { !far.contains($0) }.flatMap { a in
            far.flatMap { [NodePair(from: a, to: $0), NodePair(from: $0, to: a)] }
        }
        let request = MembershipRequest.replaceVoters(voters.isEmpty ? [leader.id] : voters, keepingOthers: true)
        return [.changeMembers(at: leader.id, request), .cut(ways.sorted())]
    }

    private mutating func one(_ nodes: [SimulatedNode], _ random: inout RandomSource) -> [Fault] {
        func pick<Value>(_ values: [Value]) -> Value? {
            values.isEmpty ? nil : values[Int(random.next() % UInt64(values.count))]
        }
        let leader = nodes.filter { $0.role == .leader }.max {
            ($0.node?.status.currentTerm ?? 0) < ($1.node?.status.currentTerm ?? 0)
        }
        guard let asked = random.next() % 4 == 0 ? pick(nodes) : leader ?? pick(nodes),
            let configuration = (leader ?? asked).node?.status.configuration
        else { return [] }
        let guarding: MemberGuard =
            switch random.next() % 8 {
            case 0: .present
            case 1: .past
            default: .nothing
            }
        func ask(_ request: MembershipRequest) -> [Fault] {
            [.changeMembers(at: asked.id, request, guardedBy: guarding)]
        }
        let members = configuration.members.map(\.id)
        let gone = nodes.map(\.id).filter { id in
            !members.contains(id) && configuration.removed.contains { $0.id == id }
        }
        let strangers = nodes.map(\.id).filter { ![members, gone, usedUp].joined().contains($0) }
        switch random.next() % 16 {
        case 0...2:
            if let back = pick(gone), strangers.isEmpty || random.next() % 2 == 0 {
                return [.addAnew(back, at: asked.id)]
            }
            let isPromoted = [nil, true, false][Int(random.next() % 3)]
            return pick(strangers).map {
                ask(.add($0, address: "simulated:\($0)", promotedWhenReady: isPromoted))
            } ?? []
        case 15:
            return pick(members).map { ask(.promoteWhenReady($0, random.next() % 3 != 0)) } ?? []
        case 13, 14:
            let preference = LeadershipPreference.allCases[Int(random.next() % 3)]
            return pick(members).map { ask(.prefer($0, preference)) } ?? []
        case 3...5:
            return pick(configuration.learners).map { ask(.promote($0)) } ?? []
        case 6:
            return pick(members).map { ask(.demote($0)) } ?? []
        case 7:
            guard configuration.voters.count > 2 || random.next() % 4 == 0, let gone = pick(members) else { return [] }
            usedUp.append(gone)
            return ask(.remove(gone))
        case 8:
            let voters = members.filter { _ in random.next() % 2 == 0 }
            guard !voters.isEmpty else { return [] }
            let isKeeping = random.next() % 2 == 0
            if !isKeeping { usedUp += members.filter { !voters.contains($0) } }
            return ask(.replaceVoters(voters, keepingOthers: isKeeping))
        case 9:
            let voters =
                random.next() % 2 == 0
                ? configuration.voterSets[0] : configuration.voters.filter { _ in random.next() % 2 == 0 }
            return voters.isEmpty ? [] : ask(.redirect(to: voters))
        case 10:
            return pick(members).map { ask(.changeAddress($0, to: "moved:\($0).\(random.next() % 100)")) } ?? []
        case 11:
            let shortest = asked.settings.electionTimeout.lowerBound
            return ask(.allowLeases([nil, shortest, shortest * 3 / 4][Int(random.next() % 3)]))
        default:
            return pick(nodes.map(\.id)).map { ask(.promote($0)) } ?? []
        }
    }
}
