internal import ArgumentParser
internal import Benchmarking

struct FailoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "failover",
        abstract: "Take the leader away under load, by kill -9 and by silence; start all anew; and do nothing at all.",
        discussion: """
            Three real `raft serve` processes over mutual TLS. First nothing is asked of them: what does each take? Then \
            puts at a fixed rate, and again and again the leader is killed (its connections break) or stopped where it \
            stands (they stay, and nothing comes): how long until a put is acknowledged that was made after that? The \
            old leader comes back with its data before the next turn. At last all three are killed and started at the \
            same time: how long until the first put?

            Everything is counted with what the clients need to find the new leader.

            Goals (a missed one is printed, and is no failure of the run): killed, a median of 250 ms, and two election \
            timeouts at worst; silent, a median of 1.5 election timeouts; a cold start 300 ms, with timeouts that \
            allow it (--election-timeout 150); idle, half a percent of a processor and 25 MiB.

            Leaves with 1 when an acknowledged write was lost or a refused one was applied.
            """)

    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var load: LoadOptions
    @Option(help: ArgumentHelp("How often the leader is killed.", valueName: "n")) var kills = 50
    @Option(help: ArgumentHelp("How often it is stopped where it stands.", valueName: "n")) var stops = 20
    @Option(help: ArgumentHelp("How often all three are started at the same time.", valueName: "n")) var starts = 20
    @Option(help: ArgumentHelp("How long nothing is asked of them.", valueName: "seconds")) var idle = 20.0

    func validate() throws {
        for (name, count) in [("--kills", kills), ("--stops", stops), ("--starts", starts)]
        where !(0...10_000).contains(count) {
            throw ValidationError("\(name) \(count): 0 to 10000")
        }
        guard idle >= 1, idle <= 3600 else { throw ValidationError("--idle \(idle): 1 to 3600 seconds") }
    }

    func run() async throws {
        let report = try await cluster.withCluster { try await FailoverRun($0, self).report() }
        try cluster.print(report, report.text)
        if !report.verdict.isSound { throw ExitCode(1) }
    }
}
