internal import ArgumentParser
internal import RaftClient
internal import RaftTransport

struct MemberList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show the members, and how far each has come.",
        discussion: """
            LAG is how many entries a member is behind the leader, ? while the leader does not know. Works without a \
            leader, too, as far as somebody answers.

            \(Failure.exitCodeHelp)
            """)

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let members = try await options.withClient(.admin) { client, context in
            try await Self.gather(client, context)
        }
        switch options.output {
        case .table:
            try Console.out(members.table.text(color: Console.usesColor))
            for note in members.notes { try Console.out("\(note)\n") }
        case .json: try Console.out(members.json.text + "\n")
        }
    }

    /// - Throws: when nobody answers.
    static func gather(_ client: KeyValueClient, _ context: ClusterContext) async throws -> MemberView {
        MemberView(try await Status.gather(client, context))
    }
}
