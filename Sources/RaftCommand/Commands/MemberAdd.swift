internal import ArgumentParser
internal import Raft
internal import RaftClient

struct MemberAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Take a node in, as a learner.",
        discussion: """
            The node must be new, or have been removed, and its data directory empty: start it with `raft serve --join`. It gets the
            log, and has no vote before `raft member promote`. Adding a member again does nothing.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The node's id.") var node: NodeArgument
    @Argument(help: "Where the others reach it: host:port.") var address: String
    @Flag(help: "Return only when it has caught up and can be promoted; give it time with --timeout.") var wait = false
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        try MembersArgument.checkAddress(address, "address")
        try await options.make(.add(node.id, address: address), waiting: wait)
    }
}
