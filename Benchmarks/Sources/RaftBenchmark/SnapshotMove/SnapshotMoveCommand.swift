internal import ArgumentParser
internal import Benchmarking

struct SnapshotMoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot-move",
        abstract: "Move a large state to a new node by snapshot while puts go on; and again with its connection cut.",
        discussion: """
            Real `raft serve` processes over mutual TLS: three voters with a state of --mebibytes, and one new node at a \
            time that gets it: throttled to --throttle, unthrottled, unthrottled through a proxy, and through the proxy \
            that cuts the snapshot's connection three times, after a quarter, a half and three quarters.

            "During" is from the moment the node is added until it has caught up. The transfer's rate is from the first \
            to the last byte in the new node's file. Bytes are those of the snapshot's connections towards the new \
            node, as the proxy passed them on, TLS and frames included.

            Leaves with 1 when a put failed other than by a definite refusal, or a node did not get its state by \
            snapshot; a missed goal is printed, and is no failure of the run.
            """)

    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var load: LoadOptions
    @Option(help: ArgumentHelp("How much state there is, from 64.", valueName: "MiB")) var mebibytes = 512
    @Option(help: ArgumentHelp("The rate of the throttled run.", valueName: "MiB/s")) var throttle = 64
    @Option(help: ArgumentHelp("How long puts go on before each node is added.", valueName: "seconds")) var before =
        10.0
    @Option(
        help: ArgumentHelp(
            "Only these runs, of throttled, unthrottled, proxied and cut; cut needs proxied before it.",
            valueName: "list"))
    var runs = "throttled,unthrottled,proxied,cut"

    var kinds: [SnapshotMoveReport.Kind] {
        get throws {
            try runs.split(separator: ",").map { name in
                guard let kind = SnapshotMoveReport.Kind(rawValue: String(name)) else {
                    throw ValidationError("--runs \(runs): \"\(name)\" is none of them")
                }
                return kind
            }
        }
    }

    func validate() throws {
        // Of less the log would be kept whole behind the snapshot, and the node would get that.
        guard (64...65_536).contains(mebibytes) else {
            throw ValidationError("--mebibytes \(mebibytes): 64 to 65536")
        }
        guard (1...100_000).contains(throttle) else {
            throw ValidationError("--throttle \(throttle): 1 to 100000 MiB/s")
        }
        guard before >= 1, before <= 3600 else { throw ValidationError("--before \(before): 1 to 3600 seconds") }
        guard try !kinds.isEmpty else { throw ValidationError("--runs names none") }
    }

    func run() async throws {
        let kinds = try kinds
        let report = try await cluster.withCluster { cluster in
            try await SnapshotMoveRun(cluster, self).report(kinds)
        }
        try cluster.print(report, report.text)
        if !report.isSound { throw ExitCode(1) }
    }
}
