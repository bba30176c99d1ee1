internal import ArgumentParser
internal import Raft

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find out whether a machine will do for a node.",
        subcommands: [CheckDisk.self])
}

struct CheckDisk: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disk",
        abstract: "Measure how fast a disk makes writes durable, and say whether that will do.",
        discussion: """
            Writes and syncs a file of \(DiskProbe.fileBytes >> 20) MiB in the directory, as a log is written, and \
            removes it. An entry is acknowledged after one sync on a majority; an election waits for four, one after \
            another; and a leader whose disk does not answer for the least election timeout gives its office up. Leaves \
            with 1 when the disk will not do. Run it while the disk does whatever else it has to do.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: ArgumentHelp("An existing directory on the disk.", valueName: "dir")) var directory: String

    @Option(
        help: ArgumentHelp("The --election-timeout of the nodes that will use it. Default: 1s.", valueName: "time"),
        transform: { try TimeArgument(parsing: $0) })
    var electionTimeout = TimeArgument(.seconds(1))

    @Option(
        help: ArgumentHelp("How long to measure at most.", valueName: "time"),
        transform: { try TimeArgument(parsing: $0) })
    var time = TimeArgument(.seconds(10))

    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func run() throws {
        let probe: DiskProbe
        do throws(RaftError) {
            probe = try DiskProbe(in: directory, atMost: time.duration)
        } catch {
            throw Failure(error)
        }
        let verdict = DiskVerdict(syncs: probe.syncs, electionTimeout: electionTimeout.duration)
        switch output {
        case .table: try Console.out(Self.text(probe, verdict))
        case .json: try Console.out(Self.json(probe, verdict).text + "\n")
        }
        if verdict.fitness == .unfit { throw Failure(.refused, "") }
    }

    static func text(_ probe: DiskProbe, _ verdict: DiskVerdict) -> String {
        var table = Table(["WRITES", "BYTES EACH"] + BenchReport.shares.map { $0.name.uppercased() } + ["MAX"])
        let times = BenchReport.shares.map { probe.syncs.percentile($0.share) } + [probe.syncs.maximum]
        table.add(
            (["\(probe.syncs.count)", "\(DiskProbe.writeBytes)"] + times.map(BenchReport.shown)).map { .init($0) })
        return table.text(color: Console.usesColor)
            + "in large writes: \(probe.bytesPerSecond >> 20) MiB/s\n\(verdict.fitness.rawValue): \(verdict.reason)\n"
    }

    static func json(_ probe: DiskProbe, _ verdict: DiskVerdict) -> JSON {
        .object(
            [
                .init("writes", .number(UInt64(probe.syncs.count))),
                .init("writeBytes", .number(UInt64(DiskProbe.writeBytes))),
            ]
                + BenchReport.shares.map { .init("\($0.name)Nanoseconds", .number(probe.syncs.percentile($0.share))) }
                + [
                    .init("maximumNanoseconds", .number(probe.syncs.maximum)),
                    .init("bytesPerSecond", .number(UInt64(probe.bytesPerSecond))),
                    .init("verdict", .string(verdict.fitness.rawValue)), .init("reason", .string(verdict.reason)),
                ])
    }
}
