internal import Raft
internal import RaftStorage

/// The cluster of one scenario: production nodes on the simulated network, disk and clock, and ghosts.
final class ScenarioWorld: @unchecked Sendable {
    // @unchecked: as the scheduler.
    let settings: ScenarioSettings
    let scheduler: Scheduler
    let network: SimulatedNetwork
    /// The truth; after a recovery, about the cluster that goes on.
    private(set) var checker: SafetyChecker
    /// About those that were left behind.
    private var earlier: [SafetyChecker] = []
    let traffic: TrafficControl
    let calls: ScenarioCalls
    /// One for each member; a ghost's is asleep.
    let nodes: [SimulatedNode]
    private(set) var ghosts: [NodeID: Ghost] = [:]
    private let members: ClusterConfiguration
    private var cuts: Set<SimulatedNetwork.Pair> = []

    init(_ settings: ScenarioSettings) throws {
        self.settings = settings
        var random = RandomSource(seed: settings.seed)
        scheduler = Scheduler(seed: random.next())
        network = SimulatedNetwork(scheduler: scheduler, profile: settings.network, seed: random.next())
        // A scenario counts entries; but no new member has a vote before its life is known.
        network.tellsLives = !settings.joining.isEmpty
        let ids = settings.ids
        let founders = ids.filter { !settings.joining.contains($0) }
        members = try ClusterConfiguration(
            voters: founders.map {
                .init(id: $0, address: "simulated:\($0)", preference: settings.preferences[$0] ?? .ordinary)
            }, leaseWindow: settings.leaseWindow)
        checker = SafetyChecker(
            voters: founders, spares: settings.joining, limits: settings.configuration,
            tally: MarkTally(seed: settings.seed, isArmed: false))
        traffic = TrafficControl(network)
        calls = ScenarioCalls(checker: checker)
        checker.tally.sessions = SessionChecker { [unowned checker] in checker.fail($0, $1) }
        nodes = ids.map { [scheduler, network, checker, members] id in
            var own = settings.configuration
            own.id = id
            own.probe = checker.tally
            if let range = settings.ownTimeouts[id] { own.electionTimeout = range }
            let setting = SimulatedNode.Setting(
                configuration: own, members: settings.joining.contains(id) ? nil : members, segmentBytes: 16 << 10,
                diskLatency: settings.diskLatency, preparesSegments: settings.preparesSegments,
                makesSnapshots: settings.makesSnapshots, clockOffset: scheduler.nanoseconds, seed: random.next(),
                log: { _ in })
            return SimulatedNode(setting, scheduler: scheduler, network: network, checker: checker)
        }
        for node in nodes {
            let beginning = settings.beginnings[node.id]
            if settings.isReal(node.id) {
                if let beginning { try node.prepare(beginning.state, entries(beginning.log), isKnown: false) }
            } else {
                let hello = Hello(
                    cluster: settings.configuration.cluster, node: node.id, incarnation: try node.incarnation(),
                    bootstrap: nil, configuration: .zero)
                ghosts[node.id] = try Ghost(
                    hello: hello, state: beginning?.state ?? HardState(), log: entries(beginning?.log ?? []),
                    network: network, checker: checker)
            }
        }
        network.onRequest = { [unowned self] request, _ in
            if ghosts[request.sender] == nil { node(request.sender).checker.sending(request) }
        }
        network.onReply = { [unowned self] in
            if ghosts[$1] == nil {
                node($1).checker.replying($0, from: $1, to: $2)
            } else {
                checker.acknowledged($0, by: $1, to: $2)
            }
        }
        network.onArrival = { [unowned self] from, to in
            let (theirs, ours) = (node(from.node).checker, node(to.node).checker)
            if theirs !== ours {
                ours.fail("I15", "node \(to.node) took a message of node \(from.node), which is of another cluster")
            }
        }
    }

    /// Entry 1, the cluster's configuration, and behind it made-up commands with these ids.
    private func entries(_ ids: [LogID]) -> [Entry] {
        Self.entry(LogID(term: 0, index: 1), .configuration, members.encoded) + Self.commands(ids)
    }

    static func commands(_ ids: [LogID]) -> [Entry] {
        ids.flatMap { entry($0, .command, ScenarioCalls.payload(of: $0)) }
    }

    private static func entry(_ id: LogID, _ kind: EntryKind, _ payload: [UInt8]) -> [Entry] {
        var builder = EntryBatch.Builder(first: id.index, term: id.term)
        builder.append(kind, payload)
        return builder.finish().map { [$0[0]] } ?? []
    }

    func node(_ id: NodeID) -> SimulatedNode { nodes[Int(id.rawValue) - 1] }
    var realNodes: [SimulatedNode] { nodes.filter { ghosts[$0.id] == nil } }

    /// Who leads; of two who say so, the one of the later term.
    var leader: SimulatedNode? {
        nodes.filter { $0.node?.status.role == .leader }.max { $0.term < $1.term }
    }

    // MARK: Time

    /// Lets things happen until `isDone`, or `limit` has passed. Returns whether it came to be.
    func run(for limit: Duration, until isDone: () -> Bool = { false }) throws -> Bool {
        let end = scheduler.now + limit
        scheduler.schedule(after: limit.nanoseconds) {}
        while true {
            if isDone() { return true }
            if scheduler.now >= end { return false }
            guard scheduler.step() else { throw Violation(invariant: "L1", text: "nothing will ever happen again") }
            if let id = scheduler.lastNode { node(id).observe() }
            if let violation { throw violation }
        }
    }

    /// The first promise that was broken.
    var violation: Violation? {
        for truth in [checker] + earlier {
            if let violation = truth.violation ?? LeaseChecker.violation(nodes, truth) { return violation }
        }
        return nil
    }

    // MARK: Processes

    func start(_ id: NodeID) { if ghosts[id] == nil { node(id).start() } }

    func stop(_ id: NodeID) {
        guard let node = node(id).node else { return }
        node.stop { [self] in
            _ = $0
            // Its process ends once everything is closed.
            scheduler.schedule(after: 0) { self.node(id).crash(losingPower: false) }
        }
    }

    /// The node comes back as another life, if at all.
    func loseDisk(of id: NodeID) {
        let files = node(id).fileSystem
        for path in files.snapshot().keys.sorted() { files.setContents(of: path, to: nil) }
        node(id).checker.lostDisk(id)
    }

    /// The cluster goes on from the disk of `id` alone, as a new one: with whoever belongs to none yet.
    func recover(from id: NodeID) throws {
        let old = node(id).checker
        let spares = nodes.filter { $0.members == nil && $0.checker === old && $0.id != id }
        try node(id).recover { plan in
            guard plan.survivor.last == old.mirrors[id]?.ids.last else {
                throw RaftError(.storage, "a write was under way when node \(id) crashed; let its disk come to rest")
            }
            let belongs = plan.survivor.configuration.contains
            checker = SafetyChecker(after: old, plan, spares: spares.map(\.id).filter { !belongs($0) })
            for spare in spares where !belongs(spare.id) { spare.joins(checker) }
            return checker
        }
        earlier.append(old)
        calls.goOn(by: checker)
    }

    /// Lets a node's clock run ahead until it campaigns.
    func campaign(_ id: NodeID) throws -> Bool {
        let node = node(id)
        guard let loop = node.loops.first else { return false }
        let step = Duration.milliseconds(10)
        let wasCandidate = node.node?.status.role == .candidate
        for count in 1...10_000 {
            loop.skip(step)
            _ = try run(for: .microseconds(100))
            let role = node.node?.status.role
            if wasCandidate ? step * count > node.settings.electionTimeout.upperBound : role == .candidate {
                return true
            }
            if role == .leader { return true }
        }
        return false
    }

    // MARK: The network

    func cut(_ pairs: Set<SimulatedNetwork.Pair>) {
        cuts.formUnion(pairs)
        network.setCut(cuts)
    }

    func heal() {
        cuts = []
        network.setCut([])
    }

    // MARK: The end

    /// Every fault ends, and ghosts wake as real nodes with what they claimed.
    func endFaults(without: Set<NodeID>) throws {
        traffic.letAllPass()
        heal()
        network.profile.lossPerMille = 0
        for node in nodes where !without.contains(node.id) {
            for loop in node.loops { loop.release() }
            node.heal()
            if let ghost = ghosts.removeValue(forKey: node.id) {
                ghost.end()
                try node.prepare(ghost.state, ghost.log, isKnown: true)
            }
            node.start()
        }
    }

    /// Of these nodes, those that are members by now.
    func members(among nodes: [SimulatedNode]) -> [SimulatedNode] {
        guard let configuration = leader?.node?.status.configuration else { return nodes }
        return nodes.filter { configuration.member($0.id) != nil }
    }

    func haveConverged(_ members: [SimulatedNode]) -> Bool {
        let statuses = members.compactMap { $0.node?.status }
        guard statuses.count == members.count, statuses.filter({ $0.role == .leader }).count == 1,
            let first = statuses.first, first.configuration?.isJoint == false
        else { return false }
        return statuses.allSatisfy {
            $0.last == first.last && $0.lastApplied == first.last.index && $0.currentTerm == first.currentTerm
        } && Set(members.map { $0.logHash }).count == 1
    }
}

extension SimulatedNode {
    var term: Term { node?.status.currentTerm ?? 0 }

    /// Over its log, as its disk holds it.
    var logHash: UInt64? { checker.mirrors[id]?.entries.last?.prefix }

    /// The life of its data directory, which is made if it is not there.
    func incarnation() throws -> Incarnation {
        let directory = try openDirectory()
        defer { directory.close() }
        return directory.identity.incarnation
    }

    private func openDirectory() throws -> DataDirectory {
        var random = randomness(3)
        return try DataDirectory.open(
            path, cluster: settings.cluster, node: id, mode: .create, fileSystem: fileSystem, using: &random)
    }

    /// Writes a state through the real store, as a former life would have.
    ///
    /// - Parameter isKnown: the checker has been told of it.
    func prepare(_ state: HardState, _ log: [Entry], isKnown: Bool) throws {
        let directory = try openDirectory()
        defer { directory.close() }
        let segments = try SegmentedLog(directory: directory, segmentBytes: segmentBytes)
        let store: any LogStore =
            isKnown
            ? segments
            : ObservedLogStore(
                segments, node: id, checker: checker, fileSystem: fileSystem, path: "\(path)/log")
        _ = try store.open()
        try store.write([.hardState(state)] + log.batches.map { .append($0) })
        store.close()
    }
}
