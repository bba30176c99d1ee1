internal import ArgumentParser
internal import Benchmarking
internal import Raft
internal import RaftClient

struct MembershipCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "membership",
        abstract: "Change the members under a steady load of puts: grow, replace one by one and all at once, shrink.",
        discussion: """
            Real `raft serve` processes over mutual TLS: 1 → 3 → 5 voters, each of the five replaced in turn, the whole \
            set replaced in one change, 5 → 3 → 1. Every put has a key of its own and is read back at the end.

            An error is a definite refusal (nothing happened, and nothing will), or its outcome is unknown (it may have \
            happened). Both are counted by kind; of each put with an unknown outcome it is said whether it was found. \
            An unknown outcome is no lost write, but it is not a definite refusal either: it fails the run.

            A pause is the time from one acknowledgement to the next. Of a move of leadership, "in all" is the sum of \
            the pauses of at least a tenth of an election timeout, from one election timeout before the old leader was \
            last seen to one after the new one was first seen.

            Leaves with 1 when an acknowledged write was lost, a refused one was applied, or an outcome was unknown.
            """)

    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var load: LoadOptions
    @Option(help: ArgumentHelp("How long to go on after each change.", valueName: "seconds")) var settle = 3.0
    @Flag(help: "Make puts in sessions: again when a result is lost, and applied once.") var sessions = false

    func validate() throws {
        guard settle >= 0, settle <= 600 else { throw ValidationError("--settle \(settle): 0 to 600 seconds") }
    }

    func run() async throws {
        let report = try await cluster.withCluster { cluster in
            try await MembershipRun(cluster, self).report()
        }
        try cluster.print(report, report.text)
        if !report.isSound { throw ExitCode(1) }
    }
}
