internal import ArgumentParser
internal import Benchmarking

struct ServiceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service",
        abstract: "Put and read through real clients; with --etcd beside etcd, in turns on the same machine.",
        discussion: """
            Three real `raft serve` processes over mutual TLS, loaded by `raft bench`; and three of etcd with the same \
            certificates on the same disk, loaded by its own generator, which calls the leader over --connections \
            connections. In turns: each series of one, then of the other, \
            after all that was written is on the disk. 16-byte keys, everything else as it is by \
            default on both sides: every write is synced before it is acknowledged, every read is linearizable. \
            etcd's generator reads one key, which is absent there: the least that it can be asked.

            Processor time is that of members and clients together. Figures are medians of --passes.

            Goals (a missed one is printed, and is no failure of the run): puts at 64 and 1024 clients five times etcd's, \
            p99 at most a third, at most 28 µs of processor time; reads at 1024 clients eight times; and one client's \
            put within 1.3 times one fdatasync and two round trips.
            """)

    @OptionGroup var cluster: ClusterOptions
    @Option(help: ArgumentHelp("The program etcd; without it only ours is measured.", valueName: "path"))
    var etcd: String?
    @Option(help: ArgumentHelp("The program benchmark of etcd's source tree.", valueName: "path"))
    var etcdBenchmark: String?
    @Option(help: ArgumentHelp("How many clients, one series each.", valueName: "list")) var clients = "1,64,1024"
    @Option(help: "What to call: put, get.") var workloads: [Workload] = [.put, .get]
    @Option(help: ArgumentHelp("Calls of a series, at most; 2000 for each client are enough.", valueName: "n"))
    var operations = 60_000
    @Option(help: ArgumentHelp("How long each value is.", valueName: "bytes")) var valueSize = 256
    @Option(help: ArgumentHelp("At most so many connections of etcd's clients.", valueName: "n")) var connections = 8
    @Option(help: ArgumentHelp("How often each series is run.", valueName: "n")) var passes = 5

    var counts: [Int] { get throws { try numbers(clients, of: "--clients", through: 16_384) } }

    func validate() throws {
        _ = try counts
        guard (etcd == nil) == (etcdBenchmark == nil) else {
            throw ValidationError("--etcd and --etcd-benchmark belong together")
        }
        guard (100...100_000_000).contains(operations) else {
            throw ValidationError("--operations \(operations): 100 to 100000000")
        }
        guard (1...1_000_000).contains(valueSize) else {
            throw ValidationError("--value-size \(valueSize): 1 to 1000000")
        }
        guard (1...1000).contains(connections) else { throw ValidationError("--connections \(connections): 1 to 1000") }
        guard (1...100).contains(passes) else { throw ValidationError("--passes \(passes): 1 to 100") }
    }

    func run() async throws {
        let report = try await cluster.withCluster { try await ServiceRun($0, self).report() }
        try cluster.print(report, report.text)
    }
}

enum Workload: String, ExpressibleByArgument, CaseIterable, Codable {
    case put, get
}
