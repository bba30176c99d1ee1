internal import ArgumentParser
internal import Raft
internal import RaftClient

struct MemberAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Take a node in, as a learner.",
        discussion: """
            The node must be new, or have been removed, and its data directory empty: start it with `raft serve --join`. It gets the
            log, and has no vote before `raft member promote`, or, with --promote, before it has caught up and been steady for
            a while. Adding a member again does nothing.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The node's id.", transform: { try NodeArgument(parsing: $0) }) var node: NodeArgument
    @Argument(help: "Where the others reach it: host:port.") var address: String
    @Flag(help: "Return only when it has caught up and can be promoted; give it time with --timeout.") var wait = false
    @Flag(
        inversion: .prefixedNo,
        help: "Give it a vote by itself once it has caught up and is steady. Default: what the leader was started with."
    )
    var promote: Bool?
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        try MembersArgument.checkAddress(address, "address")
        try await options.make(.add(node.id, address: address, promotedWhenReady: promote), waiting: wait)
    }
}
