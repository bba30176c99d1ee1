internal import CoreMetrics
internal import NIOCore
internal import Raft
internal import RaftKeyValue
internal import RaftStorage
internal import RaftTransport

/// A listener of its own for whoever collects metrics: over mutual TLS, with a certificate of role `metrics` or `admin`.
/// It shares nothing with members and clients but the thread that shakes hands.
final class MetricsDoor: Sendable {
    let metrics = ServerMetrics()
    private let server: RPCServer
    var port: Int { server.port }

    static let path = "/metrics"
    static let roles: Set<Role> = [.metrics, .admin]

    /// One collector asks a few times a minute: there is no need for many places.
    private static let limits = {
        var limits = TransportLimits()
        limits.maximumConnections = 64
        limits.reservedPeerConnections = 0
        limits.maximumConnectionsPerAddress = 32
        limits.maximumHandshakes = 32
        limits.maximumHandshakesPerAddress = 16
        return limits
    }()

    init(listen endpoint: String, tls: TLSContext, group: any EventLoopGroup) throws(RaftError) {
        server = try RPCServer(
            listen: endpoint, tls: tls, group: group, limits: Self.limits, metrics: metrics.backend,
            label: "raft.metrics")
    }

    /// Begins to answer.
    func open(_ node: RaftNode<KeyValueMachine>, _ main: RPCServer, _ tls: TLSContext, _ directory: DataDirectory) {
        server.servePage(Self.path, to: Self.roles) { [metrics, weak main] in
            metrics.page(
                node.status, tls.status, connectionCount: main?.connectionCount ?? 0,
                logBytes: try? directory.logBytes(), now: TLSContext.now)
        }
        server.start()
    }

    func stop() async { await server.stop() }
}
