internal import ArgumentParser
internal import NIOCore
internal import NIOPosix
internal import Raft
internal import RaftClient
internal import RaftTransport

/// What every client command takes.
struct ClientOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The context file of the cluster, or a directory that holds it as context.json.",
            discussion: """
                Default: $RAFT_CONTEXT, else ./raft-dev/context.json. For a cluster made by hand, write it yourself:
                \(ClusterContext.example)
                Paths are relative to the file. "client" is for put, get, delete, range, cas and txn; "admin" for status and member.
                """, valueName: "file"))
    var context: String?

    @Option(
        help: ArgumentHelp(
            "How long to try in all: a number and ms, s or m, such as 500ms. Default 5s.", valueName: "time"),
        transform: { try TimeArgument(parsing: $0) })
    var timeout = TimeArgument(.seconds(5))

    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    static let defaultContext = "./raft-dev/context.json"

    func loadContext() throws(Failure) -> ClusterContext {
        let variable = Console.environment("RAFT_CONTEXT").flatMap { $0.isEmpty ? nil : $0 }
        return try ClusterContext.load(context ?? variable ?? Self.defaultContext)
    }

    /// Runs `body` with a client, says on standard error when it takes long, and closes the client.
    ///
    /// - Parameter saysWaiting: false for what says itself how far it has come.
    func withClient<Result>(
        _ role: Role, writing write: WriteOptions? = nil, usesSessions: Bool = false, saysWaiting: Bool = true,
        _ body: (KeyValueClient, ClusterContext) async throws -> Result
    ) async throws -> Result {
        let context = try loadContext()
        let client = try Self.client(
            context, role, timeout: timeout.duration, usesSessions: write?.session ?? usesSessions,
            forwardsWrites: write?.forward ?? false)
        let notice = Task { [timeout] in
            try await Task.sleep(for: .seconds(1))
            guard saysWaiting else { return }
            Console.error(
                "waiting for \(context.endpoints.joined(separator: ", ")), at most \(timeout.duration.formatted)")
        }
        defer { notice.cancel() }
        do {
            let result = try await body(client, context)
            await client.close()
            return result
        } catch let error as RaftClientError {
            throw Failure(error)
        }
    }

    /// A client with the context's certificate for `role`.
    static func client(
        _ context: ClusterContext, _ role: Role, timeout: Duration, usesSessions: Bool = false,
        spreadsReads: Bool = false, forwardsWrites: Bool = false,
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) throws(Failure) -> KeyValueClient {
        guard let credentials = role == .admin ? context.admin : context.client else {
            throw Failure(
                .usage,
                "the context file names no \(role) certificate; make one with `raft cert issue --role \(role)` and add it as \"\(role)\""
            )
        }
        let tls: TLSContext
        do {
            tls = try TLSContext(certificate: credentials.certificate, key: credentials.key, ca: context.ca)
        } catch {
            throw Failure(.usage, error.message)
        }
        guard tls.principal.cluster == context.cluster else {
            throw Failure(
                .usage,
                "\(credentials.certificate) names cluster \"\(tls.principal.cluster)\", the context file \"\(context.cluster)\"; use a certificate of that cluster"
            )
        }
        var options = KeyValueClient.Options()
        options.timeout = timeout
        options.usesSessions = usesSessions
        options.forwardsWrites = forwardsWrites
        options.spreadsReads = spreadsReads
        return KeyValueClient(
            endpoints: context.endpoints, tls: tls, group: group, options: options)
    }
}

/// What every command takes that changes something.
struct WriteOptions: ParsableArguments {
    @Flag(
        help: """
            Try again until --timeout when a result is lost: the cluster applies it once (a session). Costs one more \
            round.
            """)
    var session = false

    @Flag(
        help: """
            Let the node that is asked pass the write on to the leader, instead of going there: for a client that cannot \
            reach every node.
            """)
    var forward = false
}
