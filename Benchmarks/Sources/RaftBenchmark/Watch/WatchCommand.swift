internal import ArgumentParser
internal import Benchmarking

struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Many watches on one node under a load of changes, with and without stalled ones beside them.",
        discussion: """
            Three real `raft serve` processes over mutual TLS. --watchers watches, spread evenly over --keys keys, all on \
            one node: one that follows, or with --at-leader the leader. Puts come at --rate, an open loop, to the keys in \
            turn, each with the time at which it was due. A delivery counts from then to when the watching task has \
            the event, so it holds the put, its way to the node, and the way from there. Each watcher must see each \
            change of its key once, in order, and none may be missing at the end; anything else fails the run.

            Then the same again beside --stalled watches of all keys that take nothing, and in turns so --passes \
            times; figures are medians. Memory is that of the watched node, without views of files: what 1,000 watches \
            more add to it, and what is there at the end.

            Goal: with stalled watches beside them, the deliveries' p99 at most 1.25 times what it is without. A missed \
            goal is printed, and is no failure of the run.
            """)

    @OptionGroup var cluster: ClusterOptions
    @Option(help: ArgumentHelp("How many watches.", valueName: "n")) var watchers = 10_000
    @Option(help: ArgumentHelp("How many keys they are spread over; each put changes one.", valueName: "n"))
    var keys = 1000
    @Option(help: ArgumentHelp("Puts a second.", valueName: "n")) var rate = 1000.0
    @Option(help: ArgumentHelp("How long each value is.", valueName: "bytes")) var valueSize = 256
    @Option(help: ArgumentHelp("How long each load lasts.", valueName: "seconds")) var seconds = 10.0
    @Option(help: ArgumentHelp("How many watches take nothing.", valueName: "n")) var stalled = 100
    @Option(help: ArgumentHelp("How often each load is run.", valueName: "n")) var passes = 3
    @Flag(help: "Watch the leader.") var atLeader = false

    func validate() throws {
        guard (1...20_000).contains(watchers) else { throw ValidationError("--watchers \(watchers): 1 to 20000") }
        guard (1...watchers).contains(keys) else {
            throw ValidationError("--keys \(keys): 1 to the number of watches, which is \(watchers)")
        }
        guard rate >= 1, rate <= 100_000 else { throw ValidationError("--rate \(rate): 1 to 100000 puts a second") }
        guard (16...1_000_000).contains(valueSize) else {
            throw ValidationError("--value-size \(valueSize): 16 to 1000000")
        }
        guard seconds >= 1, seconds <= 3600 else { throw ValidationError("--seconds \(seconds): 1 to 3600") }
        guard (0...1000).contains(stalled) else { throw ValidationError("--stalled \(stalled): 0 to 1000") }
        guard (1...100).contains(passes) else { throw ValidationError("--passes \(passes): 1 to 100") }
    }

    func run() async throws {
        let report = try await cluster.withCluster { try await WatchRun($0, self).report() }
        try cluster.print(report, report.text)
    }
}
