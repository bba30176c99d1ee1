internal import Raft
internal import RaftClient
internal import RaftKeyValue
internal import RaftKeyValueModel
internal import RaftSimulation

/// The key-value service in a simulation: its nodes' states, its clients, and what must hold of them.
final class KeyValueGuest: SimulationGuest, @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    private let tally: KeyValueTally
    private let lie: Lie?
    private let crew = Crew()
    /// From entering the world to its end.
    private var stay: Stay?

    private struct Stay {
        let world: SimulationWorld
        let truth: Truth
        let profile: KeyValueProfile
        let directory: ScratchDirectory
        let hosts: [KeyValueHost]
        let network: ClientNetwork
        var random: RandomSource
        var watchers: [WatchingClient] = []
        var loops: [SimulatedLoop] = []
        var tasks: [Task<Void, Never>] = []
        var auditIsDone = false
        /// The last command when nothing was left to be done but to be told.
        var lastAtRest: UInt64?
    }

    init(tally: KeyValueTally, lie: Lie?) {
        self.tally = tally
        self.lie = lie
    }

    func enter(_ world: SimulationWorld) throws {
        var random = RandomSource(seed: world.seed)
        let profile = KeyValueProfile(seed: random.next(), isCalm: world.profile.faults.isEmpty)
        let truth = Truth(world, tally: tally, lie: lie)
        let directory = try ScratchDirectory()
        let hosts = world.nodeIDs.map {
            KeyValueHost(
                id: $0, truth: truth, profile: profile, directory: "\(directory.path)/\($0)", lie: lie,
                seed: random.next())
        }
        let network = ClientNetwork(
            world, truth: truth, profile: profile, hosts: hosts, crew: crew, lie: lie, seed: random.next())
        world.say(profile.line)
        stay = Stay(
            world: world, truth: truth, profile: profile, directory: directory, hosts: hosts, network: network,
            random: random)
    }

    // MARK: Nodes

    private func host(_ node: NodeID) -> KeyValueHost? { stay?.hosts[Int(node.rawValue) - 1] }

    func makeNode(_ parts: NodeParts) throws -> any RunningNode {
        guard let host = host(parts.life.node) else { throw RaftError(.stopped, "the simulation has ended") }
        return try host.makeNode(parts)
    }

    func ended(_ node: NodeID, losingPower: Bool) {
        guard let host = host(node) else { return }
        if let life = host.running?.life { stay?.network.ended(life) }
        host.ended(losingPower: losingPower)
    }

    func lostDisk(of node: NodeID) { host(node)?.lostDisk() }
    func appended(_ entry: Entry) { stay?.truth.appended(entry) }

    // MARK: Clients

    func begin() {
        guard let stay else { return }
        let (truth, profile) = (stay.truth, stay.profile)
        var number = 0
        /// So many clients; `make` gives what one does.
        func add(_ count: Int, _ make: (KeyValueClient, _ seed: UInt64) -> @Sendable () async -> Void) {
            for _ in 0..<count {
                number += 1
                let (client, seed) = addClient(number)
                self.add(make(client, seed))
            }
        }
        add(profile.callerCount) { client, seed in
            let caller = Caller(number, client: client, truth: truth, profile: profile, crew: crew, seed: seed)
            return { await caller.run() }
        }
        add(profile.holderCount) { client, seed in
            let holder = LeaseHolder(number, client: client, truth: truth, profile: profile, crew: crew, seed: seed)
            return { await holder.run() }
        }
        add(profile.watcherCount) { client, seed in
            let watcher = WatchingClient(
                number, client: client, truth: truth, profile: profile, crew: crew, seed: seed)
            self.stay?.watchers.append(watcher)
            return { await watcher.run() }
        }
        stay.network.begin(clientCount: number)
    }

    /// - Returns: a client on a loop of its own, and numbers for who uses it.
    private func addClient(_ number: Int, at nodes: [NodeID]? = nil) -> (KeyValueClient, seed: UInt64) {
        let stay = stay!
        var random = RandomSource(seed: self.stay!.random.next())
        // A number that no node has.
        let loop = SimulatedLoop(
            scheduler: stay.world.scheduler, life: Life(node: NodeID(UInt64(1000 + number))), latency: 1_000...20_000,
            seed: random.next())
        self.stay!.loops.append(loop)
        var options = KeyValueClient.Options()
        options.timeout = .seconds(2)
        options.spreadsReads = stay.profile.spreadsReads
        options.forwardsWrites = stay.profile.forwardsWrites
        options.watchReportBytes = min(stay.profile.windowBytes / 2, options.watchReportBytes)
        let port = ClientPort(stay.network, client: number - 1)
        let jitter = Jitter(random.next())
        // Each begins with another one.
        var endpoints = (nodes ?? stay.world.nodeIDs).map { "simulated:\($0)" }
        endpoints = Array(endpoints[(number % endpoints.count)...] + endpoints[..<(number % endpoints.count)])
        let client = KeyValueClient(
            endpoints: endpoints, connector: port, options: options, clock: port, random: { jitter.next() },
            executor: LoopTaskExecutor(loop))
        return (client, random.next())
    }

    /// The one place where tasks begin: on the loop of the client that was added last.
    private func add(_ body: @escaping @Sendable () async -> Void) {
        let executor = LoopTaskExecutor(stay!.loops.last!)
        stay!.tasks.append(Task(executorPreference: executor) { await body() })
    }

    func rest() { crew.isResting = true }

    // MARK: The end

    func beginAudit(writes: Int, through nodes: [NodeID]) {
        guard let stay else { return }
        stay.network.heal()
        let (client, _) = addClient(900, at: nodes)
        add { [self] in
            var count = 0
            while count < writes {
                let (key, value) = (stay.profile.key(0), Array("audit \(count)".utf8))
                let command = KeyValueCommand.put(key: key, value: value)
                let floor = stay.truth.acknowledged
                guard let result = try? await client.put(key, value) else {
                    guard (try? await client.clock.pause(.milliseconds(10))) != nil else { return }
                    continue
                }
                stay.truth.answered(command, after: floor, told: "\(result)") {
                    $0 == .done(revision: result.revision, previous: result.previousRevision)
                }
                count += 1
                while true {
                    let floor = stay.truth.acknowledged
                    guard let page = try? await client.range() else {
                        guard (try? await client.clock.pause(.milliseconds(10))) != nil else { return }
                        continue
                    }
                    stay.truth.answered(readAfter: floor, isLinearizable: true, what: "\(page)") {
                        stay.truth.store.entries(at: $0) == page.entries
                    }
                    break
                }
            }
            self.stay?.auditIsDone = true
        }
    }

    var auditIsDone: Bool { stay?.auditIsDone ?? true }

    func remaining(on nodes: [NodeID]) -> Violation? {
        guard let stay else { return nil }
        stay.truth.advance()
        let last = stay.lastAtRest ?? stay.truth.store.lastCommand
        self.stay?.lastAtRest = last
        let live = stay.truth.store.leases(at: stay.truth.store.last)
        if let lease = live.first {
            return Violation(
                invariant: "L12",
                text: "lease \(lease.id) of \(lease.milliseconds) ms lives on, and nobody keeps it alive")
        }
        for watcher in stay.watchers {
            guard let missing = watcher.missing(through: last) else { continue }
            return Violation(
                invariant: "L11", text: "\(watcher.line), and was not told \(missing)")
        }
        return nil
    }

    func judge(isCutShort: Bool) {
        guard let stay else { return }
        stay.truth.advance()
        for host in stay.hosts { host.checkState() }
        stay.world.say(tally.line)
    }

    func end() {
        guard let stay else { return }
        for task in stay.tasks { task.cancel() }
        stay.network.close()
        // Each comes to its end: nothing that waits may be let go of.
        var isBusy = true
        while isBusy {
            isBusy = false
            for loop in stay.loops {
                while loop.isBusy {
                    loop.runNext()
                    isBusy = true
                }
            }
        }
        for loop in stay.loops { loop.end() }
        for host in stay.hosts {
            host.ended(losingPower: false)
            host.erase()
        }
        stay.directory.remove()
        self.stay = nil
    }

    var counts: (acknowledged: Int, reads: Int, unknown: Int) {
        (crew.acknowledgedCount, crew.readCount, crew.unknownCount)
    }
}

/// Numbers from 0 to 1.
private final class Jitter: @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    private var random: RandomSource
    init(_ seed: UInt64) { random = RandomSource(seed: seed) }
    func next() -> Double { Double(random.next() >> 11) / Double(1 << 53) }
}
