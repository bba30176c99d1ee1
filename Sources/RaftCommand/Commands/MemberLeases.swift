internal import ArgumentParser
internal import Raft
internal import RaftClient

struct MemberLeases: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leases",
        abstract: "Let the leader serve reads by a lease, or end that.",
        discussion: """
            Voters elect nobody else for so long after they have heard a leader, on their own clocks, and for so long \
            after a start. Reads with --lease then cost no round of messages, and may miss writes if a clock runs \
            wrong by more than a thousandth.

            \(Failure.exitCodeHelp)
            """)

    @Argument(
        help: ArgumentHelp(
            "How long, such as 900ms; not above the election timeout of any node. 0 for no leases.", valueName: "time"),
        transform: { try LeaseArgument(parsing: $0) })
    var window: LeaseArgument
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        try await options.make(.allowLeases(window.duration))
    }
}

/// A time, or none.
struct LeaseArgument: Hashable {
    let duration: Duration?

    /// - Throws: a sentence that says what is wrong with `text`.
    init(parsing text: String) throws(ArgumentProblem) {
        duration = text == "0" ? nil : try TimeArgument(parsing: text).duration
    }
}
