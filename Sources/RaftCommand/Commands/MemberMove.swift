internal import ArgumentParser
internal import Raft
internal import RaftClient

struct MemberMove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move",
        abstract: "Say where a member listens from now on.",
        discussion: """
            The others call it there as soon as that is committed. Start the node with the new address first, or soon after.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The member's id.", transform: { try NodeArgument(parsing: $0) }) var node: NodeArgument
    @Argument(help: "Where the others reach it: host:port.") var address: String
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        try MembersArgument.checkAddress(address, "address")
        try await options.make(.changeAddress(node.id, to: address))
    }
}
