internal import ArgumentParser
internal import Benchmarking

struct FloodCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flood",
        abstract: "Put at a steady rate while others hold handshakes open and fail at them.",
        discussion: """
            Three real `raft serve` processes over mutual TLS. After --before seconds of puts alone come --seconds of them \
            beside --half-open connections that begin a handshake and never go on, from --addresses addresses, 127.0.0.2 \
            and up, of which --opening are given up and begun anew each second; and beside --failing handshakes a \
            second with a certificate that nobody lets in. The attackers are on this machine, and take their share of \
            it.

            Leaves with 1 when an acknowledged write was lost, a refused one was applied, or the leader changed; a missed \
            goal is printed, and is no failure of the run.
            """)

    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var load: LoadOptions
    @Option(help: ArgumentHelp("How long puts go on alone, before and after.", valueName: "seconds")) var before = 20.0
    @Option(help: ArgumentHelp("How long the attack goes on.", valueName: "seconds")) var seconds = 60.0
    @Option(help: ArgumentHelp("How many handshakes are held open at once.", valueName: "n")) var halfOpen = 10_000
    @Option(help: ArgumentHelp("How many of them begin each second.", valueName: "n")) var opening = 1000
    @Option(help: ArgumentHelp("How many handshakes fail each second.", valueName: "n")) var failing = 200.0

    @Option(help: ArgumentHelp("From how many addresses all of that comes.", valueName: "n")) var addresses = 250

    func validate() throws {
        for (name, value) in [("--before", before), ("--seconds", seconds)] {
            guard value >= 1, value <= 3600 else { throw ValidationError("\(name) \(value): 1 to 3600 seconds") }
        }
        guard (1...18_000).contains(halfOpen) else { throw ValidationError("--half-open \(halfOpen): 1 to 18000") }
        guard (100...100_000).contains(opening) else { throw ValidationError("--opening \(opening): 100 to 100000") }
        guard (1...250).contains(addresses) else { throw ValidationError("--addresses \(addresses): 1 to 250") }
        guard failing > 0, failing <= 10_000 else { throw ValidationError("--failing \(failing): above 0, to 10000") }
    }

    func run() async throws {
        let report = try await cluster.withCluster { cluster in try await FloodRun(cluster, self).report() }
        try cluster.print(report, report.text)
        if !report.isSound { throw ExitCode(1) }
    }
}
