internal import ArgumentParser
internal import Benchmarking

struct CountsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "counts",
        abstract: "Count the instructions, allocations and system calls of one operation.",
        discussion: """
            Counts and not times: they come out the same on a busy machine and on a quiet one, so that a change of a \
            hundredth is seen. Each kind of work runs in a process of its own, twice, the second time with four times \
            the operations; the difference is what they take, without the start.

            Instructions are counted by valgrind's callgrind, in user space: of all, and of those in the one part that is named beside \
            them and in what it calls. Allocations are counted by its memcheck; system calls by perf (or, where it \
            may not, not at all). What is not installed counts nothing, and says so. Where several calls are under way \
            how many of them share a turn depends on the machine; with one caller every operation is alone.

            Linux only; needs valgrind, strip and perf, and the right to count system calls (root, as a rule).
            """)

    @Option(help: "Only these kinds of work.") var work: [CountedWork] = CountedWork.allCases
    @Option(help: ArgumentHelp("How many operations the first run has.", valueName: "n")) var operations = 1024
    @OptionGroup var directory: DirectoryOptions
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func validate() throws {
        guard (1024...1_000_000).contains(operations) else {
            throw ValidationError("--operations \(operations): 1024 to 1000000")
        }
    }

    func run() async throws {
        let report = try await directory.withDirectory { directory in
            try CountsRun(operations: operations, directory: directory).report(work)
        }
        try output.print(report, report.text)
    }
}

/// The counted process.
struct CountedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "counted", abstract: "Do one kind of work, for counts.", shouldDisplay: false)

    @Argument var work: CountedWork
    @Option var operations = 2000
    @OptionGroup var directory: DirectoryOptions

    func run() async throws { try await work.perform(operations, directory) }
}
