internal import Raft
internal import RaftKeyValue
internal import RaftServer
internal import RaftSimulation
internal import RaftTransport

/// The key-value part of one node: its state's directory, which outlives it, and its present life.
final class KeyValueHost: @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    let id: NodeID
    private let truth: Truth
    private let profile: KeyValueProfile
    private let directory: String
    private let lie: Lie?
    private var random: RandomSource
    /// Which start of the machine this is: a failure of its power begins another.
    private var boot = 1
    /// One life, from its start to its end.
    private(set) var running: Running?

    /// What there is while the node's process runs.
    final class Running: @unchecked Sendable {
        // @unchecked: as the scheduler of the simulation.
        let life: Life
        let loop: any Loop
        let front: ClientFront
        let service: DirectService
        fileprivate let node: RaftNode<KeyValueMachine>
        fileprivate let machine: Machine

        fileprivate init(
            life: Life, loop: any Loop, front: ClientFront, service: DirectService, node: RaftNode<KeyValueMachine>,
            machine: Machine
        ) {
            self.life = life
            self.loop = loop
            self.front = front
            self.service = service
            self.node = node
            self.machine = machine
        }
        var compacted: UInt64 { machine.value.compacted }
    }

    /// The node's machine, for whoever looks at it beside the node: only where that touches it, too.
    fileprivate final class Machine: @unchecked Sendable {
        // @unchecked: as the scheduler of the simulation.
        let value: KeyValueMachine
        /// The last entry whose changes were looked at.
        var heard: UInt64 = 0
        init(_ value: KeyValueMachine) { self.value = value }
    }

    init(id: NodeID, truth: Truth, profile: KeyValueProfile, directory: String, lie: Lie?, seed: UInt64) {
        self.id = id
        self.truth = truth
        self.profile = profile
        self.directory = directory
        self.lie = lie
        random = RandomSource(seed: seed)
    }

    func makeNode(_ parts: NodeParts) throws -> any RunningNode {
        let hadState = boot > 1 || running != nil
        let machine = Machine(
            try KeyValueMachine(
                directory: directory, initialMapBytes: 1 << 16, maximumMapBytes: 1 << 30, bootID: "\(boot)"))
        if machine.value.lastApplied != nil {
            truth.tally.met(.stateKept)
            // I28: what the death of the process has left is whole.
            try truth.check(machine.value, on: id)
        } else if hadState, machine.value.discardReason != nil {
            truth.tally.met(.stateRebuilt)
        }
        machine.heard = machine.value.lastApplied?.index.rawValue ?? 0
        let relay = NewsRelay()
        machine.value.observer = { [truth, id, weak machine] news in
            if let machine { Self.look(news, at: machine, truth, id) }
            relay.tell(news)
        }
        // Unsafe, and safe: everything that touches it is on one thread.
        nonisolated(unsafe) let given = machine.value
        let node = try RaftNode(
            configuration: parts.configuration, machine: given, store: parts.store, transport: parts.transport,
            loops: parts.loops, bootstrap: parts.members, snapshots: parts.snapshots, peers: parts.peers,
            seed: parts.seed, logger: parts.logger)
        var limits = ClientFront.Limits(
            ServerConfiguration(id: id, cluster: "", listen: "", data: "", certificate: "", key: "", ca: ""))
        limits.maximumClockDrift = lie == .ignoresDrift ? 0 : parts.configuration.maximumClockDrift
        limits.remembersLeases = lie == .remembersLeases
        limits.history = HistoryLimits(maximumRevisions: profile.historyRevisions)
        limits.watchWindowBytes = profile.windowBytes
        limits.watchPageBytes = profile.pageBytes
        let loop = parts.loops.loop
        let front = ClientFront(node: node, limits) { [lie] in
            switch lie {
            case .hastensLeases: loop.now * 3 / 2
            case .stopsLeases: .zero
            default: loop.now
            }
        }
        relay.set(front)
        let caller = try Principal(cluster: "simulated", role: .client, name: "client")
        let running = Running(
            life: parts.life, loop: loop, front: front, service: DirectService(front.table, principal: caller),
            node: node, machine: machine)
        self.running = running
        every(profile.lookInterval, on: running) {
            $0.front.look()
            $0.front.lookAtHistory()
        }
        every(profile.leaseInterval, on: running) { $0.front.lookAtLeases() }
        every(.milliseconds(500), on: running) { [weak self] in self?.lookAtState($0) }
        return node
    }

    /// What a timer of the server does again and again.
    private func every(_ interval: Duration, on running: Running, _ body: @escaping @Sendable (Running) -> Void) {
        running.loop.after(
            interval,
            Block { [weak self, weak running] in
                guard let self, let running, self.running === running else { return }
                body(running)
                every(interval, on: running, body)
            })
    }

    private static func look(_ news: StateNews, at machine: Machine, _ truth: Truth, _ id: NodeID) {
        switch news {
        case .applied(let changes, let through):
            // A log that ended before the state began it anew.
            if through <= machine.heard { machine.heard = 0 }
            truth.check(changes, after: machine.heard, through: through, on: id)
            machine.heard = through
        case .replaced(let through):
            truth.tally.met(.stateReplaced)
            machine.heard = through
            do { try truth.check(machine.value, on: id) } catch {
                truth.fail("I28", "the state that node \(id) took over cannot be read: \(error)")
            }
        }
    }

    /// Now and then at all of it, where commands are applied.
    private func lookAtState(_ running: Running) {
        guard random.next() % 4 == 0 else { return }
        running.node.read(.local) { [truth, id] machine in
            try truth.check(machine, on: id)
        } completion: { [truth, id] result in
            if case .success(.failure(let error)) = result {
                truth.fail("I28", "the state of node \(id) cannot be read: \(error)")
            }
        }
    }

    /// At the end: where nothing is applied any more.
    func checkState() {
        guard let running else { return }
        do { try truth.check(running.machine.value, on: id) } catch {
            truth.fail("I28", "the state of node \(id) cannot be read: \(error)")
        }
    }

    var applied: UInt64 { running?.machine.value.lastApplied?.index.rawValue ?? 0 }

    func ended(losingPower: Bool) {
        running?.machine.value.abandon()
        running = nil
        if losingPower { boot += 1 }
    }

    func lostDisk() {
        ended(losingPower: true)
        erase()
    }

    /// Removes the state from the disk.
    func erase() {
        do { try KeyValueMachine.erase(directory: directory) } catch {
            truth.fail("I28", "the state of node \(id) cannot be removed: \(error)")
        }
    }
}
