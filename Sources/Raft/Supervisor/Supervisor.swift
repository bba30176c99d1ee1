internal import DequeModule
internal import Logging

// The supervisor.
// Owns the node's mailbox, the role in office, the streams, the log writer and the applier; lives as long as the node.
// Takes every message of the mailbox, and gives it to the role in office; seats the next role when one ends.
// Never decides what Raft says: that is the roles'. Never restarts a log writer or an applier: their failure stops
// the node, with the reason in NodeStatus.
// Started by RaftNode; ends when it is stopped, when its RaftNode is gone, or with a failure.

actor Supervisor: Activated {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    nonisolated let port: NodePort
    private let settings: Configuration
    private let loops: NodeLoops
    private let store: any LogStore
    private let transport: any Transport
    private let applier: any ApplierPort
    private let writer: LogWriter
    private let streams: StreamKeeper
    private let votes: VoteKeeper
    private let forwards: ForwardKeeper
    private let snapshotStore: (any SnapshotStore)?
    private let snapshots: SnapshotKeeper
    private let devices: Devices
    private let logger: Logger
    private var random: RandomSource

    private enum Office {
        case vacant
        case follower(Follower)
        case candidate(Candidate)
        case leader(Leader)
        case learner(Learner)

        var role: (any Role)? {
            switch self {
            case .vacant: nil
            case .follower(let role): role
            case .candidate(let role): role
            case .leader(let role): role
            case .learner(let role): role
            }
        }
    }
    // Unchecked by the runtime: a turn does not begin within another.
    @exclusivity(unchecked) private var office = Office.vacant
    @exclusivity(unchecked) private var messages: [Message] = []
    /// What a simulated turn left for the next one.
    @exclusivity(unchecked) private var postponed: [Message] = []
    /// When the role in office wants to be woken, and the earliest timer that will.
    @exclusivity(unchecked) private var deadline: Instant?
    @exclusivity(unchecked) private var armed: Instant?
    @exclusivity(unchecked) private var peersReportedAt: Instant = .zero
    private var hasBegun = false
    private var isEnding = false
    private var hasEnded = false
    /// Whether everything is closed, and what happens once it is.
    private let atEnd = Lock<(isClosed: Bool, waiting: [@Sendable () -> Void])>((false, []))

    init(
        settings: Configuration, loops: NodeLoops, store: any LogStore, transport: any Transport,
        mailbox: Mailbox<Message>, applier: any ApplierPort, reader: LogReader, peers: any PeerMemory,
        snapshots snapshotStore: (any SnapshotStore)? = nil, seed: UInt64, deadlines: Deadlines,
        refusesForwarded: @escaping @Sendable (NodeID, ForwardedCaller?) -> String?, logger: Logger
    ) {
        self.snapshotStore = snapshotStore
        self.settings = settings
        self.loops = loops
        self.store = store
        self.transport = transport
        self.applier = applier
        random = RandomSource(seed: seed)
        var logger = logger
        logger[metadataKey: "node"] = "\(settings.id)"
        self.logger = logger
        let loop = loops.loop
        let log: @Sendable (Note) -> Void = { [logger, limiter = Lock(NoteLimiter())] note in
            for note in limiter.withLock({ $0.admit(note, now: loop.now) }) {
                switch note.weight {
                case .info: logger.info("\(note.text)")
                case .warning: logger.warning("\(note.text)")
                case .error: logger.error("\(note.text)")
                }
            }
        }
        let port = NodePort(
            settings: settings, mailbox: mailbox, peers: peers,
            forwards: ForwardReceiver(
                settings: settings, mailbox: mailbox, applier: applier, deadlines: deadlines, refusal: refusesForwarded,
                logger: logger, note: log))
        self.port = port
        writer = LogWriter(loop: loop, disk: loops.disk, store: store, mailbox: mailbox, probe: settings.probe)
        let address: @Sendable (NodeID) -> String? = { port.address(of: $0) }
        streams = StreamKeeper(
            loop: loop, mailbox: mailbox, transport: transport, reader: reader, settings: settings,
            random: RandomSource(seed: random.next()), address: address)
        votes = VoteKeeper(
            loop: loop, mailbox: mailbox, transport: transport, address: address,
            isVoter: { port.isCounted($0, $1) })
        forwards = ForwardKeeper(loop: loop, transport: transport, settings: settings)
        snapshots = SnapshotKeeper(
            loop: loop, reads: loops.reads, store: snapshotStore, mailbox: mailbox, transport: transport,
            settings: settings, random: RandomSource(seed: seed ^ 0x736E_6170), address: address, note: log)
        devices = Devices(
            writer: writer, applier: applier, streams: streams, votes: votes, forwards: forwards, port: port,
            snapshots: snapshots, log: log)
        unownedExecutor = loop.asUnownedSerialExecutor()
        mailbox.setOwner(self)
    }

    // MARK: Start

    /// Opens the log and the state machine, begins to listen, and seats the first role. `done` is called once, on any
    /// thread.
    nonisolated func start(
        bootstrap: ClusterConfiguration?, _ done: @escaping @Sendable (Result<Void, RaftError>) -> Void
    ) {
        let ticket = CompletionTicket(done)
        let stopped = RaftError(.stopped, "node \(settings.id) was started or stopped before")
        // A loop that has ended runs nothing more: whoever comes too late is told by the end itself.
        guard onEnd({ ticket.fail(stopped) }) else { return ticket.fail(stopped) }
        loops.loop.post(
            Block { [self] in
                onLoop {
                    $0.begin(bootstrap: bootstrap) { result in
                        switch result {
                        case .success: ticket.succeed()
                        case .failure(let error): ticket.fail(error)
                        }
                    }
                }
            })
    }

    private func begin(
        bootstrap: ClusterConfiguration?, _ done: @escaping @Sendable (Result<Void, RaftError>) -> Void
    ) {
        guard !hasBegun, !hasEnded else {
            return done(.failure(RaftError(.stopped, "node \(settings.id) was started or stopped before")))
        }
        hasBegun = true
        loops.disk.post(
            Block { [self] in
                let opened = catching { try open() }
                loops.loop.post(Block { self.onLoop { $0.opened(opened, bootstrap: bootstrap, done) } })
            })
    }

    /// Opens log and snapshots, and completes an install that a crash cut short. On the disk loop.
    private nonisolated func open() throws -> SnapshotRecovery {
        let log = try store.open()
        let found = try snapshotStore?.open()
        for line in found?.damaged ?? [] { logger.error("a snapshot is damaged and was set aside: \(line)") }
        let recovery = try SnapshotRecovery(log, found?.manifests ?? []) { [snapshotStore, logger] manifest in
            do {
                try snapshotStore?.reader(of: manifest.id).verify()
                return true
            } catch {
                logger.error("\(manifest) is damaged and was set aside: \(error)")
                try? snapshotStore?.setAside(manifest.id)
                return false
            }
        }
        if !recovery.operations.isEmpty { try store.write(recovery.operations) }
        return recovery
    }

    private func opened(
        _ result: Result<SnapshotRecovery, RaftError>, bootstrap: ClusterConfiguration?,
        _ done: @escaping @Sendable (Result<Void, RaftError>) -> Void
    ) {
        let recovery: SnapshotRecovery
        do throws(RaftError) {
            recovery = try result.get()
            try check(bootstrap, against: recovery.log)
        } catch {
            return fail(error, done)
        }
        let start = ApplierStart(
            logEnd: recovery.log.last, purged: recovery.log.purged, snapshots: recovery.snapshots,
            configurations: recovery.configurations, bootstrap: recovery.membership.bootstrap)
        applier.open(start) { [self] applied in
            loops.loop.post(
                Block { self.onLoop { $0.ready(recovery, applied, bootstrap: bootstrap, done) } })
        }
    }

    /// Bootstrapping a directory that has been in use is harmless if it says the same, and refused if it does not.
    private func check(_ bootstrap: ClusterConfiguration?, against recovered: RecoveredLog) throws(RaftError) {
        guard let bootstrap else { return }
        guard bootstrap.isVoter(settings.id) else {
            throw RaftError(
                .invalidConfiguration,
                "node \(settings.id) is not among the initial members \(bootstrap.voters); add it to the list, or join an existing cluster instead"
            )
        }
        guard !bootstrap.isJoint else {
            throw RaftError(.invalidConfiguration, "two voter sets; a cluster begins with one")
        }
        if recovered.last == .zero, recovered.hardState.currentTerm == 0 { return }
        guard let first = recovered.configurations.first, first.id.index == 1 else {
            if recovered.purged.index > 0 { return }
            throw RaftError(
                .alreadyInitialized,
                "the data directory has been in use (\(recovered.hardState), log ends at \(recovered.last)), but not by a bootstrapped node; start it without bootstrap"
            )
        }
        let stored = try ClusterConfiguration(decoding: first.payload)
        guard stored == bootstrap else {
            func list(_ configuration: ClusterConfiguration) -> String {
                configuration.members.map { "\($0.id)=\($0.address)" }.joined(separator: ",")
            }
            throw RaftError(
                .invalidConfiguration,
                "the initial members \(list(bootstrap)) contradict those that this node was bootstrapped with, \(list(stored)); give the same list, or change members through the leader"
            )
        }
    }

    private func ready(
        _ recovery: SnapshotRecovery, _ applied: Result<LogID?, RaftError>, bootstrap: ClusterConfiguration?,
        _ done: @escaping @Sendable (Result<Void, RaftError>) -> Void
    ) {
        let (recovered, membership) = (recovery.log, recovery.membership)
        let appliedID: LogID
        switch applied {
        case .failure(let error): return fail(error, done)
        case .success(let id): appliedID = id ?? .zero
        }
        guard !isEnding else { return fail(RaftError(.stopped, "the node was stopped while it started"), done) }
        var baton = Baton(
            settings: settings, recovered: recovered, membership: membership, applied: appliedID,
            hasJoined: port.hasJoined(recovered.incarnation), random: RandomSource(seed: random.next()),
            now: loops.loop.now,
            snapshots: SnapshotLedger(
                builder: recovered.incarnation, isEnabled: snapshotStore != nil && applier.makesSnapshots,
                newest: recovery.snapshots.first, now: loops.loop.now))
        var status = NodeStatus(
            baton, role: .learner, cluster: settings.cluster, incarnation: recovered.incarnation)
        status.role = baton.isVoter ? .follower : .learner
        port.publish(status, configurationID: membership.currentID, bootstrap: membership.bootstrap)
        do { try transport.start(port) } catch {
            return fail(RaftError(error, or: .transport, "the transport could not be started: "), done)
        }
        logger.info(
            "started: \(baton.hardState), log ends \(baton.log.last), applied \(appliedID.index), incarnation \(recovered.incarnation)"
        )
        // The log can be ahead of the vote file's term only if that lost a write; what the log proves is true.
        if baton.hardState != baton.durableHardState {
            var effects = Effects()
            _ = baton.persist(baton.hardState, &effects)
            devices.perform(effects.takeAll())
        }
        let first: NextRole = baton.passiveRole
        if let bootstrap, baton.isPristine {
            baton.inbox.append(.initialize(bootstrap, CompletionTicket { _ in }))
        }
        seat(first, baton)
        done(.success(()))
        run()
    }

    /// The node cannot start. The caller hears it once everything is closed, and may then try again at once.
    private func fail(_ error: RaftError, _ done: @escaping @Sendable (Result<Void, RaftError>) -> Void) {
        let isWaiting = atEnd.withLock { atEnd in
            // Before whoever would only say that the node has ended.
            if !atEnd.isClosed { atEnd.waiting.insert({ done(.failure(error)) }, at: 0) }
            return !atEnd.isClosed
        }
        if !isWaiting { done(.failure(error)) }
        finish(error)
    }

    // MARK: Turns

    nonisolated func activate() { onLoop(()) { me, _ in me.run() } }

    /// Gives what waits to the role in office, until nothing waits.
    private func run() {
        guard let role = office.role else { return refuseWhatWaits() }
        port.mailbox.takeAll(into: &messages)
        // Not before: a lease that held when a message was on its way here need not hold when the message is looked at.
        let now = loops.loop.now
        if settings.probe != nil { shortenTurn() }
        if let deadline, now - deadline > settings.electionTimeout.lowerBound {
            // Before everything that waited meanwhile: others may lead by now.
            messages.insert(.overslept(now - deadline), at: 0)
            self.deadline = nil
        }
        if let deadline, now >= deadline { messages.append(.tick) }
        if let next = role.turn(&messages, now: now, devices) { succeed(role, next) }
        afterTurn(now)
    }

    /// A turn may take any prefix of what waits: a mailbox promises an order, and nothing about what comes together.
    private func shortenTurn() {
        messages.insert(contentsOf: postponed, at: 0)
        postponed = []
        guard messages.count > 1, settings.disturbs(.shortTurn) else { return }
        postponed = Array(messages[(messages.count / 2)...])
        messages.removeLast(postponed.count)
        loops.loop.post(self)
    }

    private func afterTurn(_ now: Instant) {
        guard let role = office.role else { return }
        publish(role, now)
        arm()
    }

    /// The role has ended: seats the next one, and the one after it if that ends at once.
    private func succeed(_ role: any Role, _ next: NextRole) {
        guard let baton = role.surrender() else { return }
        seat(next, baton)
    }

    private func seat(_ first: NextRole, _ taken: consuming Baton) {
        let loop = loops.loop
        var next: NextRole? = first
        var held: Baton? = consume taken
        while let role = next, let baton = held.take() {
            switch role {
            case .follower: office = .follower(Follower(loop: loop))
            case .candidate(let isTransfer): office = .candidate(Candidate(loop: loop, isTransfer: isTransfer))
            case .leader: office = .leader(Leader(loop: loop))
            case .learner: office = .learner(Learner(loop: loop))
            case .stopped(let reason):
                office = .vacant
                return end(baton, reason)
            }
            guard let seated = office.role else { return }
            publishRole(baton, seated)
            next = seated.begin(baton, now: loop.now, devices)
            if next == nil {
                // What the baton brought along is answered in this turn, too.
                next = seated.turn(&messages, now: loop.now, devices)
            }
            if next != nil { held = seated.surrender() }
        }
    }

    private func arm() {
        guard let deadline, armed.map({ deadline < $0 }) ?? true else { return }
        armed = deadline
        let delay = max(deadline - loops.loop.now, .zero)
        loops.loop.after(delay, Block { [self] in onLoop { $0.timerFired(deadline) } })
    }

    private func timerFired(_ due: Instant) {
        if armed == due { armed = nil }
        run()
    }

    private func publish(_ role: any Role, _ now: Instant) {
        let withPeers =
            now - peersReportedAt >= settings.heartbeatInterval || settings.disturbs(.freshStatus)
        if withPeers { peersReportedAt = now }
        deadline = port.update { status in role.report(into: &status, withPeers: withPeers) }
    }

    /// Streams and vote callers look up addresses while a role begins: they must see its configuration.
    private func publishRole(_ baton: borrowing Baton, _ role: any Role) {
        let status = NodeStatus(
            baton, role: role.name, cluster: settings.cluster, incarnation: port.status.incarnation)
        port.publish(status, configurationID: baton.membership.currentID, bootstrap: baton.membership.bootstrap)
    }

    // MARK: Stop

    /// Stops, without a role in office to ask: while it starts, or when it has ended already.
    private func refuseWhatWaits() {
        var waiting: [Message] = []
        port.mailbox.takeAll(into: &waiting)
        for message in waiting {
            if case .stop(let ticket) = message {
                if let ticket { succeedAtEnd(ticket) }
                isEnding = true
            } else if isEnding || hasEnded {
                refuse(message)
            } else if messages.count < settings.maximumWaitingCalls {
                messages.append(message)  // Not seated yet: for the first role.
            } else {
                refuse(
                    message,
                    RaftError(.overloaded, "\(messages.count) calls wait for the node to open (maximumWaitingCalls)"))
            }
        }
        if isEnding, !hasBegun { finish(nil) }
    }

    private func end(_ ended: consuming Baton, _ reason: RaftError?) {
        var taken = ended
        let stopped = RaftError(.stopped, "node \(settings.id) has stopped")
        for ticket in taken.snapshots.takeCallers() { ticket.fail(stopped) }
        for ticket in taken.indexReads.takeAll() { ticket.fail(stopped) }
        for ticket in taken.stopRequests { succeedAtEnd(ticket) }
        taken.initializing?.fail(
            RaftError(.stopped, "node \(settings.id) stopped before its first entry was durable", outcome: .unknown))
        for message in taken.inbox { refuse(message) }
        finish(reason)
    }

    private func refuse(_ message: Message, _ reason: RaftError? = nil) {
        let error = reason ?? RaftError(.stopped, "node \(settings.id) has stopped")
        switch message {
        case .propose(let proposal): proposal.ticket.fail(error)
        case .read(let ticket, _): ticket.fail(error)
        case .initialize(_, let ticket): ticket.fail(error)
        case .transfer(_, let ticket): ticket.fail(error)
        case .changeMembership(let order): order.ticket.fail(error)
        case .stop(let ticket): if let ticket { succeedAtEnd(ticket) }
        case .triggerSnapshot(let ticket), .pushSnapshot(_, let ticket): ticket.fail(error)
        case .request, .reply, .durable, .writeFailed, .logRoom, .applied, .applyFailed, .streamStarted, .streamEnded,
            .removed, .connectionBroke, .found,
            .tick, .overslept, .snapshotBuilt, .snapshotFailed, .snapshotUnreadable, .snapshotPiece,
            .snapshotInstalled:
            break
        }
    }

    /// Ends everything, in order: nobody is let in, nothing new is written, the machine is closed, then the log.
    private func finish(_ reason: RaftError?) {
        guard !hasEnded else { return }
        hasEnded = true
        isEnding = true
        office = .vacant
        deadline = nil
        if let reason { logger.critical("stopped: \(reason)") } else { logger.info("stopped") }
        port.publishStop(reason)
        streams.onLoop { $0.keep([]) }
        votes.onLoop { $0.closeAll() }
        forwards.onLoop { $0.closeAll() }
        snapshots.onLoop { $0.close() }
        applier.stopBuilding()
        transport.stop()
        for message in messages + postponed { refuse(message) }
        messages = []
        postponed = []
        for message in port.mailbox.close() { refuse(message) }
        writer.onLoop { writer in
            writer.close { [self] in
                // What was begun on a loop is over once it has come to this: a machine must not be closed under the
                // hands of whoever writes its snapshot.
                loops.builds.post(Block { [self] in applier.close { [self] in closeStores($0) } })
            }
        }
    }

    private nonisolated func closeStores(_ failure: RaftError?) {
        loops.reads.post(
            Block { [self] in
                loops.disk.post(
                    Block { [self] in
                        store.close()
                        snapshotStore?.close()
                        loops.loop.post(Block { self.onLoop { $0.closed(failure) } })
                    })
            })
    }

    /// Lets `body` happen once everything is closed. False when it is already.
    nonisolated func onEnd(_ body: @escaping @Sendable () -> Void) -> Bool {
        atEnd.withLock { atEnd in
            guard !atEnd.isClosed else { return false }
            atEnd.waiting.append(body)
            return true
        }
    }

    nonisolated func succeedAtEnd(_ ticket: CompletionTicket) {
        if !onEnd({ ticket.succeed() }) { ticket.succeed() }
    }

    private func closed(_ failure: RaftError?) {
        if let failure { port.publishStop(failure) }
        let waiting = atEnd.withLock { atEnd in
            atEnd.isClosed = true
            defer { atEnd.waiting = [] }
            return atEnd.waiting
        }
        for body in waiting { body() }
        loops.release()
    }
}

/// Runs something that throws, and makes a `RaftError` of whatever it throws.
private func catching<Value>(_ body: () throws -> Value) -> Result<Value, RaftError> {
    do { return .success(try body()) } catch { return .failure(RaftError(error, or: .storage)) }
}
