internal import ArgumentParser
internal import Benchmarking

struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Write to three nodes in this process, in memory: what the core alone does.",
        discussion: """
            Three nodes with logs in memory that call each other directly, and an empty command: nothing is measured but \
            the core and its callers. A closed loop: each client has one call under way, of one command or of --batch, \
            and the clock stops when the last one is applied. The same work as the benchmark of openraft's minimal \
            cluster.

            Callers are tasks on an executor that a node offers (RaftNode.taskExecutor, "node"), or on the default pool \
            of Swift's concurrency ("pool"), or call again in the completion of the call before ("completion"). The nodes share one loop, or each has threads of its own (--loops).

            Beside each, in the same run, the floor: the same callers ask somebody on the same loop who answers at once, \
            and do nothing else. The median of --rounds.
            """)

    @Option(help: ArgumentHelp("How many clients, one series each.", valueName: "list"))
    var clients = "1,64,256,1024,4096"
    @Option(help: ArgumentHelp("Commands of a series.", valueName: "n")) var operations = 200_000
    @Option(help: ArgumentHelp("Commands of one call.", valueName: "n")) var batch = 1
    @Option(help: ArgumentHelp("How long each command is.", valueName: "bytes")) var valueSize = 0
    @Option(help: "Who calls: node, pool, completion.") var callers: [Callers] = Callers.allCases
    @Option(help: "What the nodes run on: one loop, or threads of their own.") var loops = Loops.one
    @Option(help: ArgumentHelp("How often each series is run.", valueName: "n")) var rounds = 5
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    private var counts: [Int] { get throws { try numbers(clients, of: "--clients", through: 65_536) } }

    func validate() throws {
        _ = try counts
        guard (1000...100_000_000).contains(operations) else {
            throw ValidationError("--operations \(operations): 1000 to 100000000")
        }
        guard (1...10_000).contains(batch) else { throw ValidationError("--batch \(batch): 1 to 10000") }
        guard (0...1_000_000).contains(valueSize) else {
            throw ValidationError("--value-size \(valueSize): 0 to 1000000")
        }
        guard (1...100).contains(rounds) else { throw ValidationError("--rounds \(rounds): 1 to 100") }
    }

    func run() async throws {
        var report = ClusterReport(batch: batch, valueSize: valueSize, loops: "\(loops)", series: [])
        for callers in callers {
            for count in try counts {
                Output.note("\(count) clients on \(callers)")
                report.series.append(
                    try await ClusterRun(
                        clients: count, calls: max(1, operations / batch / count), batch: batch, valueSize: valueSize,
                        callers: callers, loops: loops
                    ).series(rounds: rounds))
            }
        }
        try output.print(report, report.text)
    }
}

enum Callers: String, ExpressibleByArgument, CaseIterable, Codable {
    /// On the executor that the leader offers.
    case node
    /// On the default pool.
    case pool
    /// No tasks at all: each call is made in the completion of the one before.
    case completion
}

enum Loops: String, ExpressibleByArgument, CaseIterable {
    /// One thread for all three nodes.
    case one
    /// Threads of each node's own, as an application has them.
    case own
}
