internal import ArgumentParser
internal import Raft
internal import RaftClient

struct MemberReplace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace",
        abstract: "Change all voters at once.",
        discussion: """
            The voters are those named, from now on; learners among them must have caught up. The others are no members any
            more, or learners with --keep. While such a change is under way --redirect ends it with other voters; the old ones
            take it back.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: ArgumentHelp("The voters: 4,5,6.", valueName: "ids")) var voters: String
    @Flag(help: "Keep those who lose their vote as learners.") var keep = false
    @Flag(help: "Of a change that is under way: end it with these voters instead.") var redirect = false
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        let voters = try MembersArgument.ids(voters)
        if redirect, keep { throw Failure(.usage, "--redirect and --keep exclude each other; give one of them") }
        try await options.make(
            redirect ? .redirect(to: voters) : .replaceVoters(voters, keepingOthers: keep))
    }
}
