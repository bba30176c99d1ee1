internal import ArgumentParser
internal import Benchmarking

struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Apply puts to the key-value machine in runs of several sizes, beside bare LMDB.",
        discussion: """
            The machine of a node, in this process, on the disk: puts of keys of 16 bytes, at random out of --keys, as \
            committed entries of the log in runs of each size. What a run costs is to decode its commands, one \
            transaction with all of them, the history of what they changed and the position in the log, and a commit \
            that syncs nothing. After each, in the same pass, the same keys and values into a bare LMDB with the same \
            flags, in the same directory, with a commit for each run: no decoding, no history, no position.

            The map of both is large enough from the start. Between passes the machine forgets its history, as a node \
            does now and then; that is not measured.
            """)

    @Option(help: ArgumentHelp("How many commands there are in a run.", valueName: "list")) var runs = "1,16,256"
    @Option(help: ArgumentHelp("How many commands of each, in each pass.", valueName: "n")) var commands = 20_000
    @Option(help: ArgumentHelp("How many different keys; all are there before it begins.", valueName: "n"))
    var keys = 100_000
    @Option(help: ArgumentHelp("How long each value is.", valueName: "bytes")) var valueSize = 256
    @OptionGroup var pass: PassOptions
    @OptionGroup var directory: DirectoryOptions

    var counts: [Int] { get throws { try numbers(runs, of: "--runs", through: 10_000) } }

    func validate() throws {
        _ = try counts
        guard (100...10_000_000).contains(commands) else {
            throw ValidationError("--commands \(commands): 100 to 10000000")
        }
        guard (1...10_000_000).contains(keys) else { throw ValidationError("--keys \(keys): 1 to 10000000") }
        guard (1...100_000).contains(valueSize) else { throw ValidationError("--value-size \(valueSize): 1 to 100000") }
    }

    func run() async throws {
        let counts = try counts
        let report = try await directory.withDirectory { path in
            let run = try ApplyRun(path, self)
            defer { run.close() }
            return ApplyReport(
                keys: keys, valueBytes: valueSize, series: try counts.map { try run.series(run: $0) })
        }
        try pass.print(report, report.text)
    }
}
