internal import Raft

/// Draws the faults of a run, one after another, as the run goes: what to do next depends on who leads and who is down.
struct FaultPlan {
    private let kinds: SimulationProfile.Kinds
    private let maximumPause: Int64
    private let electionTimeout: Int64
    private var random: RandomSource
    private var churn = MemberChurn()

    init(profile: SimulationProfile, seed: UInt64) {
        kinds = profile.faults
        maximumPause = profile.faultPause
        electionTimeout = profile.configuration.electionTimeout.upperBound.nanoseconds
        random = RandomSource(seed: seed)
    }

    /// How long until the next one.
    mutating func pause() -> Int64 {
        var pause = Int64(random.next() % UInt64(maximumPause))
        // Now and then long enough for what follows from a fault: a new leader beside the old one.
        if random.next() % 3 == 0 { pause += electionTimeout * 2 }
        return pause
    }

    private mutating func draw(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(random.next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    private mutating func chance(_ percent: UInt64) -> Bool { random.next() % 100 < percent }

    private mutating func pick<Value>(_ values: [Value]) -> Value? {
        values.isEmpty ? nil : values[Int(random.next() % UInt64(values.count))]
    }

    /// What goes wrong now, or is set right.
    mutating func next(_ nodes: [SimulatedNode]) -> [Fault] {
        let victim = nodes[Int(random.next() % UInt64(nodes.count))]
        // The leader is one node of many, and where it matters most.
        let leader = nodes.last { $0.role == .leader }
        let chosen = chance(35) ? leader ?? victim : victim
        var choices: [(SimulationProfile.Kinds, weight: UInt64)] = [
            (.crashes, 4), (.partitions, 3), (.clogs, 2), (.transfers, 2), (.pauses, 2), (.diskErrors, 2),
            (.slowDisks, 2), (.rot, 1), (.rotEverywhere, 1), (.drift, 1), (.lostDisks, 1), (.machineFailures, 1),
            (.churn, 6), (.snapshots, 2), ([], 3),
        ]
        choices.removeAll { !kinds.isSuperset(of: $0.0) }
        var position = random.next() % choices.reduce(0) { $0 + $1.weight }
        let kind = choices.first { choice in
            if position < choice.weight { return true }
            position -= choice.weight
            return false
        }
        switch kind?.0 {
        case .some(.crashes): return crash(chosen, nodes)
        case .some(.partitions): return [.cut(drawCut(nodes, leader))]
        case .some(.clogs): return clog(nodes)
        case .some(.transfers):
            let target = chance(50) ? pick(nodes.map(\.id)) : nil
            return leader.map { [.transfer(from: $0.id, to: target)] } ?? []
        case .some(.pauses): return [.pause(chosen.id, nanoseconds: draw(electionTimeout / 2...electionTimeout * 6))]
        case .some(.diskErrors): return diskError(chosen)
        case .some(.slowDisks):
            switch random.next() % 3 {
            case 0: return [.hangDisk(chosen.id, nanoseconds: draw(electionTimeout / 2...electionTimeout * 5))]
            case 1: return [.slowDisk(chosen.id, nanoseconds: 1_000_000...draw(10_000_000...electionTimeout))]
            default: return [.slowDisk(chosen.id, nanoseconds: 50_000...500_000)]
            }
        case .some(.rot), .some(.rotEverywhere):
            guard var file = pick(chosen.files) else { return [] }
            var place = Int(random.next() % 1000)
            // Of the 8 KiB of term and vote only two copies of 48 bytes are read: a bit among the zeros tells nothing.
            if file == "vote" { place = place % 2 * 500 + place / 2 % 6 }
            // The end of the log is where damage and a torn write can be taken for each other.
            if chance(50), let end = chosen.logEnd { (file, place) = end }
            let rot = Fault.rot(
                chosen.id, file: file, perMille: place, bit: Int(random.next() % 8))
            return chance(70)
                ? [.crash(chosen.id, losingPower: false, afterChanges: nil), rot, .start(chosen.id)] : [rot]
        case .some(.lostDisks): return [.loseDisk(chosen.id)]
        case .some(.machineFailures): return [.failMachine(chosen.id)]
        case .some(.snapshots):
            return chance(50) ? [.snapshot(chosen.id)] : leader.map { [.pushSnapshot($0.id)] } ?? []
        case .some(.drift):
            // To the bound, and not beyond it.
            let bound = Int64(chosen.settings.maximumClockDrift)
            let drift = chance(50) ? draw(-bound...bound) : chance(50) ? bound : -bound
            return [.drift(chosen.id, partsPerMillion: Int(drift))]
        case .some(.churn): return churn.next(nodes, &random)
        default:
            var faults: [Fault] = [.cut([])]
            for node in nodes where chance(50) {
                if !node.isUp { faults.append(.start(node.id)) }
                faults.append(.freeDisk(node.id))
            }
            return faults
        }
    }

    private mutating func crash(_ victim: SimulatedNode, _ nodes: [SimulatedNode]) -> [Fault] {
        if !victim.isUp { return [.start(victim.id)] }
        let losesPower = kinds.contains(.powerFailures)
        if losesPower, chance(8) {
            // Everybody at once; a while later, most of them come back.
            return [.blackout] + nodes.filter { _ in chance(80) }.map { .start($0.id) }
        }
        let changes = chance(50) ? Int(random.next() % 8) : nil
        let crash = Fault.crash(victim.id, losingPower: losesPower && chance(50), afterChanges: changes)
        return chance(40) ? [crash, .start(victim.id)] : [crash]
    }

    private mutating func diskError(_ victim: SimulatedNode) -> [Fault] {
        switch random.next() % 4 {
        case 0: [.failWrite(victim.id)]
        case 1: [.failSync(victim.id)]
        case 2: [.fillDisk(victim.id, leaving: Int(random.next() % 8192))]
        default: [.freeDisk(victim.id)]
        }
    }

    /// Clogs the ways of some nodes one after another, so that they clear in another order (FoundationDB's swizzle).
    private mutating func clog(_ nodes: [SimulatedNode]) -> [Fault] {
        var faults: [Fault] = []
        for node in nodes where chance(50) {
            var pairs: [NodePair] = []
            let way = random.next() % 3
            for other in nodes where other.id != node.id {
                if way != 0 { pairs.append(NodePair(from: node.id, to: other.id)) }
                if way != 1 { pairs.append(NodePair(from: other.id, to: node.id)) }
            }
            if !pairs.isEmpty { faults.append(.clog(pairs, nanoseconds: draw(1_000_000...electionTimeout * 4))) }
        }
        return faults
    }

    private mutating func drawCut(_ nodes: [SimulatedNode], _ leader: SimulatedNode?) -> [NodePair] {
        let ids = nodes.map(\.id)
        var cut: [NodePair] = []
        func add(_ a: NodeID, _ b: NodeID) { cut.append(NodePair(from: a, to: b)) }
        switch random.next() % 5 {
        case 0:  // A leader alone, which does not know it yet.
            guard let leader = leader?.id else { break }
            for other in ids where other != leader {
                add(leader, other)
                add(other, leader)
            }
        case 1:  // Two sides.
            let side = ids.filter { _ in random.next() % 2 == 0 }
            for a in ids { for b in ids where side.contains(a) != side.contains(b) { add(a, b) } }
        case 2:  // One node, in one direction or both.
            let lone = ids[Int(random.next() % UInt64(ids.count))]
            let way = random.next() % 3
            for other in ids where other != lone {
                if way != 0 { add(lone, other) }
                if way != 1 { add(other, lone) }
            }
        case 3:  // A chain: each hears its neighbours only.
            for (i, a) in ids.enumerated() {
                for (j, b) in ids.enumerated() where i != j && abs(i - j) != 1 { add(a, b) }
            }
        default:  // Any ways.
            for a in ids { for b in ids where a != b && random.next() % 4 == 0 { add(a, b) } }
        }
        return cut
    }
}
