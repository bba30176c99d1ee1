internal import ArgumentParser
internal import RaftClient
internal import RaftTransport

struct Compact: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forget the history of changes through a revision.",
        discussion: """
            The keys stay as they are. No watch can begin at or before that revision then. The leader does the same by \
            itself for what exceeds --history-revisions, --history-bytes and --history-age of `raft serve`.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The last revision to forget.") var revision: UInt64
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let through = try await options.withClient(.client) { client, _ in
            try await client.compact(through: revision)
        }
        switch options.output {
        case .table: try Console.out("compacted through \(through)\n", orLeaveWith: .unwritten)
        case .json:
            try Console.out(
                JSON.object([.init("compacted", .number(through))]).text + "\n", orLeaveWith: .unwritten)
        }
    }
}
