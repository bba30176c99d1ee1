public import NIOCore
public import Raft

/// One listening address for every purpose: ALPN selects the purpose's table.
public final class RPCServer: Sendable {
    /// The port, as bound: with port 0 the one that the kernel chose.
    public let port: Int

    /// Binds `endpoint` (`host:port`), but accepts nothing before ``start()``.
    ///
    /// - Throws: ``RaftError/Code/transport`` when the address cannot be parsed, resolved or bound.
    public init(
        listen endpoint: String, tls: TLSContext, group: any EventLoopGroup, limits: TransportLimits = TransportLimits()
    ) throws(RaftError) {
        throw RaftError(.transport, endpoint)
    }

    /// Offers a purpose from now on: may be called before and after ``start()``. Until then its connections are
    /// refused in the handshake.
    public func serve(_ purpose: Purpose, _ table: ServiceTable) {}

    /// Begins to accept.
    public func start() {}

    /// Stops accepting and closes every connection, each with a goodbye.
    public func stop() async {}
}
