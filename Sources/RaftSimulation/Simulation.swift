public import Raft

/// What one run is made of. Drawn from the seed: every run has other faults, and some have none.
public struct SimulationProfile: Sendable {
    public var nodeCount: Int
    public var clientCount: Int
    public var network = NetworkProfile()
    public var segmentBytes = 16 << 10
    /// How long a disk takes for one write, in nanoseconds.
    public var diskLatency: ClosedRange<Int64> = 50_000...2_000_000
    public var crashes = false
    public var powerFailures = false
    public var partitions = false
    public var transfers = false
    /// Nanoseconds between a client's calls.
    public var clientPause: ClosedRange<Int64> = 100_000...20_000_000
    /// Nanoseconds between two faults, at most.
    public var faultPause: Int64 = 1_000_000_000

    /// - Parameter nodeCount: 1 to 7; drawn when nil.
    public init(seed: UInt64, nodeCount: Int? = nil) {
        var random = RandomSource(seed: seed)
        func chance(_ percent: UInt64) -> Bool { random.next() % 100 < percent }
        func pick<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }
        self.nodeCount = nodeCount ?? pick([1, 2, 3, 3, 3, 4, 5, 5, 7])
        clientCount = pick([1, 2, 4, 8, 16])
        clientPause = pick([100_000...20_000_000, 1_000_000...40_000_000, 5_000_000...200_000_000])
        network.delay = pick([10_000...100_000, 50_000...2_000_000, 100_000...20_000_000, 1_000_000...80_000_000])
        network.lossPerMille = pick([0, 0, 0, 10, 100, 300])
        network.duplicatePerMille = pick([0, 0, 10, 100])
        network.isOrdered = chance(60)
        segmentBytes = pick([4 << 10, 16 << 10, 64 << 10])
        diskLatency = pick([50_000...200_000, 50_000...2_000_000, 1_000_000...30_000_000, 100_000...400_000_000])
        crashes = chance(60)
        powerFailures = crashes && chance(60)
        partitions = chance(60)
        transfers = chance(30)
        faultPause = pick([300_000_000, 1_000_000_000, 4_000_000_000])
    }
}

/// A whole cluster in one thread, from one seed: the production roles, streams, log writer, applier and log store on a
/// simulated network, disk and clock.
public final class Simulation {
    public let seed: UInt64
    public let profile: SimulationProfile
    private let scheduler: Scheduler
    private let network: SimulatedNetwork
    private let checker: SafetyChecker
    private let nodes: [SimulatedNode]
    private let workload: Workload
    private var random: RandomSource
    private var settings: Configuration
    private var isFaulty = true
    /// A hash over everything that happened: equal for equal runs.
    public private(set) var trace: UInt64 = 0xCBF2_9CE4_8422_2325

    public init(seed: UInt64, nodeCount: Int? = nil, profile given: SimulationProfile? = nil) throws {
        self.seed = seed
        var random = RandomSource(seed: seed)
        let profile = given ?? SimulationProfile(seed: random.next(), nodeCount: nodeCount)
        self.profile = profile
        scheduler = Scheduler(seed: random.next())
        network = SimulatedNetwork(scheduler: scheduler, profile: profile.network, seed: random.next())
        let ids = (1...profile.nodeCount).map { NodeID(UInt64($0)) }
        let members = try ClusterConfiguration(voters: ids.map { .init(id: $0, address: "simulated:\($0)") })
        let checker = SafetyChecker(voters: ids)
        self.checker = checker
        var settings = Configuration(id: 1, cluster: "simulated")
        let pick = random.next()
        settings.electionTimeout = .milliseconds(150 + Int(pick % 4) * 150)...(.milliseconds(300 + Int(pick % 4) * 300))
        settings.heartbeatInterval = .milliseconds([20, 50, 70][Int(pick >> 8) % 3])
        settings.maximumAppendBytes = [64, 1 << 10, 1 << 20][Int(pick >> 16) % 3]
        settings.maximumInflightAppends = [1, 2, 64][Int(pick >> 24) % 3]
        settings.maximumTailBytes = [0, 1 << 10, 1 << 20][Int(pick >> 32) % 3]
        settings.maximumApplyBytes = [64, 1 << 20][Int(pick >> 40) % 2]
        self.settings = settings
        nodes = ids.map { [scheduler, network] id in
            var own = settings
            own.id = id
            return SimulatedNode(
                settings: own, members: members, segmentBytes: profile.segmentBytes, diskLatency: profile.diskLatency,
                scheduler: scheduler, network: network, checker: checker, seed: random.next())
        }
        workload = Workload(scheduler: scheduler, nodes: nodes, checker: checker, seed: random.next())
        self.random = random
        network.onRequest = { checker.sending($0) }
        network.onReply = { checker.replying($0, from: $1, to: $2) }
    }

    /// Runs `events` events under faults, then heals everything and waits until the cluster has come together.
    ///
    /// - Throws: the first ``Violation``.
    public func run(events: Int) throws(Violation) -> SimulationReport {
        for node in nodes { node.start() }
        for _ in 0..<profile.clientCount { workload.addClient(pause: profile.clientPause) }
        nextFault()
        while scheduler.eventCount < events { try step() }
        try heal()
        return SimulationReport(
            events: scheduler.eventCount, virtualTime: scheduler.now, acknowledged: workload.acknowledged.count,
            reads: workload.readCount, unknown: workload.unknownCount, committed: checker.committed.count,
            highestTerm: checker.termHighest, trace: trace)
    }

    private func step() throws(Violation) {
        guard scheduler.step() else { throw Violation(invariant: "L1", text: "nothing will ever happen again") }
        if let id = scheduler.lastNode { nodes[Int(id.rawValue) - 1].observe() }
        mix(UInt64(bitPattern: scheduler.nanoseconds))
        mix(scheduler.lastNode?.rawValue ?? 0)
        if let violation = checker.violation { throw violation }
    }

    private func mix(_ value: UInt64) { trace = (trace ^ value) &* 0x0000_0100_0000_01B3 }

    // MARK: Faults

    private func nextFault() {
        var pause = Int64(random.next() % UInt64(profile.faultPause))
        // Now and then long enough for what follows from a fault: a new leader beside the old one.
        if random.next() % 3 == 0 { pause += settings.electionTimeout.upperBound.nanoseconds * 2 }
        scheduler.schedule(after: pause) { [self] in
            guard isFaulty else { return }
            fault()
            nextFault()
        }
    }

    private func fault() {
        let victim = nodes[Int(random.next() % UInt64(nodes.count))]
        switch random.next() % 4 {
        case 0 where profile.crashes:
            if victim.isUp {
                victim.crash(losingPower: profile.powerFailures && random.next() % 2 == 0)
            } else {
                victim.start()
            }
        case 1 where profile.partitions: network.setCut(drawCut())
        case 2 where profile.transfers:
            victim.node?.transferLeadership(completion: { _ in })
        default:
            network.setCut([])
            for node in nodes where random.next() % 2 == 0 { node.start() }
        }
    }

    private func drawCut() -> Set<SimulatedNetwork.Pair> {
        let ids = nodes.map(\.id)
        var cut: Set<SimulatedNetwork.Pair> = []
        switch random.next() % 4 {
        case 0:  // A leader alone, which does not know it yet.
            guard let leader = nodes.last(where: { $0.node?.status.role == .leader })?.id else { break }
            for other in ids where other != leader {
                cut.insert(.init(from: leader, to: other))
                cut.insert(.init(from: other, to: leader))
            }
        case 1:  // Two sides.
            let side = Set(ids.filter { _ in random.next() % 2 == 0 })
            for a in ids {
                for b in ids where side.contains(a) != side.contains(b) { cut.insert(.init(from: a, to: b)) }
            }
        case 2:  // One node, in one direction or both.
            let lone = ids[Int(random.next() % UInt64(ids.count))]
            let way = random.next() % 3
            for other in ids where other != lone {
                if way != 0 { cut.insert(.init(from: lone, to: other)) }
                if way != 1 { cut.insert(.init(from: other, to: lone)) }
            }
        default:  // Any ways.
            for a in ids { for b in ids where a != b && random.next() % 4 == 0 { cut.insert(.init(from: a, to: b)) } }
        }
        return cut
    }

    // MARK: Healing

    /// Faults off: one leader, everything acknowledged is there, and every node ends with the same log and state.
    private func heal() throws(Violation) {
        isFaulty = false
        workload.isActive = false
        network.profile.lossPerMille = 0
        network.profile.delay = 50_000...1_000_000
        for node in nodes { node.healDisk() }
        network.setCut([])
        for node in nodes { node.start() }
        let limit = scheduler.now + settings.electionTimeout.upperBound * 60 + .seconds(10)
        let writes = ConvergenceWrites(nodes: nodes, scheduler: scheduler, needed: 5)
        writes.begin()
        while !(writes.isDone && hasConverged()) {
            try step()
            if scheduler.now > limit {
                throw Violation(invariant: "L1", text: "no convergence after healing: \(nodes.map(\.line))")
            }
        }
        workload.checkOutcomes()
        if let violation = checker.violation { throw violation }
    }

    private func hasConverged() -> Bool {
        let statuses = nodes.compactMap { $0.node?.status }
        guard statuses.count == nodes.count, statuses.filter({ $0.role == .leader }).count == 1,
            let first = statuses.first
        else { return false }
        return statuses.allSatisfy {
            $0.last == first.last && $0.lastApplied == first.last.index && $0.currentTerm == first.currentTerm
        }
    }
}

/// What a run without a violation saw.
public struct SimulationReport: Sendable, Hashable {
    public var events: Int
    public var virtualTime: Duration
    public var acknowledged: Int
    public var reads: Int
    public var unknown: Int
    public var committed: Int
    public var highestTerm: Term
    public var trace: UInt64
}
