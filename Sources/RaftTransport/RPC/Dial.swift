internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Raft

/// One attempt to reach a server: resolve, connect, handshake, first frame; all within one deadline.
///
/// A client's TLS 1.3 handshake is over *before* the server has judged the client's certificate, so only the server's
/// first frame says that it did.
final class Dial: @unchecked Sendable {
    // @unchecked: what changes belongs to `eventLoop`.
    private let eventLoop: any EventLoop
    private let endpoint: String
    private let tls: TLSContext
    private let purpose: Purpose
    private let limits: TransportLimits
    private var completion: (@Sendable (Result<RPCConnection, RPCStatus>) -> Void)?
    private var channel: (any Channel)?
    private var timer: Scheduled<Void>?

    init(
        to endpoint: String, tls: TLSContext, purpose: Purpose, on eventLoop: any EventLoop, limits: TransportLimits,
        completion: @escaping @Sendable (Result<RPCConnection, RPCStatus>) -> Void
    ) {
        self.endpoint = endpoint
        self.tls = tls
        self.purpose = purpose
        self.eventLoop = eventLoop
        self.limits = limits
        self.completion = completion
    }

    /// Begins; `completion` is called once, on the event loop.
    func begin(timeout: Duration, expecting: @escaping @Sendable (Principal) -> String?) {
        eventLoop.execute { self.connect(timeout, expecting) }
    }

    /// Gives up.
    func cancel() {
        eventLoop.execute { self.finish(.failure(.init(.cancelled, "the caller cancelled", wasSent: false))) }
    }

    private func finish(_ result: Result<RPCConnection, RPCStatus>) {
        guard let completion else { return }
        self.completion = nil
        timer?.cancel()
        if case .failure = result { channel?.close(promise: nil) }
        channel = nil
        completion(result)
    }

    private func fail(_ code: RPCStatus.Code, _ reason: String) {
        finish(.failure(RPCStatus(code, "\(endpoint): \(reason)", wasSent: false)))
    }

    private func connect(_ timeout: Duration, _ expecting: @escaping @Sendable (Principal) -> String?) {
        guard completion != nil else { return }
        let target: Endpoint
        do throws(RaftError) {
            target = try Endpoint(endpoint)
        } catch {
            return fail(.invalidArgument, error.message)
        }
        timer = eventLoop.scheduleTask(in: timeout.timeAmount) {
            self.fail(.deadlineExceeded, "no answer within \(timeout)")
        }
        let cluster = tls.principal.cluster
        let policy = TLSPolicy(
            serves: { _ in false },
            judge: { principal, _ in
                guard principal.role == .peer else {
                    return TLSRefusal(.role, "server certificate \(principal) is not a peer's")
                }
                guard principal.cluster == cluster else {
                    return TLSRefusal(
                        .cluster, "server certificate \(principal) is of another cluster than \(cluster)")
                }
                return expecting(principal).map { TLSRefusal(.identity, $0) }
            })
        ClientBootstrap(group: eventLoop)
            .connectTimeout(timeout.timeAmount)
            .channelOption(ConnectionSetup.noDelay, value: 1)
            .channelOption(ConnectionSetup.unsentLimit, value: ConnectionSetup.maximumUnsentBytes)
            .channelOption(.recvAllocator, value: ConnectionSetup.receiveBuffers)
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    self.channel = channel
                    guard let session = TLSSession(tls, purpose: purpose, policy: policy) else {
                        throw RaftError(.transport, "out of memory for a connection")
                    }
                    let handler = TLSHandler(session, deadline: limits.handshakeTimeout.timeAmount)
                    try channel.pipeline.syncOperations.addHandlers(handler, DialHandler(self))
                }
            }
            .connect(host: target.host, port: target.port)
            .whenComplete { [self] result in
                if case .failure(let error) = result { fail(.unavailable, Self.explain(error)) }
            }
    }

    private static func explain(_ error: any Error) -> String {
        if let error = error as? NIOConnectionError {
            if let first = error.connectionErrors.first { return explain(first.error) }
            return "the host name cannot be resolved"
        }
        if let error = error as? IOError {
            // NIO's own words name its call; an operator wants the system's.
            return "cannot connect: \(String(cString: strerror(error.errnoCode)).lowercased())"
        }
        if case ChannelError.connectTimeout? = error as? ChannelError { return "cannot connect in time" }
        return "cannot connect: \(error)"
    }

    /// The handshake is over; waits for the server's first frame.
    fileprivate func established(_ established: TLSEstablished, _ context: ChannelHandlerContext, after: DialHandler) {
        guard completion != nil else { return context.close(promise: nil) }
        let outbox = Outbox(eventLoop: eventLoop)
        let channel = context.channel
        let side = ClientSide { [self] failure in
            if let failure {
                let hint =
                    failure.code == .unauthenticated
                    ? " (the server does not accept certificate \(tls.principal) for \(purpose.rawValue))" : ""
                fail(failure.code, failure.message + hint)
            } else {
                finish(.success(RPCConnection(outbox, channel: channel, server: established.principal)))
            }
        }
        let connection = Connection(
            outbox, on: eventLoop, principal: established.principal, isServer: false, limits: limits, side: side)
        try? context.pipeline.syncOperations.addHandler(connection, position: .after(after))
    }

    fileprivate func failed(_ error: any Error) {
        guard let failure = error as? TLSFailure else { return fail(.unavailable, "\(error)") }
        fail(failure.isCutOff ? .unavailable : .unauthenticated, failure.reason)
    }
}

/// Stands above TLS until the handshake is over.
private final class DialHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let dial: Dial
    private var isEstablished = false

    init(_ dial: Dial) { self.dial = dial }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let established = event as? TLSEstablished else { return context.fireUserInboundEventTriggered(event) }
        isEstablished = true
        dial.established(established, context, after: self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if isEstablished { context.fireErrorCaught(error) } else { dial.failed(error) }
    }
}
