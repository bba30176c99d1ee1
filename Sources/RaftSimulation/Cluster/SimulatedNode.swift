internal import Logging
internal import Raft
internal import RaftStorage

/// One node of a simulated cluster: its disk, which outlives it, and its present life.
final class SimulatedNode: @unchecked Sendable {
    // @unchecked: as the scheduler.
    let id: NodeID
    private let scheduler: Scheduler
    private let network: SimulatedNetwork
    let checker: SafetyChecker
    let settings: Configuration
    let members: ClusterConfiguration
    let segmentBytes: Int
    private var diskLatency: ClosedRange<Int64>
    let fileSystem = SimulatedFileSystem()
    var random: RandomSource

    private var life: Life?
    private var store: ObservedLogStore?
    private var directory: DataDirectory?
    private(set) var disk: SimulatedLoop?
    /// Every loop of the present life, the node's own first.
    private(set) var loops: [SimulatedLoop] = []
    private(set) var node: RaftNode<Ledger>?
    private(set) var startFailure: RaftError?

    init(
        settings: Configuration, members: ClusterConfiguration, segmentBytes: Int, diskLatency: ClosedRange<Int64>,
        scheduler: Scheduler, network: SimulatedNetwork, checker: SafetyChecker, seed: UInt64
    ) {
        id = settings.id
        self.settings = settings
        self.members = members
        self.segmentBytes = segmentBytes
        self.diskLatency = diskLatency
        self.scheduler = scheduler
        self.network = network
        self.checker = checker
        random = RandomSource(seed: seed)
    }

    var isUp: Bool { node != nil }

    func start() {
        guard node == nil else { return }
        let life = Life(node: id)
        do {
            let directory = try DataDirectory.open(
                "/data", cluster: settings.cluster, node: id, mode: .create, fileSystem: fileSystem, using: &random)
            let log = try SegmentedLog(directory: directory, segmentBytes: segmentBytes)
            let store = ObservedLogStore(log, node: id, checker: checker)
            func loop(_ latency: ClosedRange<Int64>) -> SimulatedLoop {
                SimulatedLoop(scheduler: scheduler, life: life, latency: latency, seed: random.next())
            }
            let disk = loop(diskLatency)
            let all = [loop(1_000...20_000), disk, loop(1_000...100_000), loop(10_000...1_000_000)]
            let loops = NodeLoops(loop: all[0], disk: disk, apply: all[2], reads: all[3])
            let (checker, id) = (checker, id)
            let node = try RaftNode(
                configuration: settings,
                machine: Ledger { serial, entry in checker.applied(serial, at: entry, on: id) },
                store: store, transport: network.transport(for: life), loops: loops, bootstrap: members,
                peers: directory.peers(),
                seed: random.next(), logger: Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() })
            self.life = life
            self.store = store
            self.disk = disk
            self.loops = all
            self.directory = directory
            self.node = node
            node.start { [weak self] result in
                if case .failure(let error) = result, life.isAlive {
                    self?.checker.fail("I21", "node \(id) did not start: \(error)")
                }
            }
        } catch {
            checker.fail("I21", "node \(id) did not start: \(error)")
        }
    }

    /// From now on the disk is as fast as a good one.
    func healDisk() {
        diskLatency = 50_000...500_000
        disk?.latency = diskLatency
    }

    /// Ends the node at once. With `losingPower`, what its disk had not synced is lost in any part; and a write that
    /// was under way may have got anywhere.
    func crash(losingPower: Bool) {
        guard let life, let disk, let store else { return }
        if disk.isBusy, random.next() % 2 == 0 {
            store.isFailing = true
            fileSystem.stop(afterChanges: Int(random.next() % 8))
            disk.runNext()
        }
        life.isAlive = false
        network.remove(life)
        checker.crashed(id, during: store.underWay)
        node = nil
        self.store = nil
        self.disk = nil
        loops = []
        directory = nil
        self.life = nil
        if losingPower { fileSystem.crash(using: &random) } else { fileSystem.killProcess() }
    }

    /// Looks at the node after something happened to it.
    func observe() {
        guard let node else { return }
        let status = node.status
        if status.incarnation.rawValue != 0 { checker.look(at: status) }
    }
}

extension SimulatedNode {
    /// One line for a report.
    var line: String {
        guard let status = node?.status else { return "\(id): down" }
        return
            "\(id): \(status.role) term \(status.currentTerm) log \(status.last) durable \(status.durableIndex) commit \(status.commitIndex) applied \(status.lastApplied)\(status.peers.map { " [\($0.id): match \($0.matchIndex), next \($0.nextIndex), \($0.inflightCount) out, \($0.isProbing ? "probing, " : "")\($0.isReachable ? "reachable" : "lost"), heard \($0.sinceHeard)]" }.joined())"
    }
}
