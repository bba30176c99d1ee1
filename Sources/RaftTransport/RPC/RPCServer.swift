public import CoreMetrics
internal import Logging
public import NIOCore
internal import NIOPosix
public import Raft

/// One listening address for every purpose: ALPN selects the purpose's table.
public final class RPCServer: Sendable {
    /// The port, as bound: with port 0 the one that the kernel chose.
    public let port: Int
    /// The address as given.
    public let endpoint: String

    /// Text that is made anew for whoever asks for it.
    struct Page: Sendable {
        let path: String
        let text: @Sendable () -> String
    }
    struct Service: Sendable {
        var table = ServiceTable()
        /// Instead of a table.
        var page: Page?
        let roles: Set<Role>
        /// Where its connections live; nil for where they were accepted.
        let eventLoop: (any EventLoop)?
    }
    private struct State {
        var services: [Purpose: Service] = [:]
        var listener: (any Channel)?
        var isStarted = false
        var isStopped = false
        var refusals = RefusalLog()
    }

    let tls: TLSContext
    let limits: TransportLimits
    let connections: ConnectionRegistry
    let budget: QueueBudget
    let callShares: CallShares
    let metrics: TransportMetrics
    private let group: any EventLoopGroup
    private let handshakes: (any EventLoopGroup)?
    private let descriptor: CInt
    private let logger: Logger
    private let state = Lock(State())

    /// Binds `endpoint` (`host:port`) and listens, but accepts nothing before ``start()``.
    ///
    /// - Parameters:
    ///   - tls: a peer's certificate: callers accept no other server.
    ///   - group: where connections live.
    ///   - handshakes: where they are accepted and shake hands; nil for `group`. Handshakes cost a hundred times what a
    ///     call does, and anybody can begin them: on threads of their own they keep nobody waiting.
    ///   - metrics: where what it counts goes: `raft_refused_connections` by rule, `raft_requests` by method and status.
    ///   - label: how its log lines are labelled.
    /// - Throws: ``RaftError/Code/transport`` when the address cannot be parsed, resolved or bound;
    ///   ``RaftError/Code/invalidConfiguration`` for limits that cannot be.
    public init(
        listen endpoint: String, tls: TLSContext, group: any EventLoopGroup,
        handshakes: (any EventLoopGroup)? = nil, limits: TransportLimits = TransportLimits(),
        metrics: any MetricsFactory = MetricsSystem.factory, label: String = "raft.transport"
    ) throws(RaftError) {
        guard tls.principal.role == .peer else {
            throw RaftError(
                .transport,
                "certificate \(tls.principal) cannot serve: only peers do; issue one for raft://\(tls.principal.cluster)/peer/<id>"
            )
        }
        try limits.validate()
        let socket = try ListeningSocket(Endpoint(endpoint))
        self.endpoint = endpoint
        descriptor = socket.descriptor
        port = socket.port
        self.tls = tls
        self.group = group
        self.handshakes = handshakes
        self.limits = limits
        connections = ConnectionRegistry(limits: limits)
        self.metrics = TransportMetrics(metrics)
        callShares = CallShares(maximum: limits.maximumCallsInFlightPerCaller)
        budget = QueueBudget(maximumBytes: limits.maximumQueuedBytesInAll)
        logger = Logger(label: label)
    }

    deinit {
        let (listener, wasIdle) = state.withLock { ($0.listener, !$0.isStarted && !$0.isStopped) }
        listener?.close(promise: nil)
        // Once started, the channel owns the socket.
        if wasIdle { ListeningSocket.close(descriptor) }
    }

    /// Offers a purpose from now on: may be called before and after ``start()``. Until then its connections are
    /// refused in the handshake. Who may call nothing of it is refused there too.
    public func serve(_ purpose: Purpose, _ table: ServiceTable) { serve(purpose, table, on: nil) }

    func serve(_ purpose: Purpose, _ table: ServiceTable, on eventLoop: (any EventLoop)?) {
        for method in table.methods {
            precondition(
                method.purpose == purpose, "method \(method.name) is of purpose \(method.purpose), not \(purpose)")
        }
        let service = Service(table: table, roles: table.roles, eventLoop: eventLoop)
        state.withLock { $0.services[purpose] = service }
    }

    /// Offers one page over HTTP/1.1 (``Purpose/metrics``), for the holders of some roles.
    ///
    /// - Parameter text: called on the event loop of whoever asks; it must not wait there for long.
    public func servePage(_ path: String, to roles: Set<Role>, text: @escaping @Sendable () -> String) {
        let service = Service(page: Page(path: path, text: text), roles: roles, eventLoop: nil)
        state.withLock { $0.services[.metrics] = service }
    }

    /// What is served, of every purpose, ordered by purpose and id: for tests that check who may call what.
    package var methods: [Method] {
        let services = state.withLock { $0.services }
        return Purpose.ofCalls.flatMap { services[$0]?.table.methods ?? [] }
    }

    /// How many connections there are, those still in their handshake included.
    package var connectionCount: Int { connections.count }

    func service(_ purpose: Purpose) -> Service? { state.withLock { $0.services[purpose] } }

    /// Where a connection of a service goes once its handshake is over; nil for where it is.
    func home(of service: Service) -> (any EventLoop)? {
        service.eventLoop ?? (handshakes == nil ? nil : group.next())
    }

    /// Begins to accept. Further calls do nothing.
    public func start() {
        let begins = state.withLock { state in
            guard !state.isStarted, !state.isStopped else { return false }
            state.isStarted = true
            return true
        }
        guard begins else { return }
        ServerBootstrap(group: handshakes ?? group)
            .serverChannelInitializer { [weak self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Doorkeeper { self?.turnsAway($0) ?? true })
                }
            }
            .childChannelOption(ConnectionSetup.noDelay, value: 1)
            .childChannelOption(ConnectionSetup.unsentLimit, value: ConnectionSetup.maximumUnsentBytes)
            .childChannelOption(.recvAllocator, value: ConnectionSetup.receiveBuffers)
            .childChannelInitializer { [weak self] channel in
                channel.eventLoop.makeCompletedFuture { try self?.accepted(channel) ?? channel.close(promise: nil) }
            }
            .withBoundSocket(descriptor)
            .whenComplete { [weak self, logger] result in
                switch result {
                case .success(let channel):
                    // Stopped, or dropped, in the meantime.
                    if self?.keep(channel) != true { channel.close(promise: nil) }
                case .failure(let error): logger.error("cannot accept connections: \(error)")
                }
            }
    }

    private func keep(_ channel: any Channel) -> Bool {
        state.withLock { state in
            guard !state.isStopped else { return false }
            state.listener = channel
            return true
        }
    }

    /// Stops accepting, and closes every connection: each is told, and what is open has a second to end. Returns when
    /// all are closed.
    public func stop() async {
        beginStop()
        await connections.waitUntilClosed()
    }

    /// The same, without waiting for it.
    func beginStop() {
        let (listener, wasIdle) = state.withLock { state -> ((any Channel)?, Bool) in
            let wasIdle = !state.isStarted && !state.isStopped
            state.isStopped = true
            state.services = [:]
            defer { state.listener = nil }
            return (state.listener, wasIdle)
        }
        if wasIdle { ListeningSocket.close(descriptor) }
        if let listener {
            connections.note(listener)
            listener.close(promise: nil)
        }
        connections.retireAll("the server is stopping", grace: .seconds(1))
    }

    // MARK: Accepting

    private func turnsAway(_ channel: any Channel) -> Bool {
        guard let reason = connections.refusal(from: RemoteAddress(channel.remoteAddress), now: .now()) else {
            return false
        }
        refuse(.failures, reason, channel)
        return true
    }

    private func accepted(_ channel: any Channel) throws {
        guard let place = connections.enter(channel) else {
            refuse(.places, "\(limits.maximumConnections) connections are open already", channel)
            return channel.close(promise: nil)
        }
        let policy = TLSPolicy(
            serves: { [weak self] in self?.service($0) != nil },
            judge: { [weak self] principal, purpose in
                guard let self else { return TLSRefusal(.protocol, "the server has stopped") }
                return self.judge(principal, purpose)
            })
        guard let session = TLSSession(tls, purpose: nil, policy: policy) else {
            throw RaftError(.transport, "out of memory for a connection")
        }
        let handler = TLSHandler(session, deadline: limits.handshakeTimeout.timeAmount)
        try channel.pipeline.syncOperations.addHandlers(handler, AcceptHandler(self, handler, place))
    }

    /// Who may connect for a purpose, by the certificate alone.
    private func judge(_ principal: Principal, _ purpose: Purpose) -> TLSRefusal? {
        guard principal.cluster == tls.principal.cluster else {
            return TLSRefusal(
                .cluster, "certificate \(principal) is of another cluster than \(tls.principal.cluster)")
        }
        guard let roles = service(purpose)?.roles, roles.contains(principal.role) else {
            return TLSRefusal(.role, "certificate \(principal) has no use for \(purpose.rawValue)")
        }
        return nil
    }

    func noteFailure(_ what: String) { logger.error("\(what)") }

    /// Counts a refused connection, and says why in the log, a few a second at most.
    func refuse(_ rule: RefusalRule, _ reason: String, _ channel: any Channel) {
        metrics.refused(rule)
        guard let skipped = state.withLock({ $0.refusals.admit(.now()) }) else { return }
        let more = skipped > 0 ? " (and \(skipped) others before)" : ""
        let from = channel.remoteAddress.map { "\($0)" } ?? "an unknown address"
        logger.notice("refused a connection from \(from): \(reason)\(more)")
    }
}

/// Looks at what has been accepted before it is anything: a connection that is turned away here is only closed.
private final class Doorkeeper: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    private let turnsAway: (any Channel) -> Bool

    init(_ turnsAway: @escaping (any Channel) -> Bool) { self.turnsAway = turnsAway }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = unwrapInboundIn(data)
        if turnsAway(channel) { channel.close(promise: nil) } else { context.fireChannelRead(data) }
    }
}

/// Lets five lines a second through, and counts the others: a flood must not fill the disk.
private struct RefusalLog {
    private var second = NIODeadline.uptimeNanoseconds(0)
    private var count = 0
    private var skipped = 0

    /// - Returns: how many were skipped since the last line; nil to skip this one too.
    mutating func admit(_ now: NIODeadline) -> Int? {
        if now - second > .seconds(1) {
            second = now
            count = 0
        }
        guard count < 5 else {
            skipped += 1
            return nil
        }
        count += 1
        defer { skipped = 0 }
        return skipped
    }
}
