internal import CoreMetrics
internal import Raft
internal import RaftMetrics
internal import RaftTransport

/// What a served node has to show: what it knows of itself, its disk and its certificates, beside what its listeners
/// count.
final class ServerMetrics: Sendable {
    let backend = PrometheusMetrics()
    private let node: NodeMetrics
    private let syncs: CoreMetrics.Timer
    private let logBytes, connections, reloads, failedReloads, dropped: Meter
    private let certificate: [(end: Meter, days: Meter)]

    /// Of what there is an end: the node's own certificate, the first of its authorities, the first of its lists.
    private static let kinds = ["node", "authority", "revocation-list"]

    init() {
        let backend = backend
        func meter(_ name: String, _ dimensions: [(String, String)] = []) -> Meter {
            Meter(label: "raft_" + name, dimensions: dimensions, factory: backend)
        }
        node = NodeMetrics(factory: backend)
        syncs = Timer(label: "raft_log_sync_seconds", factory: backend)
        logBytes = meter("log_bytes")
        connections = meter("connections")
        reloads = meter("certificate_reloads")
        failedReloads = meter("certificate_reload_failures")
        dropped = meter("certificate_dropped_connections")
        certificate = Self.kinds.map { kind in
            (
                meter("certificate_not_after_seconds", [("kind", kind)]),
                meter("certificate_days_left", [("kind", kind)])
            )
        }
    }

    /// How long a sync of the log took. From any thread.
    func noteSync(_ time: Duration) {
        let (seconds, attoseconds) = time.components
        syncs.recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    /// Everything as it is now.
    ///
    /// - Parameters:
    ///   - logBytes: how much the log's files have; nil when that cannot be seen.
    ///   - now: the wall clock, in seconds since 1970-01-01 UTC.
    func page(
        _ status: NodeStatus, _ tls: TLSStatus, connectionCount: Int, logBytes: Int?, now: Int64
    ) -> String {
        node.report(status)
        self.logBytes.set(logBytes.map(Double.init) ?? .nan)
        connections.set(connectionCount)
        reloads.set(tls.reloadCount)
        failedReloads.set(tls.failureCount)
        dropped.set(tls.droppedCount)
        for (meters, end) in zip(certificate, [tls.notAfter, tls.authorityNotAfter, tls.listNextUpdate]) {
            meters.end.set(end.map(Double.init) ?? .nan)
            meters.days.set(end.map { Double(TLSStatus.days(until: $0, from: now)) } ?? .nan)
        }
        return backend.text
    }
}
