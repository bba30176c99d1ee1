internal import ArgumentParser
internal import Raft
internal import RaftClient
internal import RaftTransport

struct Leader: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show who leads, pass leadership on, and say who should lead.",
        subcommands: [LeaderShow.self, LeaderTransfer.self, LeaderPrefer.self])
}

struct LeaderShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show who leads, and who should.",
        discussion: """
            Works without a leader, too, as far as somebody answers.

            \(Failure.exitCodeHelp)
            """)

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let view = try await options.withClient(.admin) { client, context in
            LeaderView(try await Status.gather(client, context))
        }
        try Leader.print(view, options.output)
    }
}

struct LeaderTransfer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transfer",
        abstract: "Pass leadership to another voter.",
        discussion: """
            The leader brings the other up to date and tells it to campaign; writes are refused meanwhile, for at most one \
            election timeout. Returns once the other leads. Where it does not come about, the old leader leads on and \
            says why. Done already when that node leads. A preferred member gets leadership back after a while: see \
            `raft leader prefer`.

            \(Failure.exitCodeHelp)
            """)

    @Argument(
        help: ArgumentHelp(
            "The voter's id. Default: the fittest one, a preferred one first.", valueName: "id"),
        transform: { try NodeArgument(parsing: $0) })
    var node: NodeArgument?

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let view = try await options.withClient(.admin) { client, context in
            let before = LeaderView(try await Status.gather(client, context))
            if let node, before.leader == node.id.rawValue { return before }
            let watch = Task { await Self.watch(client, context) }
            defer { watch.cancel() }
            do {
                try await client.transferLeadership(to: node?.id, timeout: options.timeout.duration)
            } catch {
                // Somebody else may have asked for the same meanwhile, or it came about and the answer was lost.
                guard let node, let status = try? await Status.gather(client, context),
                    case let view = LeaderView(status), view.leader == node.id.rawValue
                else { throw error }
                return view
            }
            return try await Self.successor(of: before, client, context, options.timeout.duration)
        }
        try Leader.print(view, options.output, orLeaveWith: .unwritten)
        if let node, view.leader != node.id.rawValue {
            throw Failure(.unknown, "leadership was passed on, but \(view.headline); ask again")
        }
    }

    /// Says on standard error how far the leader has come.
    private static func watch(_ client: KeyValueClient, _ context: ClusterContext) async {
        var told: String?
        while !Task.isCancelled {
            if let status = try? await Status.gather(client, context), let line = LeaderView(status).progress,
                line != told, !Task.isCancelled
            {
                told = line
                Console.error(line)
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Waits until somebody leads a later term. Whoever cannot tell in time shows what is known.
    private static func successor(
        of before: LeaderView, _ client: KeyValueClient, _ context: ClusterContext, _ timeout: Duration
    ) async throws -> LeaderView {
        let clock = ContinuousClock()
        let end = clock.now + timeout
        var view = before
        while true {
            if let status = try? await Status.gather(client, context) { view = LeaderView(status) }
            if view.leader != nil, view.term > before.term { return view }
            guard clock.now < end else { return view }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}

struct LeaderPrefer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prefer",
        abstract: "Say whether a member should lead, may, or must not.",
        discussion: """
            Part of the members' list, so it holds whoever leads. Leadership moves to a preferred voter once that has \
            caught up and is steady, not more often than `raft serve --preference-interval` says, and never from one \
            preferred voter to another. One that is never to lead still votes; where it alone holds the newest log it \
            leads until another has caught up. Every node must run a version that knows of this.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The member's id.", transform: { try NodeArgument(parsing: $0) }) var node: NodeArgument
    @Argument(help: "preferred, ordinary or never.") var preference = PreferenceArgument(.preferred)
    @OptionGroup var options: MemberChangeOptions

    func run() async throws {
        let view = try await options.client.withClient(.admin) { client, context in
            try await client.changeMembership(
                .prefer(node.id, preference.value), ifUnchangedSince: options.ifEntry?.id,
                timeout: options.client.timeout.duration)
            // It is done, whoever can tell how it looks now.
            return (try? await Status.gather(client, context)).map(LeaderView.init)
        }
        if let view { try Leader.print(view, options.client.output, orLeaveWith: .unwritten) }
    }
}

/// A preference on the command line.
struct PreferenceArgument: Hashable, ExpressibleByArgument {
    let value: LeadershipPreference
    init(_ value: LeadershipPreference) { self.value = value }
    init?(argument: String) {
        guard let found = LeadershipPreference.allCases.first(where: { $0.word == argument }) else { return nil }
        value = found
    }
    var defaultValueDescription: String { value.word }
    static var allValueStrings: [String] { ["preferred", "ordinary", "never"] }
}

extension Leader {
    static func print(
        _ view: LeaderView, _ output: OutputFormat, orLeaveWith code: Failure.Code = .refused
    ) throws(Failure) {
        switch output {
        case .table:
            try Console.out(view.headline + "\n" + view.table.text(color: Console.usesColor), orLeaveWith: code)
            if let progress = view.progress { try Console.out(progress + "\n", orLeaveWith: code) }
        case .json: try Console.out(view.json.text + "\n", orLeaveWith: code)
        }
    }
}
