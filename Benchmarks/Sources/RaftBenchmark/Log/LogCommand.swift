internal import ArgumentParser
internal import Benchmarking
internal import Foundation

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Write a log with one fdatasync per batch, and start on it, beside the bare system calls.",
        discussion: """
            The production log, on a real disk, in this process: batches of as many entries as proposals wait, each \
            written and synced before the next. Between them, in turns of the same length, the same number of bytes by \
            bare pwrite and fdatasync into a file that was filled with zeros as segments are. Syncs are counted where \
            the log calls the system.

            Then a log of --mebibytes is opened, and beside it its files are read once with nothing but the checksum \
            of every byte; both from the page cache, again in turns.

            Goals: at least 90 % of the bare calls' batches, and 70 % of the bare reading's speed. A missed goal is \
            printed, and is no failure of the run.
            """)

    @Option(
        help: ArgumentHelp(
            "Make the directory of the data in this one; it should be on a real disk. Default: the temporary directory.",
            valueName: "dir"))
    var data: String?
    @Option(help: ArgumentHelp("How many proposals wait for each write.", valueName: "list")) var waiting = "1,16,256"
    @Option(help: ArgumentHelp("How many batches of each.", valueName: "n")) var batches = 2000
    @Option(help: ArgumentHelp("How long each command is.", valueName: "bytes")) var valueSize = 256
    @Option(help: ArgumentHelp("How much log there is to be opened.", valueName: "MiB")) var mebibytes = 1024
    @Option(help: ArgumentHelp("How often it is opened, and read bare.", valueName: "n")) var openings = 3
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    var counts: [Int] { get throws { try numbers(waiting, of: "--waiting", through: 10_000) } }

    func validate() throws {
        _ = try counts
        guard (100...1_000_000).contains(batches) else { throw ValidationError("--batches \(batches): 100 to 1000000") }
        guard (1...100_000).contains(valueSize) else { throw ValidationError("--value-size \(valueSize): 1 to 100000") }
        guard (64...65_536).contains(mebibytes) else { throw ValidationError("--mebibytes \(mebibytes): 64 to 65536") }
        guard (1...100).contains(openings) else { throw ValidationError("--openings \(openings): 1 to 100") }
    }

    func run() async throws {
        let parent = data ?? NSTemporaryDirectory()
        let directory = (parent.hasSuffix("/") ? parent : parent + "/") + "raft-benchmark-log-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let run = LogRun(directory: directory, valueSize: valueSize)
        let report = LogReport(
            appends: try counts.map { try run.appends(waiting: $0, batches: batches) },
            opening: try run.opening(mebibytes: mebibytes, times: openings))
        try output.print(report, report.text)
    }
}
