internal import ArgumentParser
internal import Raft
internal import RaftClient

struct MemberPromote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote",
        abstract: "Give a learner a vote.",
        discussion: """
            Refused while the learner lags or cannot be reached: it would only count as lost. With --when-ready the leader
            gives it the vote by itself once it has caught up and has been steady for a while (`raft serve
            --steady-after`); --no-when-ready takes that wish back.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The learner's id.", transform: { try NodeArgument(parsing: $0) }) var node: NodeArgument
    @Flag(inversion: .prefixedNo, help: "Not now, but once it is ready.") var whenReady: Bool?
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        try await options.make(whenReady.map { .promoteWhenReady(node.id, $0) } ?? .promote(node.id))
    }
}
