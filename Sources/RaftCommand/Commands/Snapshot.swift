internal import ArgumentParser
internal import Raft
internal import RaftClient
internal import RaftStorage
internal import RaftTransport

struct Snapshot: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Build, send, save, restore and look at snapshots of the state.",
        discussion: """
            Nodes build snapshots by themselves as their logs grow, and drop the log behind them. These commands do it \
            when you say so.
            """,
        subcommands: [
            SnapshotTrigger.self, SnapshotPush.self, SnapshotSave.self, SnapshotRestore.self, SnapshotInspect.self,
        ])
}

struct SnapshotTrigger: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trigger",
        abstract: "Let nodes build a snapshot of what they have applied.",
        discussion: """
            Returns once the snapshots are durable. A node that has one of everything applied says so at once. Every \
            node is asked, also when another could not; leaves with 0 when each of them has one, else with 1, or with \
            the code of what all of them failed of.

            \(Failure.exitCodeHelp)
            """)

    @Option(
        help: ArgumentHelp(
            "Only this node; may be given more than once. Default: every endpoint of the context file.",
            valueName: "host:port"))
    var endpoint: [String] = []

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let answers = try await options.withClient(.admin) { client, context in
            var answers: [Answer] = []
            for node in endpoint.isEmpty ? context.endpoints : endpoint {
                do throws(RaftClientError) {
                    let built = try await client.triggerSnapshot(of: node, timeout: options.timeout.duration)
                    answers.append((node, .success(built)))
                } catch {
                    answers.append((node, .failure(error)))
                }
            }
            return answers
        }
        let text = options.output == .table ? Self.table(answers) : Self.json(answers).text + "\n"
        try Console.out(text, orLeaveWith: .unwritten)
        if let failure = Self.failure(answers) { throw failure }
    }

    typealias Answer = (endpoint: String, result: Result<SnapshotSummary, RaftClientError>)

    private static func table(_ answers: [Answer]) -> String {
        var table = Table(["ENDPOINT", "THROUGH", "BYTES", "ID"])
        for (endpoint, result) in answers {
            switch result {
            case .success(let built):
                table.add([endpoint, "\(built.last)", "\(built.byteCount)", "\(built.id)"].map { .init($0) })
            case .failure: table.add([.init(endpoint), .init("failed", .red)])
            }
        }
        return table.text(color: Console.usesColor)
    }

    static func json(_ answers: [Answer]) -> JSON {
        .array(
            answers.map { endpoint, result in
                switch result {
                case .success(let built): .object([.init("endpoint", .string(endpoint))] + built.fields)
                case .failure(let error):
                    .object([.init("endpoint", .string(endpoint)), .init("error", .string(error.message))])
                }
            })
    }

    /// What the nodes that have none say; nil when each has one.
    static func failure(_ answers: [Answer]) -> Failure? {
        let failures = answers.compactMap { answer -> Failure? in
            if case .failure(let error) = answer.result { Failure(error) } else { nil }
        }
        guard let first = failures.first else { return nil }
        let isAlike = failures.count == answers.count && failures.allSatisfy { $0.code == first.code }
        return Failure(isAlike ? first.code : .refused, failures.map(\.message).joined(separator: "\n"))
    }
}

struct SnapshotPush: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push",
        abstract: "Let the leader send a snapshot to a member, or to all of them.",
        discussion: """
            The snapshot includes everything applied when you ask. Returns once each member asked has it, or is past it \
            already. When the time is up the transfer goes on all the same.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: ArgumentHelp("The member's id. Default: every member but the leader.", valueName: "id"))
    var peer: UInt64?

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if peer == 0 { throw ValidationError("node id 0; ids begin at 1") }
    }

    func run() async throws {
        let snapshot = try await options.withClient(.admin) { client, _ in
            try await client.pushSnapshot(to: peer.map { NodeID($0) }, timeout: options.timeout.duration)
        }
        switch options.output {
        case .table:
            try Console.out(
                "sent through \(snapshot.last) (\(snapshot.byteCount) bytes, snapshot \(snapshot.id))\n",
                orLeaveWith: .unwritten)
        case .json: try Console.out(JSON.object(snapshot.fields).text + "\n", orLeaveWith: .unwritten)
        }
    }
}

struct SnapshotInspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Say what the snapshots in a data directory hold.",
        discussion: """
            Reads only; the node may be running. Leaves with 1 when one is damaged.

            \(Failure.exitCodeHelp)
            """)

    @Option(help: ArgumentHelp("The node's data directory.", valueName: "dir"))
    var data: String

    @Flag(help: "Also read every byte and compare it with its checksums.")
    var verify = false

    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func run() throws {
        let found: [(path: String, manifest: Result<SnapshotManifest, RaftError>)]
        do throws(RaftError) {
            found = try SnapshotDirectory.inspect(data, verifies: verify)
        } catch {
            throw Failure(.refused, error.message)
        }
        switch output {
        case .table where found.isEmpty: try Console.out("no snapshots\n")
        case .table:
            var table = Table(["THROUGH", "BYTES", "MEMBERS", "FILE"])
            for (path, manifest) in found {
                guard let manifest = try? manifest.get() else { continue }
                table.add(
                    ["\(manifest.last)", "\(manifest.byteCount)", "\(manifest.configuration)", path].map { .init($0) })
            }
            try Console.out(table.text(color: Console.usesColor))
        case .json: try Console.out(JSON.array(found.map { Self.json($0.path, $0.manifest) }).text + "\n")
        }
        let damaged = found.compactMap { entry -> String? in
            if case .failure(let error) = entry.manifest { error.message } else { nil }
        }
        guard damaged.isEmpty else { throw Failure(.refused, damaged.joined(separator: "\n")) }
    }

    static func json(_ path: String, _ manifest: Result<SnapshotManifest, RaftError>) -> JSON {
        switch manifest {
        case .failure(let error): .object([.init("file", .string(path)), .init("damage", .string(error.message))])
        case .success(let manifest):
            .object(
                [.init("file", .string(path))]
                    + SnapshotSummary(id: manifest.id, last: manifest.last, byteCount: manifest.byteCount).fields + [
                        .init(
                            "members",
                            .array(
                                manifest.configuration.members.map {
                                    .object([
                                        .init("id", .number($0.id.rawValue)), .init("address", .string($0.address)),
                                        .init("voter", .bool(manifest.configuration.isVoter($0.id))),
                                        .init("incarnation", .string($0.incarnation.map { "\($0)" })),
                                        .init("preference", .string($0.preference.word)),
                                        .init("promotedWhenReady", .bool($0.isPromotedWhenReady)),
                                    ])
                                })),
                        .init(
                            "leaseMilliseconds", .number(manifest.configuration.leaseWindow.map(\.wholeMilliseconds))),
                    ])
        }
    }
}

extension SnapshotSummary {
    var fields: [JSON.Field] {
        [
            .init("id", .string("\(id)")), .init("index", .number(last.index.rawValue)),
            .init("term", .number(last.term.rawValue)), .init("bytes", .number(byteCount)),
        ]
    }
}
