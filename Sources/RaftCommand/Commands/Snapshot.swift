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
            Returns once the snapshots are durable. A node that has one of everything applied says so at once. Leaves \
            with 0 when every node asked has one.

            \(Failure.exitCodeHelp)
            """)

    @Option(
        help: ArgumentHelp(
            "Only this node; may be given more than once. Default: every endpoint of the context file.",
            valueName: "host:port"))
    var endpoint: [String] = []

    @OptionGroup var options: ClientOptions

    func run() async throws {
        var answers: [(endpoint: String, snapshot: SnapshotSummary)] = []
        try await options.withClient(.admin) { client, context in
            for node in endpoint.isEmpty ? context.endpoints : endpoint {
                answers.append((node, try await client.triggerSnapshot(of: node, timeout: options.timeout.duration)))
            }
        }
        switch options.output {
        case .table:
            var table = Table(["ENDPOINT", "THROUGH", "BYTES", "ID"])
            for (endpoint, snapshot) in answers {
                table.add([endpoint, "\(snapshot.last)", "\(snapshot.byteCount)", "\(snapshot.id)"].map { .init($0) })
            }
            try Console.out(table.text(color: Console.usesColor), orLeaveWith: .unwritten)
        case .json:
            let array = answers.map { JSON.object([.init("endpoint", .string($0.endpoint))] + $0.snapshot.fields) }
            try Console.out(JSON.array(array).text + "\n", orLeaveWith: .unwritten)
        }
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

    private static func json(_ path: String, _ manifest: Result<SnapshotManifest, RaftError>) -> JSON {
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
                                    ])
                                }))
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
