internal import Benchmarking
internal import Foundation
internal import Raft
internal import RaftClient

/// Three members of ours, and three of etcd, both there all the time: who is not called has nothing to do.
struct ServiceRun {
    let cluster: ServerCluster
    let options: ServiceCommand

    init(_ cluster: ServerCluster, _ options: ServiceCommand) {
        self.cluster = cluster
        self.options = options
    }

    private struct Place: Hashable {
        var workload: Workload
        var clients: Int
    }

    func report() async throws -> ServiceReport {
        let floors = try cluster.floors()
        try await cluster.bootstrap([1, 2, 3])
        let admin = try cluster.admin(cluster.running.map { "127.0.0.1:\($0.port)" })
        try await cluster.waitForLeader(admin)
        await admin.close()
        let environment = try cluster.environment()
        var etcd: EtcdCluster?
        if let program = options.etcd, let tool = options.etcdBenchmark {
            etcd = try EtcdCluster(
                etcd: program, tool: tool, directory: cluster.directory + "/etcd", cluster.credentials)
        }
        defer { etcd?.close() }
        let places = try options.workloads.flatMap { workload in
            try options.counts.map { Place(workload: workload, clients: $0) }
        }
        var (ours, theirs): ([Place: [ServiceReport.Figures]], [Place: [ServiceReport.Figures]]) = ([:], [:])
        // The first pass warms up.
        for pass in 0...options.passes {
            Output.note(pass == 0 ? "warming up" : "pass \(pass) of \(options.passes)")
            for place in places {
                Self.settle()
                let figures = try measureOurs(place, environment)
                Self.settle()
                let theirFigures = try etcd.map { try measure($0, place) }
                guard pass > 0 else { continue }
                ours[place, default: []].append(figures)
                if let theirFigures { theirs[place, default: []].append(theirFigures) }
            }
        }
        return ServiceReport(
            valueSize: options.valueSize, passes: options.passes,
            series: places.map { place in
                ServiceReport.Series(
                    workload: place.workload, clients: place.clients, ours: .init(medianOf: ours[place]!),
                    etcd: theirs[place].map { .init(medianOf: $0) })
            },
            memory: try memory(of: etcd),
            floors: floors)
    }

    /// What the one has left for the disk to write is not to be waited for by the other.
    private static func settle() {
        sync()
        Thread.sleep(forTimeInterval: 1)
    }

    private func memory(of etcd: EtcdCluster?) throws -> ServiceReport.Memory {
        let (ours, theirs) = (try cluster.usage(), try etcd?.usage())
        return ServiceReport.Memory(
            oursMebibytes: mebibytes(ours.peakBytes), etcdMebibytes: theirs.map { mebibytes($0.peakBytes) },
            oursAnonymousMebibytes: mebibytes(ours.anonymousBytes),
            etcdAnonymousMebibytes: theirs.map { mebibytes($0.anonymousBytes) })
    }

    private func calls(_ place: Place) -> Int { min(options.operations, 2000 * place.clients) }

    private func measureOurs(_ place: Place, _ environment: [String: String]) throws -> ServiceReport.Figures {
        struct Result: Decodable {
            struct Calls: Decodable {
                var done: Int
                var p50Nanoseconds: Double
                var p99Nanoseconds: Double
            }
            var donePerSecond: Double
            var all: Calls
        }
        let before = try cluster.usage().processorTime
        let run = try Program.run(
            cluster.raft,
            [
                "bench", place.workload.rawValue, "--clients", "\(place.clients)", "--total", "\(calls(place))",
                "--keys",
                place.workload == .put ? "100000" : "100", "--key-size", "16", "--value-size", "\(options.valueSize)",
                "-o",
                "json",
            ], environment: environment)
        let spent = try cluster.usage().processorTime - before + run.processorTime
        let result = try JSONDecoder().decode(Result.self, from: Data(run.output.utf8))
        guard result.all.done == calls(place) else {
            throw BenchmarkError("\(result.all.done) of \(calls(place)) calls were answered: \(run.output)")
        }
        return ServiceReport.Figures(
            perSecond: result.donePerSecond, p50Milliseconds: result.all.p50Nanoseconds / 1e6,
            p99Milliseconds: result.all.p99Nanoseconds / 1e6,
            cpuMicrosecondsPerCall: spent * 1e6 / Double(calls(place)))
    }

    private func measure(_ etcd: EtcdCluster, _ place: Place) throws -> ServiceReport.Figures {
        let key = "benchkey12345678"
        let arguments =
            switch place.workload {
            case .put:
                ["put", "--key-size", "16", "--val-size", "\(options.valueSize)", "--key-space-size", "100000"]
            case .get: ["range", key, "--consistency", "l"]
            }
        let before = try etcd.usage().processorTime
        let (figures, clientTime) = try etcd.load(
            arguments + ["--total", "\(calls(place))"], connections: min(place.clients, options.connections),
            clients: place.clients)
        let spent = try etcd.usage().processorTime - before + clientTime
        return ServiceReport.Figures(
            perSecond: figures.perSecond, p50Milliseconds: figures.p50Milliseconds,
            p99Milliseconds: figures.p99Milliseconds, cpuMicrosecondsPerCall: spent * 1e6 / Double(calls(place)))
    }
}
