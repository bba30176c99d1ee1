internal import ArgumentParser
internal import Raft
internal import RaftClient

struct MemberDemote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demote",
        abstract: "Take a voter's vote; it stays as a learner.",
        discussion: """
            A leader may be demoted, too: it leads until that is committed, and another is elected.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The voter's id.", transform: { try NodeArgument(parsing: $0) }) var node: NodeArgument
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        try await options.make(.demote(node.id))
    }
}
