public import Raft

/// A whole cluster in one thread, from one seed: the production roles, streams, log writer, applier and log store on a
/// simulated network, disk and clock.
public final class Simulation {
    public let seed: UInt64
    public let profile: SimulationProfile
    let scheduler: Scheduler
    let network: SimulatedNetwork
    let checker: SafetyChecker
    let nodes: [SimulatedNode]
    let workload: Workload
    let tally: MarkTally
    /// In whose place the simulation's own clients stand still.
    let guest: (any SimulationGuest)?
    private var plan: FaultPlan
    private let replayed: [TimedFault]?
    private var isFaulty = true
    /// Every fault so far, with its time: given to ``init(seed:nodeCount:profile:faults:onLine:)``, they happen again.
    public private(set) var faults: [TimedFault] = []
    /// Where lines about what happens go; nil when nobody watches.
    private let onLine: (@Sendable (String) -> Void)?
    /// A hash over everything that happened: equal for equal runs.
    public private(set) var trace: UInt64 = 0xCBF2_9CE4_8422_2325

    /// - Parameters:
    ///   - nodeCount: 1 to 7; drawn from the seed when nil.
    ///   - name: what may be drawn.
    ///   - profile: what the run is made of; drawn from the seed when nil.
    ///   - faults: exactly these faults happen, instead of drawn ones.
    ///   - onLine: takes one line for everything worth reading that happens, with its time.
    public convenience init(
        seed: UInt64, nodeCount: Int? = nil, name: SimulationProfile.Name = .swarm,
        profile given: SimulationProfile? = nil, faults: [TimedFault]? = nil,
        onLine: (@Sendable (String) -> Void)? = nil
    ) throws {
        try self.init(
            seed: seed, nodeCount: nodeCount, name: name, profile: given, faults: faults, guest: nil, onLine: onLine)
    }

    /// - Parameter guest: whose state machine runs on the nodes, and whose clients call them; nil for the simulation's own.
    package init(
        seed: UInt64, nodeCount: Int? = nil, name: SimulationProfile.Name = .swarm,
        profile given: SimulationProfile? = nil, faults: [TimedFault]? = nil, guest: (any SimulationGuest)?,
        onLine: (@Sendable (String) -> Void)? = nil
    ) throws {
        self.seed = seed
        self.guest = guest
        self.onLine = onLine
        var random = RandomSource(seed: seed)
        let profileSeed = random.next()
        let profile = given ?? SimulationProfile(seed: profileSeed, nodeCount: nodeCount, name: name)
        self.profile = profile
        // On the simulation's own machine it would pass, and say nothing of what it is for.
        guard profile.name != .keyvalue || guest != nil else { throw MissingGuest(name: profile.name) }
        let scheduler = Scheduler(seed: random.next())
        self.scheduler = scheduler
        let network = SimulatedNetwork(scheduler: scheduler, profile: profile.network, seed: random.next())
        network.mayRefuse = true
        self.network = network
        let ids = (1...profile.nodeCount).map { NodeID(UInt64($0)) }
        let members = try ClusterConfiguration(
            voters: ids.enumerated().map { position, id in
                .init(id: id, address: "simulated:\(id)", preference: profile.preference(ofNodeAt: position))
            }, leaseWindow: profile.leaseWindow)
        let spares = (0..<profile.spareCount).map { NodeID(UInt64(profile.nodeCount + 1 + $0)) }
        let tally = MarkTally(seed: random.next(), isArmed: profile.isDisturbed, probesEmptily: !profile.faults.isEmpty)
        self.tally = tally
        let checker = SafetyChecker(
            voters: ids, spares: spares, limits: profile.configuration, tally: tally)
        self.checker = checker
        tally.sessions = SessionChecker { checker.fail($0, $1) }
        checker.watchTime { scheduler.nanoseconds }
        // Who may vote for whom is not fixed where members come and go.
        if !profile.faults.contains(.churn) { checker.watchTenures() }
        nodes = (ids + spares).map { id in
            var own = profile.configuration
            own.id = id
            own.probe = tally
            let setting = SimulatedNode.Setting(
                configuration: own, members: ids.contains(id) ? members : nil, segmentBytes: profile.segmentBytes,
                diskLatency: profile.diskLatency, applyLatency: profile.applyLatency(of: id),
                preparesSegments: profile.preparesSegments,
                makesSnapshots: profile.makesSnapshots,
                clockOffset: Int64(random.next() % 1_000_000_000_000), seed: random.next(),
                log: { line in onLine?("\(Fault.text(scheduler.nanoseconds)): \(line)") })
            return SimulatedNode(
                setting, scheduler: scheduler, network: network, checker: checker, guest: guest)
        }
        workload = Workload(
            scheduler: scheduler, nodes: nodes, checker: checker, profile: profile.workload, seed: random.next())
        plan = FaultPlan(profile: profile, seed: random.next())
        if let guest {
            checker.guest = guest
            try guest.enter(
                SimulationWorld(
                    scheduler: scheduler, profile: profile, seed: random.next(),
                    say: { line in
                        if let onLine { onLine("\(Fault.text(scheduler.nanoseconds)): \(line())") }
                    }, checker: checker, network: network, nodes: nodes))
        }
        replayed = faults
        checker.messages = MessageChecker()
        network.onRequest = { request, node in
            checker.sending(request)
            checker.checkClaims(of: request, to: node)
        }
        network.onRequestArrival = { checker.arrived($0, at: $1) }
        network.onReply = { checker.replying($0, from: $1, to: $2) }
        network.onMark = { tally.reached($0) }
        network.onArrival = { [nodes] from, to in
            checker.heard(from.node, at: to.node)
            let sender = nodes[Int(from.node.rawValue) - 1]
            guard sender.life === from else { return }
            checker.arrived(from: from.node, sender.node?.withStatus(\.incarnation), at: to.node)
        }
    }

    /// Runs `events` events under faults, or so long in virtual time, then heals everything and holds the cluster to
    /// what it owes then.
    ///
    /// - Throws: the first ``Violation``.
    public func run(events: Int, virtualTime: Duration? = nil) throws(Violation) -> SimulationReport {
        defer { end() }
        say("\(profile.nodeCount) nodes, faults: \(profile.faults)")
        begin()
        if let replayed {
            replay(replayed[...])
        } else {
            nextFault()
        }
        let end = virtualTime.map { scheduler.now + $0 }
        while end.map({ scheduler.now < $0 }) ?? (scheduler.eventCount < events) { try step() }
        try conclude()
        mix(UInt64(checker.committed.count))
        mix(checker.committed.last?.prefix ?? 0)
        let own = (acknowledged: workload.acknowledgedCount, reads: workload.readCount, unknown: workload.unknownCount)
        let counts = guest?.counts ?? own
        return SimulationReport(
            events: scheduler.eventCount, virtualTime: scheduler.now, acknowledged: counts.acknowledged,
            reads: counts.reads, unknown: counts.unknown, committed: checker.committed.count,
            faults: faults.count, highestTerm: checker.termHighest, marks: tally.marks, trace: trace)
    }

    /// Starts all nodes and clients.
    func begin() {
        for node in nodes { node.start() }
        if let guest { return guest.begin() }
        for _ in 0..<profile.workload.clientCount { workload.addClient() }
        for _ in 0..<profile.workload.sessionClientCount { workload.addSessionClient() }
    }

    /// Lets go of everything: what waits holds the world, and the world holds what waits.
    func end() {
        lastLines = nodes.map(\.line)
        guest?.end()
        scheduler.end()
        for node in nodes { node.end() }
        tally.sessions = nil
    }

    /// The calls of all clients, for a checker elsewhere.
    public var history: [HistoryOperation] { workload.history }

    /// One line for each node.
    public var nodeLines: [String] { lastLines.isEmpty ? nodes.map(\.line) : lastLines }
    private var lastLines: [String] = []

    func step() throws(Violation) {
        guard scheduler.step() else { throw Violation(invariant: "L1", text: "nothing will ever happen again") }
        if let id = scheduler.lastNode, id.rawValue <= nodes.count { nodes[Int(id.rawValue) - 1].observe() }
        mix(UInt64(bitPattern: scheduler.nanoseconds))
        mix(scheduler.lastNode?.rawValue ?? 0)
        if checker.hasFailed, let violation = checker.violation { throw violation }
        if let violation = LeaseChecker.violation(nodes, checker) { throw violation }
    }

    private func mix(_ value: UInt64) { trace = (trace ^ value) &* 0x0000_0100_0000_01B3 }

    func say(_ line: @autoclosure () -> String) { onLine?("\(Fault.text(scheduler.nanoseconds)): \(line())") }

    // MARK: Faults

    /// Those of one moment together and in order, as they were drawn.
    private func replay(_ faults: ArraySlice<TimedFault>) {
        guard let first = faults.first else { return }
        let count = faults.prefix { $0.time == first.time }.count
        scheduler.schedule(after: first.time - scheduler.nanoseconds) { [self] in
            guard isFaulty else { return }
            for fault in faults.prefix(count) { happen(fault.fault) }
            replay(faults.dropFirst(count))
        }
    }

    private func nextFault() {
        scheduler.schedule(after: plan.pause()) { [self] in
            guard isFaulty else { return }
            for fault in plan.next(nodes) { happen(fault) }
            nextFault()
        }
    }

    func node(_ id: NodeID) -> SimulatedNode? { nodes.first { $0.id == id } }

    /// How many nodes may lose their data for ever while every committed entry keeps a good copy.
    private var expendable: Int { (nodes.count - 1) / 2 }

    /// Lets one fault happen. One that does not fit the moment (a crash of a node that is down) does nothing.
    func happen(_ fault: Fault) {
        say(fault.description)
        faults.append(TimedFault(at: scheduler.nanoseconds, fault))
        switch fault {
        case .blackout where nodes.allSatisfy(\.isUp): tally.reached(.powerLostEverywhere)
        case .loseDisk(let id):
            // Whoever has not met this life of it could not know that another comes.
            guard node(id)?.isRotten == false, nodes.count(where: \.isRotten) < expendable, checker.isKnown(id) else {
                return
            }
        case .rot(let id, _, _, _), .crashAtInstall(let id, _, _):
            // The atlas: so few nodes rot that every committed entry keeps a good copy, unless the run is about that.
            let isSpared = !profile.faults.contains(.rotEverywhere) && node(id)?.isRotten == false
            if isSpared, nodes.count(where: \.isRotten) >= expendable { return }
        default: break
        }
        fault.happen(to: nodes, on: network)
    }

    /// From now on nothing goes wrong any more.
    func endFaults() {
        isFaulty = false
        tally.isDisturbing = false
    }
}

/// The profile is of runs that another state machine and its clients belong to, and there are none.
package struct MissingGuest: Error, CustomStringConvertible {
    let name: SimulationProfile.Name
    package var description: String {
        "a run of profile \(name.rawValue) has nodes and clients of its own: KeyValueSimulation makes it"
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
    public var faults: Int
    public var highestTerm: Term
    public var marks: MarkSet
    public var trace: UInt64
}
