internal import Raft

/// Draws the faults of a run, one after another, as the run goes: what to do next depends on who leads and who is down.
struct FaultPlan {
    private let kinds: SimulationProfile.Kinds
    private let maximumPause: Int64
    private let electionTimeout: Int64
    /// How long a message takes at most, when nothing delays it.
    private let reach: Int64
    private var random: RandomSource
    private var churn = MemberChurn()
    /// What comes next, and soon: some things go wrong only where one trouble follows another at once.
    private var sequel = Sequel.none
    /// How many more faults come in the first moments of a cluster, before its members are bound to their lives.
    private var earlyCount = 0

    private enum Sequel {
        case none
        /// This node's process or power comes and goes, so many times more.
        case flicker(NodeID, left: Int)
        /// This node's power comes and goes, so many times more, each time in the middle of its next write.
        case flickerInWrites(NodeID, left: Int)
        /// Whoever leads next, and is not this one, is cut off, and so on, so many times: each of them holds entries that
        /// nobody else has. With a pace in nanoseconds there are so many looks for a leader; the last heals everything.
        case succession(NodeID, left: Int, looks: Int, pace: Int64)
        /// These ways are cut: once what was asked for just now is on its way.
        case cut([NodePair])
        /// Whoever leads then is to give its office back, and so on, so many times.
        case transferBack(NodeID, left: Int)
        /// This node is started again.
        case start(NodeID)
        /// This leader, whose clock is the slowest, is cut off: what it promised itself ends later than others believe.
        case cutOff(NodeID)
        /// The rest of a stroke.
        case stroke([Strokes.Step])
    }

    /// Whether the clocks of all nodes may be fast at once.
    private let hastensAll: Bool

    init(profile: SimulationProfile, seed: UInt64) {
        kinds = profile.faults
        hastensAll = profile.name == .keyvalue
        maximumPause = profile.faultPause
        electionTimeout = profile.configuration.electionTimeout.upperBound.nanoseconds
        reach = profile.network.delay.upperBound
        random = RandomSource(seed: seed)
        if kinds.contains(.lostDisks), chance(60) { earlyCount = 8 }
    }

    /// How long until the next one.
    mutating func pause() -> Int64 {
        switch sequel {
        case .none: break
        case .flicker, .flickerInWrites: return draw(100_000...(chance(50) ? 20_000_000 : electionTimeout / 3))
        case .succession(_, _, _, let pace): return draw(1_000_000...pace)
        case .cut: return draw(1_000...reach * 4)
        case .stroke(let steps): return steps[0].pause
        case .transferBack, .start, .cutOff: return draw(1_000_000...electionTimeout)
        }
        if earlyCount > 0 {
            earlyCount -= 1
            return draw(1_000_000...electionTimeout)
        }
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
        if let faults = follow(nodes, leader) { return faults }
        if earlyCount > 0, let faults = early(nodes) { return faults }
        var choices: [(SimulationProfile.Kinds, weight: UInt64)] = [
            (.crashes, 4), (.partitions, 3), (.clogs, 2), (.transfers, 2), (.pauses, 2), (.diskErrors, 2),
            (.slowDisks, 2), (.rot, 1), (.rotEverywhere, 1), (.drift, hastensAll ? 4 : 1), (.lostDisks, 1),
            (.machineFailures, 1), (.churn, 6), (.snapshots, 2), (.powerFailures, 2), (.strokes, 4), ([], 3),
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
        case .some(.powerFailures):
            // A file gets a name when it is made, and another when it is whole.
            let powerAfter = draw(1_000_000...(chance(50) ? 100_000_000 : electionTimeout))
            return [.crashAtName(chosen.id, count: chance(75) ? 2 : 1, powerAfter: powerAfter)]
        case .some(.partitions):
            if let leader, nodes.count > 2, chance(25) { return succession(from: leader.id, nodes) }
            return [.cut(drawCut(nodes, leader))]
        case .some(.clogs): return clog(nodes)
        case .some(.transfers): return leader.map { transfer(from: $0.id, nodes.map(\.id)) } ?? []
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
            guard let leader, chance(50) else { return [.snapshot(chosen.id)] }
            // Who has just begun again does not know yet what is committed.
            guard kinds.contains(.crashes), victim.id != leader.id, chance(50) else {
                return [.pushSnapshot(leader.id)]
            }
            let crash = Fault.crash(victim.id, losingPower: false, afterChanges: nil)
            return [.pushSnapshot(leader.id), crash, .start(victim.id)]
        case .some(.strokes): return stroke(nodes)
        case .some(.drift): return drift(chosen, nodes, leader)
        case .some(.churn):
            if kinds.contains(.partitions), chance(15), let faults = churn.stroke(nodes, &random) { return faults }
            return churn.next(nodes, &random)
        default:
            var faults: [Fault] = [.cut([])]
            for node in nodes where chance(50) {
                if !node.isUp { faults.append(.start(node.id)) }
                faults.append(.freeDisk(node.id))
            }
            return faults
        }
    }

    /// After how many changes of files a write ends: most often when it is written and not synced, or, where it makes a
    /// new segment, when that has its name and the name is not durable.
    private mutating func drawChanges() -> Int {
        switch random.next() % 4 {
        case 0, 1: 1
        case 2: 4
        default: Int(random.next() % 8)
        }
    }

    private mutating func transfer(from leader: NodeID, _ ids: [NodeID]) -> [Fault] {
        if chance(20), let member = pick(ids) {
            let preference = pick(LeadershipPreference.allCases) ?? .ordinary
            return [.changeMembers(at: leader, .prefer(member, preference))]
        }
        let others = ids.filter { $0 != leader }
        if kinds.contains(.partitions), chance(40), let target = pick(others) {
            let transfer = Fault.transfer(from: leader, to: target)
            // Its successor leads and it hears nothing of that; or it tells one that hears nothing.
            let isDeaf = chance(50)
            let ways = isDeaf ? others.map { NodePair(from: $0, to: leader) } : isolation(of: target, ids)
            guard chance(70) else { return [transfer, .cut(ways)] }
            sequel = .cut(ways)
            return [transfer]
        }
        let target = chance(50) ? pick(ids) : nil
        if chance(50) { sequel = .transferBack(leader, left: 1 + Int(random.next() % 4)) }
        return [.transfer(from: leader, to: target)]
    }

    /// The leader is cut off, and then its successor, while its disk may be slow: what it has written, and nobody else
    /// has, is cut from its log when it comes back.
    private mutating func succession(from leader: NodeID, _ nodes: [SimulatedNode]) -> [Fault] {
        sequel = succeeding(leader, left: 1 + Int(random.next() % 3))
        var faults: [Fault] = [.cut(isolation(of: leader, nodes.map(\.id)))]
        if kinds.contains(.slowDisks), chance(50) {
            faults.append(.hangDisk(leader, nanoseconds: draw(electionTimeout / 2...electionTimeout * 3)))
        }
        return faults
    }

    /// The next leader is cut off as soon as it leads, or when it has led for a while; in the end what was cut off
    /// comes back to a leader that has led for a while, too.
    private mutating func succeeding(_ leader: NodeID, left: Int) -> Sequel {
        let isQuick = left > 0 && chance(50)
        let pace = isQuick ? 20_000_000 : electionTimeout
        return .succession(leader, left: left, looks: isQuick ? 100 : 5, pace: left > 0 ? pace : electionTimeout * 4)
    }

    /// To the bound, and not beyond it: one clock, or the leader's and everybody else's in opposite directions.
    private mutating func drift(_ chosen: SimulatedNode, _ nodes: [SimulatedNode], _ leader: SimulatedNode?) -> [Fault]
    {
        let bound = chosen.settings.maximumClockDrift
        // A lease of the key-value service ends too early on a clock that is fast, whoever leads by then.
        if hastensAll, chance(50) { return nodes.map { .drift($0.id, partsPerMillion: bound) } }
        if let leader, chance(50) {
            if kinds.contains(.partitions) { sequel = .cutOff(leader.id) }
            return nodes.map { .drift($0.id, partsPerMillion: $0.id == leader.id ? -bound : bound) }
        }
        let drift = chance(50) ? draw(Int64(-bound)...Int64(bound)) : Int64(chance(50) ? bound : -bound)
        return [.drift(chosen.id, partsPerMillion: Int(drift))]
    }

    /// One node alone; a leader does not know it yet.
    private func isolation(of lone: NodeID, _ ids: [NodeID]) -> [NodePair] {
        ids.filter { $0 != lone }.flatMap { [NodePair(from: lone, to: $0), NodePair(from: $0, to: lone)] }
    }

    private mutating func stroke(_ nodes: [SimulatedNode]) -> [Fault] {
        let strokes = Strokes(nodes, electionTimeout: electionTimeout, reach: reach)
        guard let steps = strokes?.next(withChurn: kinds.contains(.churn), &random) else { return [] }
        return go(through: steps)
    }

    private mutating func go(through steps: [Strokes.Step]) -> [Fault] {
        sequel = steps.count > 1 ? .stroke(Array(steps.dropFirst())) : .none
        return steps[0].faults
    }

    /// What follows from the fault before.
    private mutating func follow(_ nodes: [SimulatedNode], _ leader: SimulatedNode?) -> [Fault]? {
        switch sequel {
        case .none: return nil
        case .start(let id):
            sequel = .none
            return [.start(id)]
        case .cutOff(let id):
            sequel = .none
            return leader?.id == id ? [.cut(isolation(of: id, nodes.map(\.id)))] : []
        case .cut(let ways):
            sequel = .none
            return [.cut(ways)]
        case .stroke(var steps):
            if steps[0].isDue(nodes) { return go(through: steps) }
            sequel = .stroke(steps)
            return []
        case .succession(let last, let left, let looks, let pace):
            guard left > 0, looks > 0 else {
                sequel = .none
                return [.cut([])]
            }
            guard let next = nodes.last(where: { $0.role == .leader && $0.id != last }) else {
                sequel = .succession(last, left: left, looks: looks - 1, pace: pace)
                return []
            }
            sequel = succeeding(next.id, left: left - 1)
            let ids = nodes.map(\.id)
            var ways = isolation(of: next.id, ids)
            if nodes.count > 4, chance(40) { ways += isolation(of: last, ids) }
            return [.cut(Array(Set(ways)).sorted())]
        case .flickerInWrites(let id, let left):
            sequel = left > 1 ? .flickerInWrites(id, left: left - 1) : .none
            let crash = Fault.crash(id, losingPower: true, afterChanges: chance(75) ? 1 : drawChanges())
            return [crash, .start(id)]
        case .transferBack(let id, let left):
            sequel = .none
            guard let leader else { return [] }
            if left > 1 { sequel = .transferBack(leader.id, left: left - 1) }
            return [.transfer(from: leader.id, to: id)]
        case .flicker(let id, let left):
            sequel = left > 1 ? .flicker(id, left: left - 1) : .none
            guard let node = nodes.first(where: { $0.id == id }), node.isUp else { return [.start(id)] }
            let changes = chance(70) ? drawChanges() : nil
            let losesPower = kinds.contains(.powerFailures) && chance(50)
            let crash = Fault.crash(id, losingPower: losesPower, afterChanges: changes)
            return chance(70) ? [crash, .start(id)] : [crash]
        }
    }

    /// Where disks are lost: before every member's life is in the log of every other, all depends on what each keeps
    /// of whom it has met.
    private mutating func early(_ nodes: [SimulatedNode]) -> [Fault]? {
        guard chance(60), let lone = pick(nodes), let lost = pick(nodes), lone.id != lost.id else { return nil }
        let crash = Fault.crash(lone.id, losingPower: kinds.contains(.powerFailures) && chance(50), afterChanges: nil)
        switch random.next() % 3 {
        case 0: return [crash, .loseDisk(lost.id), .start(lone.id)]
        case 1:
            sequel = .start(lone.id)
            return [crash, .loseDisk(lost.id)]
        default:
            return lone.isUp ? [crash] : [.loseDisk(lost.id), .start(lone.id)]
        }
    }

    private mutating func crash(_ victim: SimulatedNode, _ nodes: [SimulatedNode]) -> [Fault] {
        if !victim.isUp { return [.start(victim.id)] }
        let losesPower = kinds.contains(.powerFailures)
        if chance(30) {
            let left = 2 + Int(random.next() % 5)
            let isInWrites = losesPower && chance(50)
            sequel = isInWrites ? .flickerInWrites(victim.id, left: left) : .flicker(victim.id, left: left)
        }
        if losesPower, chance(8) {
            // Everybody at once; a while later, most of them come back.
            return [.blackout] + nodes.filter { _ in chance(80) }.map { .start($0.id) }
        }
        let changes = chance(50) ? drawChanges() : nil
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
        case 0: if let leader { cut = isolation(of: leader.id, ids) }
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
