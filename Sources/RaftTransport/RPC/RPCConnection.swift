public import NIOCore

/// A connection to a server, on which calls are made. Any thread may use it.
public final class RPCConnection: Sendable {
    /// Who the server is, by its certificate.
    public let server: Principal

    init(server: Principal) { self.server = server }

    /// Connects, and returns once the server has accepted our certificate and answered.
    ///
    /// - Parameters:
    ///   - endpoint: `host:port`, or `[v6]:port`.
    ///   - expecting: looks at who the server is; nil when it is the right one, else why not. The server is always
    ///     required to be a peer of our own cluster.
    ///   - timeout: for all of it: resolving, connecting, handshake, first frame.
    /// - Throws: ``RPCStatus``, always with `wasSent` false: `unavailable`, `deadlineExceeded`, or `unauthenticated`
    ///   with the reason when one side does not accept the other.
    public static func connect(
        to endpoint: String, tls: TLSContext, purpose: Purpose,
        expecting: @escaping @Sendable (Principal) -> String? = { _ in nil }, on group: any EventLoopGroup,
        timeout: Duration, limits: TransportLimits = TransportLimits()
    ) async throws(RPCStatus) -> RPCConnection {
        throw RPCStatus(.unavailable, endpoint, wasSent: false)
    }

    /// Makes a call; `completion` is called once, on the connection's event loop.
    public func call(
        _ method: Method, _ request: [UInt8], timeout: Duration,
        completion: @escaping @Sendable (Result<[UInt8], RPCStatus>) -> Void
    ) {}

    /// Makes a call. Cancelling the task cancels the call.
    public func call(_ method: Method, _ request: [UInt8], timeout: Duration) async throws(RPCStatus) -> [UInt8] {
        throw RPCStatus(.unavailable, method.name, wasSent: false)
    }

    /// Whether new calls can be made. A connection that has closed stays closed.
    public var isOpen: Bool { false }

    /// Says goodbye, fails what is still open, and closes.
    public func close() async {}
}
