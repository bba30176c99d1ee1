public import NIOCore
internal import Synchronization

/// A connection to a server, on which calls are made. Any thread may use it. Dropping it closes it.
public final class RPCConnection: Sendable {
    /// Who the server is, by its certificate.
    public let server: Principal
    private let outbox: Outbox
    private let channel: any Channel

    init(_ outbox: Outbox, channel: any Channel, server: Principal) {
        self.outbox = outbox
        self.channel = channel
        self.server = server
    }

    deinit { outbox.post(.close("the connection was dropped")) }

    /// Connects, and returns once the server has accepted our certificate and answered.
    ///
    /// - Parameters:
    ///   - endpoint: `host:port`, or `[v6]:port`.
    ///   - expecting: looks at who the server is; nil when it is the right one, else why not. The server is always
    ///     required to be a peer of our own cluster.
    ///   - group: the connection lives on one of its event loops.
    ///   - timeout: for all of it: resolving, connecting, handshake, first frame.
    /// - Throws: ``RPCStatus``, always with `wasSent` false: `unavailable`, `deadlineExceeded`, `cancelled`, or
    ///   `unauthenticated` with the reason when one side does not accept the other.
    public static func connect(
        to endpoint: String, tls: TLSContext, purpose: Purpose,
        expecting: @escaping @Sendable (Principal) -> String? = { _ in nil }, on group: any EventLoopGroup,
        timeout: Duration, limits: TransportLimits = TransportLimits()
    ) async throws(RPCStatus) -> RPCConnection {
        let slot = CancellationSlot<Dial> { $0.cancel() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (reply: CheckedContinuation<Result<RPCConnection, RPCStatus>, Never>) in
                let dial = Dial(to: endpoint, tls: tls, purpose: purpose, on: group.next(), limits: limits) {
                    reply.resume(returning: $0)
                }
                dial.begin(timeout: timeout, expecting: expecting)
                slot.fill(dial)
            }
        } onCancel: {
            slot.cancel()
        }
        return try result.get()
    }

    /// Makes a call; `completion` is called once, on the connection's event loop.
    ///
    /// - Parameter timeout: travels with the call; when it is over the call fails with `deadlineExceeded`.
    public func call(
        _ method: Method, _ request: [UInt8], timeout: Duration,
        completion: @escaping @Sendable (Result<[UInt8], RPCStatus>) -> Void
    ) {
        let call = ClientCall(method, request, deadline: .now() + timeout.timeAmount)
        call.onCompletion(completion)
        begin(call)
    }

    private func begin(_ call: ClientCall) {
        guard !outbox.post(.call(call)) else { return }
        channel.eventLoop.execute {
            call.complete(.failure(RPCStatus(.unavailable, "the connection is closed", wasSent: false)))
        }
    }

    /// Makes a call. Cancelling the task cancels the call.
    ///
    /// - Throws: ``RPCStatus``: the server's, or one of our own: `unavailable`, `deadlineExceeded`, `cancelled`,
    ///   `resourceExhausted`. Look at ``RPCStatus/wasSent`` before making the call again elsewhere.
    public func call(_ method: Method, _ request: [UInt8], timeout: Duration) async throws(RPCStatus) -> [UInt8] {
        let call = ClientCall(method, request, deadline: .now() + timeout.timeAmount)
        let result = await withTaskCancellationHandler {
            // Not a checked one: that costs an allocation a call, and a call completes once by what `ClientCall` does.
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Result<[UInt8], RPCStatus>, Never>) in
                call.onCompletion { continuation.resume(returning: $0) }
                begin(call)
            }
        } onCancel: {
            // May come before the call; the connection hears both in some order.
            outbox.post(.abandon(call))
        }
        return try result.get()
    }

    /// Opens a bidirectional stream. `handler` hears what comes, on the connection's event loop; if the stream cannot
    /// be opened it hears its end.
    public func open(_ method: Method, _ handler: any RPCStreamHandler) -> RPCStream {
        let stream = RPCStream(outbox, method, principal: server)
        stream.handler = handler
        if !outbox.post(.open(stream)) {
            channel.eventLoop.execute {
                stream.markEnded()?.streamEnded(
                    RPCStatus(.unavailable, "the connection is closed", wasSent: false), on: stream)
            }
        }
        return stream
    }

    /// Whether new calls can be made. A connection that has closed stays closed.
    public var isOpen: Bool { outbox.isOpen }

    /// Calls wait, and the server has given no sign of life for about a second although it was asked for one: its process
    /// stands still, or the network does. Whoever can call another server had better. Ends with its next byte, or with
    /// the connection.
    public var isInDoubt: Bool { outbox.isInDoubt.load(ordering: .relaxed) }

    /// Fails what is still open, says goodbye, and closes.
    public func close() async {
        outbox.post(.close("the connection was closed"))
        await channel.waitUntilClosed()
    }
}
