internal import Benchmarking
internal import Foundation

/// One command of a report: how it is run in the time that it has, and what is drawn of what it found.
enum ReportSection: String, CaseIterable {
    case counts, codec, tls, mailbox, log, apply, snapshot, cluster, durable, service, failover, watch, membership
    case snapshotMove = "snapshot-move"
    case flood

    var title: String {
        switch self {
        case .counts: "Instructions, allocations and system calls"
        case .codec: "Messages to bytes and back"
        case .tls: "One connection of the transport"
        case .mailbox: "Messages between threads"
        case .log: "The log on the disk"
        case .apply: "Puts on the key-value machine"
        case .snapshot: "Snapshots on the disk"
        case .cluster: "Three nodes in one process, in memory"
        case .durable: "Three nodes in one process, on the disk, over mutual TLS"
        case .service: "Puts and linearizable reads through real clients"
        case .failover: "Leaders that die, and cold starts"
        case .watch: "Many watches"
        case .membership: "Members that come and go under load"
        case .snapshotMove: "A large state on its way to a new member"
        case .flood: "Puts under a flood of handshakes"
        }
    }

    /// Of the time that there is.
    var share: Double {
        switch self {
        case .codec, .tls, .mailbox, .log, .apply, .snapshot: 1
        case .counts, .cluster, .durable: 3
        case .service: 8
        case .failover: 4
        case .watch: 2
        case .membership, .snapshotMove, .flood: 2
        }
    }

    func arguments(seconds: Double, _ options: ReportCommand) -> [String] {
        func times(_ each: Double, _ least: Int, _ most: Int) -> String {
            "\(min(max(Int(seconds / each), least), most))"
        }
        let data = options.data.map { ["--data", $0] } ?? []
        let cluster = ["--raft", options.raft] + data
        let arguments: [String] =
            switch self {
            case .counts: data
            case .log: ["--batches", times(0.01, 1000, 10_000), "--mebibytes", times(0.06, 256, 1024)] + data
            case .codec: ["--passes", times(3, 3, 15)] + data
            case .tls: ["--passes", times(8, 3, 9)] + data
            case .mailbox: ["--passes", times(5, 3, 15)]
            case .apply: ["--passes", times(5, 3, 15)] + data
            case .snapshot: ["--mebibytes", times(0.3, 64, 512)] + data
            case .cluster: ["--rounds", times(25, 1, 5)]
            case .durable: ["--rounds", times(50, 1, 5)] + data
            case .service:
                ["--passes", times(options.etcd == nil ? 25 : 60, 1, 9)]
                    + (options.etcd.map { ["--etcd", $0] } ?? [])
                    + (options.etcdBenchmark.map { ["--etcd-benchmark", $0] } ?? []) + cluster
            case .failover:
                ["--kills", times(8, 5, 50), "--stops", times(20, 3, 20), "--starts", times(20, 3, 20)] + cluster
            case .watch: ["--passes", "3", "--seconds", times(10, 3, 30)] + cluster
            case .membership: cluster
            case .snapshotMove: ["--mebibytes", times(0.3, 64, 512)] + cluster
            case .flood: ["--seconds", times(2, 10, 60), "--before", times(6, 5, 20)] + cluster
            }
        return [rawValue] + arguments
    }

    /// Rates by the number of clients, one bar for each kind of callers.
    private static func byClients(
        _ title: String, _ unit: String, _ found: [(clients: Int, callers: Callers, rate: Double)]
    ) -> BarChart {
        let kinds = Callers.allCases.filter { kind in found.contains { $0.callers == kind } }
        let groups = Set(found.map(\.clients)).sorted().map { count in
            BarChart.Group(
                "\(count)",
                kinds.map { kind in found.first { $0.clients == count && $0.callers == kind }?.rate })
        }
        return BarChart(title, unit: unit, series: kinds.map(\.rawValue), groups: groups)
    }

    /// - Parameter json: what the command printed.
    func result(_ json: Data) throws -> (text: String, charts: [BarChart]) {
        func decoded<Report: Decodable>(_ type: Report.Type) throws -> Report {
            try JSONDecoder().decode(type, from: json)
        }
        switch self {
        case .counts: return (try decoded(CountsReport.self).text, [])
        case .codec: return ofCodec(try decoded(CodecReport.self))
        case .tls: return ofTLS(try decoded(TLSReport.self))
        case .mailbox:
            let report = try decoded(MailboxReport.self)
            let groups = report.handOvers.map {
                BarChart.Group("\($0.producers) to one", [$0.messagesPerSecond, $0.barePerSecond])
            }
            return (
                report.text,
                [BarChart("Hand-overs", unit: "messages/s", series: ["mailbox", "bare"], groups: groups)]
            )
        case .apply:
            let report = try decoded(ApplyReport.self)
            let groups = report.series.map {
                BarChart.Group("runs of \($0.run)", [$0.commandsPerSecond, $0.barePerSecond])
            }
            return (
                report.text,
                [BarChart("Puts", unit: "commands/s", series: ["machine", "bare LMDB"], groups: groups)]
            )
        case .snapshot:
            let report = try decoded(SnapshotReport.self)
            let groups = report.parts.map {
                BarChart.Group($0.step.rawValue, [$0.mebibytesPerSecond, $0.bareMebibytesPerSecond])
            }
            return (
                report.text, [BarChart("Snapshots", unit: "MiB/s", series: ["node", "floor"], groups: groups)]
            )
        case .log:
            let report = try decoded(LogReport.self)
            let groups = report.appends.map {
                BarChart.Group("\($0.waiting) waiting", [$0.entriesPerSecond, $0.bareEntriesPerSecond])
            }
            return (
                report.text,
                [BarChart("Appends", unit: "entries/s", series: ["log", "bare calls"], groups: groups)]
            )
        case .cluster:
            let report = try decoded(ClusterReport.self)
            let found = report.series.map { ($0.clients, $0.callers, $0.commandsPerSecond) }
            return (report.text, [Self.byClients("By clients", "commands/s", found)])
        case .durable:
            let report = try decoded(DurableReport.self)
            let charts = DurableReport.Work.allCases.map { work in
                Self.byClients(
                    work == .write ? "Writes by clients" : "Linearizable reads by clients", "1/s",
                    report.series.filter { $0.work == work }.map { ($0.clients, $0.callers, $0.callsPerSecond) })
            }
            return (report.text, charts)
        case .service:
            let report = try decoded(ServiceReport.self)
            let series = report.series.contains { $0.etcd != nil } ? ["swift-raft", "etcd"] : ["swift-raft"]
            func chart(_ title: String, _ unit: String, _ value: (ServiceReport.Figures) -> Double) -> BarChart {
                BarChart(
                    title, unit: unit, series: series,
                    groups: report.series.map {
                        .init("\($0.workload.rawValue) \($0.clients)", [value($0.ours), $0.etcd.map(value)])
                    })
            }
            return (
                report.text,
                [
                    chart("Calls by clients", "1/s", \.perSecond),
                    chart("Latency, p99", "ms", \.p99Milliseconds),
                    chart("Processor time of members and clients", "µs a call", \.cpuMicrosecondsPerCall),
                ]
            )
        case .failover:
            let report = try decoded(FailoverReport.self)
            let groups = [
                ("killed", report.killed), ("silent", report.stopped), ("cold start", report.started),
            ].map {
                BarChart.Group($0, [$1.p50Milliseconds, $1.p90Milliseconds, $1.maximumMilliseconds])
            }
            return (
                report.text,
                [BarChart("The next acknowledged put", unit: "ms", series: ["p50", "p90", "worst"], groups: groups)]
            )
        case .watch:
            let report = try decoded(WatchReport.self)
            let groups = report.loads.map {
                BarChart.Group(
                    "\($0.stalled) stalled",
                    [$0.deliveryP50Milliseconds, $0.deliveryP99Milliseconds, $0.deliveryP999Milliseconds])
            }
            return (
                report.text, [BarChart("Deliveries", unit: "ms", series: ["p50", "p99", "p99.9"], groups: groups)]
            )
        case .membership: return (try decoded(MembershipReport.self).text, [])
        case .snapshotMove:
            let report = try decoded(SnapshotMoveReport.self)
            let groups = report.moves.map {
                BarChart.Group($0.kind.rawValue, [$0.before.p99Milliseconds, $0.during.p99Milliseconds])
            }
            return (
                report.text,
                [BarChart("Puts, p99", unit: "ms", series: ["before", "meanwhile"], groups: groups)]
            )
        case .flood: return (try decoded(FloodReport.self).text, [])
        }
    }

    private func ofCodec(_ report: CodecReport) -> (text: String, charts: [BarChart]) {
        func chart(_ title: String, _ series: [String], _ values: (CodecReport.Message) -> [Double?]) -> BarChart {
            BarChart(
                title, unit: "ns", series: series, groups: report.messages.map { BarChart.Group($0.name, values($0)) })
        }
        return (
            report.text,
            [
                chart("Encoding", ["codec", "libprotobuf-c", "memcpy"]) {
                    [$0.encodeNanoseconds, $0.packNanoseconds, $0.copyNanoseconds]
                },
                chart("Decoding", ["codec", "libprotobuf-c", "memcpy"]) {
                    [$0.decodeNanoseconds, $0.unpackNanoseconds, $0.copyNanoseconds]
                },
            ]
        )
    }

    private func ofTLS(_ report: TLSReport) -> (text: String, charts: [BarChart]) {
        func chart(_ title: String, _ unit: String, _ values: (TLSReport.Figures) -> [Double?]) -> BarChart {
            BarChart(
                title, unit: unit, series: ["transport", "bare TLS"],
                groups: report.sizes.map { BarChart.Group("\($0.bytes) bytes", values($0)) })
        }
        return (
            report.text,
            [
                chart("One way", "MiB/s") { [$0.mebibytesPerSecond, $0.bareMebibytesPerSecond] },
                chart("There and back", "µs") { [$0.roundTripMicroseconds, $0.bareRoundTripMicroseconds] },
            ]
        )
    }
}
