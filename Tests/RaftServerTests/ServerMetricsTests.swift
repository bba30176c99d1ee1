import CoreMetrics
import Testing

@testable import Raft
@testable import RaftServer
@testable import RaftTransport

@Suite("Metrics as text")
struct ServerMetricsTests {
    @Test("Counters, gauges and histograms are written as the format has them, ordered by name")
    func format() {
        let backend = PrometheusMetrics()
        Counter(label: "b", dimensions: [("z", "1"), ("a", "2")], factory: backend).increment(by: 3)
        // The same once more: what it names is one value.
        Counter(label: "b", dimensions: [("a", "2"), ("z", "1")], factory: backend).increment()
        Meter(label: "a.b-c", factory: backend).set(2.5)
        Meter(label: "nothing", factory: backend).set(Double.nan)
        Meter(label: "big", factory: backend).set(UInt64(1) << 53)
        Gauge(label: "9lives", dimensions: [("text", "back\\slash \"quoted\"\nnext")], factory: backend).record(1)
        #expect(
            backend.text == """
                # TYPE _9lives gauge
                _9lives{text="back\\\\slash \\"quoted\\"\\nnext"} 1
                # TYPE a_b_c gauge
                a_b_c 2.5
                # TYPE b_total counter
                b_total{a="2",z="1"} 4
                # TYPE big gauge
                big 9007199254740992
                # TYPE nothing gauge
                nothing NaN

                """)
    }

    @Test("A timer's buckets hold all that took no longer, in seconds; the last holds everything")
    func timers() {
        let backend = PrometheusMetrics()
        let timer = CoreMetrics.Timer(label: "t", dimensions: [("d", "x")], factory: backend)
        for nanoseconds in [100_000, 100_001, 1_000_000_000, 11_000_000_000] as [Int64] {
            timer.recordNanoseconds(nanoseconds)
        }
        let lines = backend.text.split(separator: "\n")
        #expect(lines.first == "# TYPE t histogram")
        #expect(lines.contains("t_bucket{d=\"x\",le=\"0.0001\"} 1"))
        #expect(lines.contains("t_bucket{d=\"x\",le=\"0.00025\"} 2"))
        #expect(lines.contains("t_bucket{d=\"x\",le=\"1\"} 3"))
        #expect(lines.contains("t_bucket{d=\"x\",le=\"10\"} 3"))
        #expect(lines.contains("t_bucket{d=\"x\",le=\"+Inf\"} 4"))
        #expect(lines.contains("t_count{d=\"x\"} 4"))
        #expect(lines.contains { $0.hasPrefix("t_sum{d=\"x\"} 12.0002") })
    }

    @Test("A page has the node, its disk, its connections and how long its certificates are good")
    func page() throws {
        let metrics = ServerMetrics()
        metrics.noteSync(.milliseconds(3))
        var status = NodeStatus(notStarted: 1, cluster: "test")
        status.currentTerm = 5
        let tls = TLSStatus(
            principal: try Principal(cluster: "test", node: 1), notBefore: 0, notAfter: 10 * 86_400 + 5,
            authorityNotAfter: 100 * 86_400, listNextUpdate: nil, revokedCount: 0, reloadCount: 2, failureCount: 1,
            lastFailure: nil, droppedCount: 3, ownRevocation: nil)
        let lines = metrics.page(status, tls, connectionCount: 7, logBytes: 4096, now: 86_400).split(separator: "\n")
        for line in [
            "raft_term 5", "raft_role{role=\"stopped\"} 1", "raft_log_bytes 4096", "raft_connections 7",
            "raft_certificate_days_left{kind=\"node\"} 9", "raft_certificate_days_left{kind=\"authority\"} 99",
            "raft_certificate_days_left{kind=\"revocation-list\"} NaN",
            "raft_certificate_not_after_seconds{kind=\"node\"} 864005", "raft_certificate_reloads 2",
            "raft_certificate_reload_failures 1", "raft_certificate_dropped_connections 3",
            "raft_log_sync_seconds_bucket{le=\"0.0025\"} 0", "raft_log_sync_seconds_bucket{le=\"0.005\"} 1",
            "raft_log_sync_seconds_count 1",
        ] { #expect(lines.contains { $0 == line }, "\(line)") }
        // Every line is a value with its name, or a type.
        for line in lines where !line.hasPrefix("# TYPE raft_") {
            #expect(line.wholeMatch(of: /raft_[a-z_]+(\{.*\})? (NaN|[0-9.e+-]+)/) != nil, "\(line)")
        }
    }
}
