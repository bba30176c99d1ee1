internal import ArgumentParser
internal import Raft
internal import RaftClient
internal import RaftTransport

struct Session: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at the sessions of clients.",
        discussion: """
            A client with a session makes a call again when its result is lost, and the cluster applies it once. \
            Sessions end by themselves when nothing is heard of them for an hour.
            """,
        subcommands: [SessionListing.self])
}

struct SessionListing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show the sessions that one node has applied.",
        discussion: """
            Needs no leader; a node that lags behind shows an older list. REPLIES are commands whose reply the client \
            has not acknowledged yet, UNANSWERED is the lowest number of those. Below the table: since the node's \
            start, how many retries were answered with the first reply, how many commands were refused, and how many \
            sessions ended for their silence or to make room.

            \(Failure.exitCodeHelp)
            """)

    @Option(
        help: ArgumentHelp(
            "Ask this node. Default: the first endpoint of the context file that answers.", valueName: "host:port"))
    var endpoint: String?

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let list = try await options.withClient(.admin) { client, context in
            let endpoints = endpoint.map { [$0] } ?? context.endpoints
            for other in endpoints.dropLast() {
                if let list = try? await client.listSessions(of: other, timeout: options.timeout.duration) {
                    return list
                }
            }
            return try await client.listSessions(of: endpoints[endpoints.count - 1], timeout: options.timeout.duration)
        }
        switch options.output {
        case .table: try Console.out(Self.text(list, color: Console.usesColor), orLeaveWith: .unwritten)
        case .json: try Console.out(Self.json(list).text + "\n", orLeaveWith: .unwritten)
        }
    }

    static func text(_ list: SessionList, color: Bool) -> String {
        var table = Table(["SESSION", "LAST ACTIVE", "UNANSWERED", "REPLIES", "BYTES"])
        for session in list.sessions {
            table.add(
                [
                    "\(session.id)", "\(session.lastActive)", "\(session.lowestUnanswered)", "\(session.replyCount)",
                    "\(session.replyBytes)",
                ].map { .init($0) })
        }
        let summary = """
            applied through \(list.applied); since the start \(list.repeatedCount) repeated, \(list.refusedCount) refused, \
            \(list.expiredCount) expired
            """
        return (list.sessions.isEmpty ? "no sessions\n" : table.text(color: color)) + summary + "\n"
    }

    static func json(_ list: SessionList) -> JSON {
        .object([
            .init("applied", .number(list.applied.rawValue)),
            .init("repeated", .number(UInt64(list.repeatedCount))),
            .init("refused", .number(UInt64(list.refusedCount))),
            .init("expired", .number(UInt64(list.expiredCount))),
            .init(
                "sessions",
                .array(
                    list.sessions.map { session in
                        .object([
                            .init("id", .number(session.id.rawValue)),
                            .init("lastActive", .number(session.lastActive.rawValue)),
                            .init("lowestUnanswered", .number(session.lowestUnanswered)),
                            .init("replies", .number(UInt64(session.replyCount))),
                            .init("replyBytes", .number(UInt64(session.replyBytes))),
                        ])
                    })),
        ])
    }
}
