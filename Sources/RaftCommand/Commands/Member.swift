internal import ArgumentParser
internal import Raft
internal import RaftClient
internal import RaftTransport

struct Member: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show and change who belongs to the cluster.",
        discussion: """
            A node joins as a learner (`raft serve --join` there, `raft member add` here), catches up, and is promoted. \
            Changes need an admin certificate and a leader; each command returns once its change is committed, and \
            waits while another change is under way.
            """,
        subcommands: [
            MemberList.self, MemberAdd.self, MemberPromote.self, MemberDemote.self, MemberRemove.self,
            MemberReplace.self, MemberMove.self, MemberLeases.self,
        ])
}

/// What every command takes that changes the members.
struct MemberChangeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Only if the members are still those of this entry, as `raft member list` names it, such as 41@3.",
            valueName: "index@term"), transform: { try EntryArgument(parsing: $0) })
    var ifEntry: EntryArgument?

    @OptionGroup var client: ClientOptions

    /// Makes the change, and prints who belongs to the cluster after it.
    func make(_ request: MembershipRequest, waiting: Bool = false) async throws {
        let members = try await client.withClient(.admin) { client, context in
            try await client.changeMembership(
                request, waiting: waiting, ifUnchangedSince: ifEntry?.id, timeout: self.client.timeout.duration)
            // It is done, whoever can tell how it looks now.
            return try? await MemberList.gather(client, context)
        }
        guard let members else { return }
        switch client.output {
        case .table: try Console.out(members.table.text(color: Console.usesColor), orLeaveWith: .unwritten)
        case .json: try Console.out(members.json.text + "\n", orLeaveWith: .unwritten)
        }
    }
}

/// An entry as the program prints it: `41@3`, index and term.
struct EntryArgument: Hashable {
    let id: LogID

    /// - Throws: a sentence that says what is wrong with `text`.
    init(parsing text: String) throws(ArgumentProblem) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = UInt64(parts[0]), let term = UInt64(parts[1]), index > 0 else {
            throw ArgumentProblem(
                "\"\(text)\" is no entry; write index@term as `raft member list` prints it, such as 41@3")
        }
        id = LogID(term: Term(term), index: LogIndex(index))
    }
}

/// A member's id on the command line.
struct NodeArgument: Hashable {
    let id: NodeID

    /// - Throws: a sentence that says what is wrong with `text`.
    init(parsing text: String) throws(ArgumentProblem) {
        guard let number = UInt64(text), number > 0 else {
            throw ArgumentProblem(
                "\"\(text)\" is no node's id; write a whole number above 0, as `raft member list` prints it")
        }
        id = NodeID(number)
    }
}
