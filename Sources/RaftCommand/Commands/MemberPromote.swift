internal import ArgumentParser
internal import Raft
internal import RaftClient

struct MemberPromote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote",
        abstract: "Give a learner a vote.",
        discussion: """
            Refused while the learner lags or cannot be reached: it would only count as lost.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The learner's id.") var node: NodeArgument
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        try await options.make(.promote(node.id))
    }
}
