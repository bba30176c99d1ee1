internal import ArgumentParser
internal import Raft
internal import RaftClient

struct MemberRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take a member out, alive or dead.",
        discussion: """
            It is told so and may be stopped. Its id can be added again, with an empty data directory.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The member's id.", transform: { try NodeArgument(parsing: $0) }) var node: NodeArgument
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        try await options.make(.remove(node.id))
    }
}
