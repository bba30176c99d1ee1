internal import ArgumentParser
internal import Benchmarking

struct DurableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "durable",
        abstract: "Write to three nodes in this process, with logs on the disk and mutual TLS between them, and read.",
        discussion: """
            Three nodes as a program embeds them: each with the production log in a directory of its own, its own event \
            loop and threads, and the production transport with mutual TLS over loopback; no clients' protocol. A closed \
            loop: each caller has one call under way, and the clock stops when the last one is answered. Every write is \
            on the disks of a majority before it is. The same work as the benchmarks of libraries such as dragonboat and \
            hashicorp/raft.

            Beside them the floors, in the same run: one fdatasync, and one round trip of a bare TLS stream, as they \
            are for a single caller; ONE CALLER'S FLOOR is their sum over the time of one call. Syncs are those of the \
            leader's disk. The median of --rounds.
            """)

    @Option(help: ArgumentHelp("How many callers, one series each.", valueName: "list")) var clients = "1,64,256,1024"
    @Option(help: ArgumentHelp("How long a series is about to last.", valueName: "s")) var seconds = 3.0
    @Option(help: ArgumentHelp("How long each command is.", valueName: "bytes")) var valueSize = 16
    @Option(help: "Who calls: node, pool, completion.") var callers = [Callers.node, .completion]
    @OptionGroup var directory: DirectoryOptions
    @Option(help: ArgumentHelp("How often each series is run.", valueName: "n")) var rounds = 5
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    private var counts: [Int] { get throws { try numbers(clients, of: "--clients", through: 65_536) } }

    func validate() throws {
        _ = try counts
        guard seconds >= 0.1, seconds <= 600 else { throw ValidationError("--seconds \(seconds): 0.1 to 600") }
        guard (0...1_000_000).contains(valueSize) else {
            throw ValidationError("--value-size \(valueSize): 0 to 1000000")
        }
        guard (1...100).contains(rounds) else { throw ValidationError("--rounds \(rounds): 1 to 100") }
    }

    func run() async throws {
        let report = try await directory.withDirectory { directory in
            try await DurableRun(
                counts: try counts, callers: callers, seconds: seconds, valueSize: valueSize, directory: directory
            ).report(rounds: rounds)
        }
        try output.print(report, report.text)
    }
}
