internal import Logging
internal import Raft
internal import RaftStorage

/// One node of a simulated cluster: its disk, which outlives it, and its present life.
final class SimulatedNode: @unchecked Sendable {
    // @unchecked: as the scheduler.
    let id: NodeID
    private let scheduler: Scheduler
    private let network: SimulatedNetwork
    @exclusivity(unchecked) private(set) var checker: SafetyChecker
    let settings: Configuration
    /// The members that it begins with; nil on a node that joins.
    var members: ClusterConfiguration?
    /// Its data directory.
    private(set) var path = "/data"
    let segmentBytes: Int
    /// How long its disk takes for a write when nothing is wrong with it.
    private let usualLatency: ClosedRange<Int64>
    private var diskLatency: ClosedRange<Int64>
    private var applyLatency: ClosedRange<Int64>
    private let preparesSegments: Bool
    private let seed: UInt64
    private let log: @Sendable (String) -> Void
    let clock: NodeClock
    let fileSystem = SimulatedFileSystem()

    @exclusivity(unchecked) private(set) var life: Life?
    @exclusivity(unchecked) private var store: ObservedLogStore?
    @exclusivity(unchecked) private(set) var snapshots: ObservedSnapshotStore?
    let makesSnapshots: Bool
    private var directory: DataDirectory?
    private var peers: (any PeerMemory)?
    private var isRecovered = false
    @exclusivity(unchecked) private(set) var disk: SimulatedLoop?
    /// Every loop of the present life, the node's own first.
    private(set) var loops: [SimulatedLoop] = []
    @exclusivity(unchecked) private(set) var node: (any RunningNode)?
    /// The same, where the simulation's own state machine is in it.
    private(set) var storeNode: RaftNode<SimulatedStore>?
    /// Whose state machine is in it; nil for the simulation's own.
    private let guest: (any SimulationGuest)?
    /// Something was done to this node's disk after which it may stop, or refuse to start, until the next life.
    private var isExcused = false
    /// A bit of its files has turned over: it may refuse to start for ever.
    var isRotten = false
    private(set) var stopReason: RaftError?
    private var machineFails = false
    /// A crash that waits for the next write, and whether the node is started again at once.
    @exclusivity(unchecked) private var crashInWrite: (losingPower: Bool, changes: Int, restarts: Bool)?
    /// That it ends at a name that is not durable yet, and how long after that the power fails.
    @exclusivity(unchecked) private var crashAtName: Int64?
    /// What is cut when this node, as a leader, begins the last step of a change of voters; and whether it has begun the
    /// first.
    private var cutAtEndOfChange: (ways: [NodePair], isJoint: Bool)?
    /// What of the snapshot turns over that it receives next.
    @exclusivity(unchecked) var crashAtInstall: (perMille: Int, bit: Int)?
    /// The configuration in force, and the one before that.
    @exclusivity(unchecked) private(set) var configurations = (last: LogID.zero, earlier: LogID.zero)
    /// Which failure of the power is still to come; nil for none.
    var powerFailure: UInt64?
    private var powerFailureCount: UInt64 = 0
    /// Nothing is wrong with the machine any more. What failed before that may be noticed only now: then it is started
    /// again.
    @exclusivity(unchecked) private var isHealed = false
    /// When its last pause ends, or has ended.
    @exclusivity(unchecked) private var pausedUntil: Int64 = 0
    /// What its status last said: until when, on its own clock, it may serve reads by the lease of this term.
    @exclusivity(unchecked) private(set) var lease: (expiry: Instant, term: Term)?
    /// Since when this node has led without a vote that it could get back.
    @exclusivity(unchecked) private var votelessSince: Instant?
    /// Which of its statuses was looked at last, and whether that was one of a node that is open.
    @exclusivity(unchecked) private var statusVersion = UInt64.max
    @exclusivity(unchecked) private var isObserved = false

    struct Setting {
        var configuration: Configuration
        /// Nil on a node that joins.
        var members: ClusterConfiguration?
        var segmentBytes: Int
        var diskLatency: ClosedRange<Int64>
        var applyLatency: ClosedRange<Int64> = 1_000...100_000
        var preparesSegments: Bool
        /// Whether it purges its log behind snapshots.
        var makesSnapshots = false
        var clockOffset: Int64
        var seed: UInt64
        /// Takes the node's own log lines.
        var log: @Sendable (String) -> Void
    }

    init(
        _ setting: Setting, scheduler: Scheduler, network: SimulatedNetwork, checker: SafetyChecker,
        guest: (any SimulationGuest)? = nil
    ) {
        self.guest = guest
        id = setting.configuration.id
        settings = setting.configuration
        members = setting.members
        segmentBytes = setting.segmentBytes
        usualLatency = setting.diskLatency
        diskLatency = setting.diskLatency
        applyLatency = setting.applyLatency
        preparesSegments = setting.preparesSegments
        makesSnapshots = setting.makesSnapshots
        seed = setting.seed
        log = setting.log
        clock = NodeClock(scheduler: scheduler, offset: setting.clockOffset)
        self.scheduler = scheduler
        self.network = network
        self.checker = checker
    }

    var isUp: Bool { node != nil }
    var isPaused: Bool { life?.isPaused ?? false }
    /// Its disk has something to do, or no room for it.
    private var isWriting: Bool { disk?.isBusy == true || store?.underWay.isEmpty == false }
    var role: NodeRole { node?.withStatus(\.role) ?? .stopped }

    /// Random numbers that depend on nothing but the node and the moment: taking one fault out of a run must not
    /// change what the others do.
    func randomness(_ purpose: UInt64) -> RandomSource {
        RandomSource(seed: seed ^ UInt64(bitPattern: scheduler.nanoseconds) &* 0x9E37_79B9_7F4A_7C15 ^ purpose)
    }

    func start() {
        guard node == nil else {
            crashInWrite?.restarts = true
            return
        }
        let life = Life(node: id)
        isExcused = fileSystem.isLimited
        var random = randomness(1)
        do {
            let directory = try DataDirectory.open(
                path, cluster: settings.cluster, node: id, mode: .create, fileSystem: fileSystem, using: &random)
            func loop(_ latency: ClosedRange<Int64>) -> SimulatedLoop {
                SimulatedLoop(scheduler: scheduler, life: life, clock: clock, latency: latency, seed: random.next())
            }
            let disk = loop(diskLatency)
            let segments = try SegmentedLog(
                directory: directory, segmentBytes: segmentBytes,
                preparation: preparesSegments ? loop(100_000...5_000_000) : nil)
            let store = ObservedLogStore(
                segments, node: id, checker: checker, fileSystem: fileSystem, path: "\(path)/log")
            let snapshots = ObservedSnapshotStore(SnapshotDirectory(directory: directory), node: id, checker: checker)
            var others = randomness(3)
            let builds = SimulatedLoop(
                scheduler: scheduler, life: life, clock: clock, latency: diskLatency, seed: others.next())
            let all = [loop(1_000...20_000), disk, loop(applyLatency), loop(10_000...1_000_000), builds]
            let loops = NodeLoops(loop: all[0], disk: disk, apply: all[2], reads: all[3], builds: builds)
            let peers = try directory.peers()
            let parts = NodeParts(
                configuration: settings, store: store, transport: network.transport(for: life), loops: loops,
                members: members, snapshots: makesSnapshots ? snapshots : nil, peers: peers,
                seed: random.next(), logger: Logger(label: "simulation") { [log, id] _ in SimulatedLog(node: id, log) },
                life: life, willApply: { [self] in try failMachineIfAsked() })
            let node: any RunningNode
            if let guest {
                node = try guest.makeNode(parts)
            } else {
                let own = try makeStoreNode(parts)
                storeNode = own
                node = own
            }
            self.life = life
            self.store = store
            self.snapshots = snapshots
            self.disk = disk
            self.loops = all
            self.directory = directory
            self.peers = peers
            self.node = node
            statusVersion = .max
            isObserved = false
            stopReason = nil
            votelessSince = nil
            pausedUntil = 0
            node.start { [self] (result: Result<Void, RaftError>) in
                guard life.isAlive else { return }
                switch result {
                case .success: if isRotten { self.checker.reached(.rotSurvived) }
                case .failure(let error): failedToStart(error)
                }
            }
        } catch {
            failedToStart(error)
        }
    }

    private func makeStoreNode(_ parts: NodeParts) throws -> RaftNode<SimulatedStore> {
        let (checker, id) = (checker, id)
        return try RaftNode(
            configuration: parts.configuration,
            machine: SimulatedStore(
                willApply: parts.willApply,
                onApply: { checker.applied($0, at: $1, on: id, state: $2) },
                onRestore: { checker.restored($0, after: $1, through: $2, on: id) }),
            store: parts.store, transport: parts.transport, loops: parts.loops, bootstrap: parts.members,
            snapshots: parts.snapshots, peers: parts.peers, seed: parts.seed, logger: parts.logger)
    }

    /// I21: the disk alone is enough for a start, whatever a crash did to it; only damage is a reason to refuse.
    private func failedToStart(_ error: any Error) {
        // What ended it comes with the look at what has just happened.
        if crashAtName != nil, fileSystem.hasStopped { return }
        if isRotten {
            checker.reached(.rotRefused)
        } else if !isExcused {
            checker.fail("I21", "node \(id) did not start: \(error)")
        }
        stopReason = error as? RaftError
        endLife()
        fileSystem.killProcess()
    }

    // MARK: Faults

    /// Ends the node at once. With `losingPower`, what its disk had not synced is lost in any part. With `changes`,
    /// the write that waits for the disk is begun first, and ends after so many changes of files; where none waits, the
    /// node ends in its next one.
    func crash(losingPower: Bool, afterChanges changes: Int? = nil) {
        guard life != nil, let disk, let store else { return }
        if let changes, !disk.isBusy, !loops.dropFirst(3).contains(where: \.isBusy) {
            crashInWrite = (losingPower, changes, false)
            return
        }
        if let changes, disk.isBusy {
            store.isFailing = true
            fileSystem.stop(afterChanges: changes)
            disk.runNext()
        } else if let changes, let running = loops.dropFirst(3).first(where: \.isBusy) {
            // A snapshot that is being built, received or removed gets anywhere, too.
            snapshots?.isFailing = true
            fileSystem.stop(afterChanges: changes)
            running.runNext()
        }
        for operation in store.underWay {
            if case .hardState = operation {
                checker.reached(.crashDuringVote)
            } else {
                checker.reached(.crashDuringAppend)
            }
        }
        if losingPower, fileSystem.hasPendingNames { checker.reached(.crashDuringNameChange) }
        checker.crashed(id, during: store.underWay)
        endLife(losingPower ? .machineLost : .killed)
        if losingPower {
            var random = randomness(2)
            fileSystem.crash(using: &random)
        } else {
            fileSystem.killProcess()
        }
        isExcused = false
    }

    /// Ends the node when it has made or changed so many names, and starts it again; then the power fails.
    func crash(atName count: Int, powerAfter nanoseconds: Int64) {
        guard isUp else { return }
        crashAtName = nanoseconds
        fileSystem.stop(atName: count)
    }

    func cut(atEndOfChange ways: [NodePair]) { if isUp { cutAtEndOfChange = (ways, false) } }

    private func cutIfChangeEnds(_ status: NodeStatus) {
        guard let awaited = cutAtEndOfChange, status.role == .leader, let configuration = status.configuration else {
            return
        }
        if configuration.isJoint {
            cutAtEndOfChange?.isJoint = true
        } else if awaited.isJoint {
            cutAtEndOfChange = nil
            network.setCut(Set(awaited.ways))
        }
    }

    private func endAtName(_ nanoseconds: Int64) {
        crash(losingPower: false)
        start()
        powerFailureCount += 1
        let number = powerFailureCount
        powerFailure = number
        scheduler.schedule(after: nanoseconds) { [self] in
            guard powerFailure == number else { return }
            powerFailure = nil
            crash(losingPower: true)
            start()
        }
    }

    private func endLife(_ end: SimulatedNetwork.End = .stopped) {
        life?.isAlive = false
        if let life { network.remove(life, end) }
        node?.abandon()
        node = nil
        storeNode = nil
        store = nil
        snapshots = nil
        disk = nil
        for loop in loops { loop.end() }
        loops = []
        machineFails = false
        crashInWrite = nil
        crashAtName = nil
        crashAtInstall = nil
        cutAtEndOfChange = nil
        directory = nil
        life = nil
        lease = nil
        guest?.ended(id, losingPower: end == .machineLost)
    }

    /// On its own clock.
    var now: Instant { .nanoseconds(clock.nanoseconds) }

    /// The world ends: nothing of this node is needed any more.
    func end() {
        endLife()
        fileSystem.erase()
    }

    func pause(nanoseconds: Int64) {
        guard let life, !life.isPaused else { return }
        pausedUntil = scheduler.nanoseconds + nanoseconds
        scheduler.pause(life, nanoseconds: nanoseconds)
    }

    func slowDisk(_ latency: ClosedRange<Int64>) {
        diskLatency = latency
        disk?.latency = latency
    }

    /// Everything that this node ever knew is gone, and it is started as if it had never been.
    func loseDisk() {
        crash(losingPower: false)
        fileSystem.loseEverything()
        guest?.lostDisk(of: id)
        isRotten = true
        checker.lostDisk(id)
        start()
    }

    func loseGuestState() { guest?.lostDisk(of: id) }

    /// The cluster goes on from this node's disk alone (``RecoveryPlan``). The node is down, and comes back as another
    /// life, by another truth.
    func recover(by checker: (RecoveryPlan) throws -> SafetyChecker) throws {
        var random = randomness(4)
        let recovery = try OfflineRecovery(data: path, fileSystem: fileSystem, using: &random)
        defer { recovery.close() }
        let next = try checker(recovery.plan)
        try recovery.apply(into: path + "-recovered", settings: settings) {
            // What is applied to write it down was applied before, or is taken for committed from now on.
            SimulatedStore(onApply: { _, _, _ in }, onRestore: { _, _, _ in })
        }
        path += "-recovered"
        isRecovered = true
        members = nil
        self.checker = next
    }

    /// It has belonged to no cluster, and from now on to one of this truth.
    func joins(_ checker: SafetyChecker) { self.checker = checker }

    func failMachine() {
        guard isUp else { return }
        isExcused = true
        isHealed = false
        machineFails = true
    }

    private func failMachineIfAsked() throws {
        guard machineFails else { return }
        machineFails = false
        checker.reached(.machineFailed)
        throw RaftError(.stateMachine, "the simulated machine was told to fail")
    }

    func hangDisk(nanoseconds: Int64) { disk?.hang(nanoseconds: nanoseconds) }
    func hangMachine(nanoseconds: Int64) { if isUp { loops[2].hang(nanoseconds: nanoseconds) } }
    func hangReads(nanoseconds: Int64) { if isUp { loops[3].hang(nanoseconds: nanoseconds) } }

    func failNext(_ operation: SimulatedFileSystem.Operation) {
        guard isUp else { return }
        isExcused = true
        isHealed = false
        fileSystem.failNext(operation, at: "\(path)/")
        checker.reached(operation == .write ? .writeFailed : .syncFailed)
    }

    func fillDisk(leaving bytes: Int) {
        isExcused = true
        isHealed = false
        checker.reached(.diskFull)
        fileSystem.limitCapacity(fileSystem.byteCount + bytes)
    }

    func freeDisk() { fileSystem.limitCapacity(nil) }

    /// From now on nothing is wrong with the machine any more.
    func heal() {
        isHealed = true
        // Its disk may have ended with an event of another node, which was let in here; nobody has looked since.
        if crashAtName != nil, fileSystem.hasStopped { crash(losingPower: false) }
        if let life { scheduler.resume(life) }
        slowDisk(min(usualLatency.lowerBound, 50_000)...min(usualLatency.upperBound, 500_000))
        applyLatency = min(applyLatency.lowerBound, 1_000)...min(applyLatency.upperBound, 100_000)
        if isUp { loops[2].latency = applyLatency }
        freeDisk()
        fileSystem.clearFaults()
        machineFails = false
        crashInWrite = nil
        crashAtName = nil
        crashAtInstall = nil
        cutAtEndOfChange = nil
        fileSystem.stop(atName: nil)
        powerFailure = nil
        clock.drift(partsPerMillion: 0)
    }

    // MARK: Looking

    /// Looks at the node after something happened to it.
    func observe() {
        if let awaited = crashInWrite, disk?.isBusy == true {
            crash(losingPower: awaited.losingPower, afterChanges: awaited.changes)
            if awaited.restarts { start() }
        }
        if let nanoseconds = crashAtName, fileSystem.hasStopped { endAtName(nanoseconds) }
        if let place = crashAtInstall, snapshots?.takeReceived() == true { endBeforeInstall(place) }
        guard let node else { return }
        var version = statusVersion
        var excuse: RaftError?
        let hasLooked = node.withStatus(after: &version) { excuse = look(at: $0) }
        statusVersion = version
        if hasLooked {
            if let reason = excuse {
                stopReason = reason
                crash(losingPower: false)
                if isHealed, !isRotten { start() }
                return
            }
        } else if isObserved {
            checker.lookAgain(at: id, isWriting: isWriting, pausedUntil: pausedUntil)
        }
        // I14: a leader without a vote leaves its office once that is committed, within an election timeout of its own
        // clock, which may drift, and of a turn that may be late.
        if let votelessSince, !isPaused, pausedUntil == 0,
            scheduler.now - votelessSince > settings.electionTimeout.lowerBound * 5 / 4 + settings.heartbeatInterval * 2
        {
            checker.fail("I14", "node \(id) leads and has had no vote since \(votelessSince)")
        }
    }

    /// I15: who joined holds nothing before it is kept that it did: else a life without its disk could pass for the first.
    private func checkJoining(_ status: NodeStatus) {
        let holds = members == nil && !isRecovered && (status.durableIndex > 0 || status.snapshot != nil)
        guard holds, peers?.incarnation(of: id) != status.incarnation else { return }
        checker.fail("I15", "node \(id) joined with incarnation \(status.incarnation), and has not kept that it did")
    }

    /// Why it has ended, where it may have: a node whose disk failed ends by itself, and says why (I24 for every other
    /// reason).
    private func look(at status: NodeStatus) -> RaftError? {
        if status.role == .stopped, let reason = status.stopReason,
            isExcused || (isRotten && reason.code == .corrupt)
        {
            return reason
        }
        isObserved = status.incarnation.rawValue != 0
        guard isObserved else { return nil }
        if status.configurationID != configurations.last {
            configurations = (status.configurationID, configurations.last)
        }
        cutIfChangeEnds(status)
        checkJoining(status)
        lease = status.leaseExpiry.map { ($0, status.currentTerm) }
        checker.look(at: status, isWriting: isWriting, pausedUntil: pausedUntil)
        let isVoteless =
            status.role == .leader && status.commitIndex >= status.configurationID.index
            && status.configuration?.isVoter(id) == false
        votelessSince = isVoteless ? votelessSince ?? scheduler.now : nil
        return nil
    }

    /// One line for a report.
    var line: String {
        guard let status = node?.status else {
            return "node \(id): down\(stopReason.map { ", because \($0)" } ?? "")\(isRotten ? ", rotten" : "")"
        }
        let peers = status.peers.map {
            " [\($0.id): match \($0.matchIndex), next \($0.nextIndex), \($0.inflightCount) out, \($0.isProbing ? "probing, " : $0.isReceivingSnapshot ? "snapshot, " : "")\($0.isReachable ? "reachable" : "lost"), heard \($0.sinceHeard)]"
        }
        return
            "node \(id): \(status.role) term \(status.currentTerm) log \(status.last) durable \(status.durableIndex) commit \(status.commitIndex) applied \(status.lastApplied) purged \(status.purged) snapshot \(status.snapshot.map { "\($0.last)" } ?? "none")\(isPaused ? ", paused" : "")\(peers.joined())"
    }
}
