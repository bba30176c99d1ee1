internal import CoreMetrics
public import Logging
internal import NIOCore
internal import NIOPosix
public import Raft
internal import RaftKeyValue
internal import RaftStorage
package import RaftTransport

/// One node as a service: the data directory, the log, the key-value state, the listener, and the node between them.
///
/// Owns all of them. Nothing is made before everything that can be checked without it has been; what a failed start
/// has opened is closed again.
public final class NodeService: Sendable {
    /// The port that it listens on.
    public let port: Int
    private let node: RaftNode<KeyValueMachine>
    private let server: RPCServer
    private let metrics: MetricsDoor?
    /// The port that metrics are shown at; nil when they are not.
    public var metricsPort: Int? { metrics?.port }
    private let directory: DataDirectory
    private let loops: EventLoops
    private let preparation: ThreadLoop
    private let certificates: Certificates
    private let ended: EndSignal
    private let chores: Chores

    private init(
        node: RaftNode<KeyValueMachine>, server: RPCServer, metrics: MetricsDoor?, directory: DataDirectory,
        loops: EventLoops, preparation: ThreadLoop, certificates: Certificates, ended: EndSignal, chores: Chores
    ) {
        port = server.port
        self.certificates = certificates
        self.node = node
        self.server = server
        self.metrics = metrics
        self.directory = directory
        self.loops = loops
        self.preparation = preparation
        self.ended = ended
        self.chores = chores
    }

    /// What the node knows of itself now.
    public var status: NodeStatus { node.status }

    /// Every method that it serves, of every purpose.
    package var methods: [Method] { server.methods }

    /// Starts a node, and returns once it is at work.
    ///
    /// - Throws: whatever kept it from starting; then nothing is left running, and no data was touched unless it was
    ///   this node's own and sound.
    public static func start(
        _ configuration: ServerConfiguration, logger: Logger
    ) async throws(RaftError) -> NodeService {
        let settings = try settings(configuration)
        var files = TLSFiles(
            certificate: configuration.certificate, key: configuration.key, ca: configuration.ca,
            crl: configuration.crl, revocation: configuration.revocation)
        files.acceptsTLS12 = configuration.acceptsTLS12
        let tls = try TLSContext(files)
        if files.acceptsTLS12 {
            logger.warning(
                "clients and administrators may speak TLS 1.2: whoever listens to their handshakes can read their certificates"
            )
        }
        try StartupChecks.identity(tls.principal, configuration)
        let mode = try StartupChecks.directory(configuration)

        let eventLoops = EventLoops()
        let server: RPCServer
        var metrics: MetricsDoor?
        do throws(RaftError) {
            if let endpoint = configuration.metrics {
                metrics = try MetricsDoor(listen: endpoint, tls: tls, group: eventLoops.handshakes)
            }
            server = try RPCServer(
                listen: configuration.listen, tls: tls, group: eventLoops.all, handshakes: eventLoops.handshakes,
                limits: configuration.limits, metrics: metrics?.metrics.backend ?? MetricsSystem.factory)
        } catch {
            await metrics?.stop()
            await eventLoops.shutDown()
            throw error
        }
        do throws(RaftError) {
            return try await start(configuration, settings, mode, tls, server, metrics, eventLoops, logger)
        } catch {
            await metrics?.stop()
            await server.stop()
            await eventLoops.shutDown()
            throw error
        }
    }

    private static func settings(_ configuration: ServerConfiguration) throws(RaftError) -> Configuration {
        var settings = Configuration(id: configuration.id, cluster: configuration.cluster)
        settings.electionTimeout = configuration.electionTimeout
        settings.heartbeatInterval = configuration.heartbeatInterval
        settings.maximumClockDrift = configuration.maximumClockDrift
        settings.promotesLearners = configuration.promotesLearners
        settings.steadyInterval = configuration.steadyInterval
        settings.preferenceInterval = configuration.preferenceInterval
        settings.maximumSnapshotBytesPerSecond = configuration.maximumSnapshotBytesPerSecond
        settings.maximumSnapshotBytes = configuration.maximumSnapshotBytes
        // Twice what may be under way to a follower; who is further behind is read for from the disk, or its cache.
        settings.maximumTailBytes = 8 << 20
        // The state's own file is kept, so a start seldom applies what is behind the snapshot; and every snapshot is the
        // whole state once more, on three disks at the same time.
        settings.snapshotPolicy = SnapshotPolicy(logBytes: ServerConfiguration.snapshotLogBytes)
        settings.maximumCommandBytes = ServerConfiguration.maximumCommandBytes
        try settings.validate()
        return settings
    }

    private static func start(
        _ configuration: ServerConfiguration, _ settings: Configuration, _ mode: DataDirectory.Mode,
        _ tls: TLSContext, _ server: RPCServer, _ metrics: MetricsDoor?, _ eventLoops: EventLoops, _ logger: Logger
    ) async throws(RaftError) -> NodeService {
        var generator = SystemRandomNumberGenerator()
        let measured = metrics.map { door in
            TimedFileSystem(POSIXFileSystem()) { [metrics = door.metrics] in metrics.noteSync($0) }
        }
        let directory = try DataDirectory.open(
            configuration.data, cluster: configuration.cluster, node: configuration.id, mode: mode,
            fileSystem: measured ?? POSIXFileSystem(), using: &generator)
        if mode == .create, configuration.firstStart == .bootstrap {
            logger.warning("\(StartupChecks.firstStartWarning(configuration))")
        }
        let preparation = ThreadLoop(name: "raft-segments")
        let certificates = Certificates(tls, logger: logger)
        do {
            let log = try SegmentedLog(directory: directory, preparation: preparation)
            let recovered: RecoveredLog
            let machine: KeyValueMachine
            do {
                recovered = try log.open()
                let snapshot = try SnapshotDirectory.inspect(configuration.data, verifies: false)
                    .lazy.compactMap { try? $0.manifest.get() }.first
                try StartupChecks.members(
                    configuration.members, recovered.configurations, configuration.data, snapshot: snapshot)
                machine = try KeyValueMachine(directory: configuration.data + "/state")
                try machine.discard(ifAbove: recovered.last)
            } catch {
                log.close()
                throw error
            }
            if let reason = machine.discardReason { logger.notice("building the key-value state anew: \(reason)") }

            let loop = NIOLoop(eventLoops.all.next())
            let ended = EndSignal()
            var loops = NodeLoops.with(loop)
            let release = loops.release
            loops.release = {
                release()
                ended.signal()
            }
            let isNew = recovered.last == .zero
            let snapshots = SnapshotDirectory(directory: directory)
            let news = NewsRelay()
            machine.observer = { news.tell($0) }
            let node = try RaftNode(
                configuration: settings, machine: machine, store: OpenedLog(log, recovered),
                transport: TLSTransport(
                    server: server, tls: tls, loop: loop, bulk: eventLoops.bulk.next(), limits: configuration.limits),
                loops: loops,
                bootstrap: isNew && configuration.firstStart == .bootstrap ? configuration.members : nil,
                snapshots: snapshots, peers: try directory.peers(),
                refusesForwarded: { [callers = ForwardedCallers(cluster: configuration.cluster)] _, caller in
                    guard let caller else { return "it does not say who called" }
                    return callers.refusal(identity: caller.identity, method: caller.method)
                },
                logger: logger)
            let front = ClientFront(node: node, ClientFront.Limits(configuration)) { loop.now }
            news.set(front)
            server.serve(.client, front.table)
            AdminService(
                node: node, snapshots: SnapshotReads(snapshots, on: loops.reads), tls: tls,
                certificates: certificates.watcher
            ).offer(on: server)
            try await node.start()
            let chores = Chores(front, on: loop.eventLoop)
            certificates.watcher.start { [weak node] in node?.announceCertificates($0, isUsed: $1) }
            metrics?.open(node, server, tls, directory)
            return NodeService(
                node: node, server: server, metrics: metrics, directory: directory, loops: eventLoops,
                preparation: preparation, certificates: certificates, ended: ended, chores: chores)
        } catch {
            certificates.stop()
            preparation.stop()
            directory.close()
            throw RaftError(error, or: .storage)
        }
    }

    /// Waits until the node has ended, whoever ended it, and closes what is left. Returns why it stopped by itself;
    /// nil when it was asked to.
    public func untilEnded() async -> RaftError? {
        await ended.wait()
        chores.stop()
        certificates.stop()
        await metrics?.stop()
        await server.stop()
        directory.close()
        preparation.stop()
        await loops.shutDown()
        return node.status.stopReason
    }

    /// Reads certificate, key, authorities and revocation lists anew, as happens by itself when the files change. What
    /// came of it is in the log, and in the status.
    ///
    /// - Parameter cause: who asks, for the log.
    public func reloadCertificates(_ cause: String) { certificates.watcher.reload(cause) }

    /// Stops the node in good order: leadership is passed on, callers are answered, the state is synced.
    public func stop() async { await node.stop() }
}

/// The event loops of one node.
private struct EventLoops: Sendable {
    /// The first is the node's, and everybody's connections are spread over all. A second one is worth its wake-ups where
    /// it finds a processor free: with the disk's thread and the state's, two processors have enough to do (64 clients'
    /// puts cost 12 % less with one loop there, 1024 clients' the same).
    let all = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount >= 4 ? 2 : 1)
    /// Where strangers are judged: a flood of them has one thread at most, and nobody else's calls wait behind it. Of no
    /// lower priority than others: members that come back pass here too.
    let handshakes = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    /// Where snapshots are sent and received: what that takes of a processor, others need first.
    let bulk = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    init() { bulk.next().execute { ThreadLoop.lowerPriorityOfThisThread() } }

    func shutDown() async {
        try? await all.shutdownGracefully()
        try? await handshakes.shutdownGracefully()
        try? await bulk.shutdownGracefully()
    }
}

/// The thread on which certificates are read and verified, so that neither a slow disk nor a thousand connections to be
/// judged keep anybody waiting; and what does it.
private struct Certificates: Sendable {
    let watcher: CertificateWatcher
    private let loop = ThreadLoop(name: "raft-certificates")

    init(_ tls: TLSContext, logger: Logger) { watcher = CertificateWatcher(tls, on: loop, logger: logger) }

    func stop() {
        watcher.stop()
        loop.stop()
    }
}

/// What a node does every few seconds for its clients.
private struct Chores: Sendable {
    private let front: ClientFront
    private let tasks: [RepeatedTask]

    init(_ front: ClientFront, on loop: any EventLoop) {
        self.front = front
        func every(_ interval: Duration, _ body: @escaping @Sendable () -> Void) -> RepeatedTask {
            let amount = TimeAmount.milliseconds(Int64(interval / .milliseconds(1)))
            return loop.scheduleRepeatedTask(initialDelay: amount, delay: amount) { _ in body() }
        }
        tasks = [
            every(ClientFront.interval) { front.look() }, every(ClientFront.leaseInterval) { front.lookAtLeases() },
            every(ClientFront.historyInterval) { front.lookAtHistory() },
        ]
    }

    func stop() {
        for task in tasks { task.cancel() }
        front.stop()
    }
}

/// Something that happens once, and that may be waited for before or after.
final class EndSignal: Sendable {
    private let state = Lock<(hasEnded: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func signal() {
        let waiting = state.withLock { state in
            state.hasEnded = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.waiting.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }
}
