internal import ArgumentParser
internal import Benchmarking

struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Build, read and install a snapshot of the key-value state, beside bare files and bare LMDB.",
        discussion: """
            What a node does with a snapshot by itself, in this process, on the disk: a state of --mebibytes is read \
            out of the machine and written as a snapshot's file until that is durable; then all of it is read and \
            checked, as for a member that needs it; then another machine takes it over. After each, in the same pass, \
            its floor: as many bytes written to a new file and synced at the end; the file read with nothing but the \
            checksum of every byte, both from the page cache; the same keys and values put into a bare LMDB, in order, \
            a MiB with each commit.

            A machine that takes a state over begins with a small map and lets it grow, as a new member's does; the \
            bare one has its map from the start. The way over the wire is what `snapshot-move` measures.
            """)

    @Option(help: ArgumentHelp("How large the state is.", valueName: "MiB")) var mebibytes = 256
    @Option(help: ArgumentHelp("How long each value is.", valueName: "bytes")) var valueSize = 1024
    @OptionGroup var pass: PassOptions
    @OptionGroup var directory: DirectoryOptions

    func validate() throws {
        guard (1...16_384).contains(mebibytes) else { throw ValidationError("--mebibytes \(mebibytes): 1 to 16384") }
        guard (1...1_000_000).contains(valueSize) else {
            throw ValidationError("--value-size \(valueSize): 1 to 1000000")
        }
    }

    func run() async throws {
        let report = try await directory.withDirectory { path in
            let run = try SnapshotRun(path, self)
            defer { run.close() }
            return try run.report()
        }
        try pass.print(report, report.text)
    }
}
