internal import ArgumentParser
internal import Raft
internal import RaftClient
internal import RaftStorage
internal import RaftTransport

struct SnapshotSave: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save",
        abstract: "Let a node build a snapshot, and write it to a file: a backup.",
        discussion: """
            The leader is asked, so the file holds everything that was acknowledged before. The cluster goes on \
            meanwhile. The file has its name once it is whole and durable; then every byte is read again and compared \
            with its checksums. What a call leaves that was broken off is FILE.tmp, which the next one begins anew. \
            --timeout is for each step: finding the leader, building, and each piece that is read.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The file to write.") var file: String

    @Option(
        help: ArgumentHelp(
            "Ask this node, whatever its role: for what it has applied, when there is no leader.",
            valueName: "host:port"))
    var endpoint: String?

    @Flag(help: "Replace the file if it is there, once the new one is whole.") var replace = false

    @OptionGroup var options: ClientOptions

    func validate() throws {
        do throws(Failure) {
            if let endpoint { try MembersArgument.checkAddress(endpoint, "--endpoint") }
        } catch {
            throw ValidationError(error.message)
        }
    }

    func run() async throws {
        let manifest = try await options.withClient(.admin, saysWaiting: false) { client, context in
            let node: String
            if let endpoint { node = endpoint } else { node = try await Self.leader(client, context) }
            // Before anybody is asked to build anything.
            let writer = try Self.local {
                try SavedSnapshot.write(file, replacing: replace)
            }
            defer { writer.abandon() }
            let built = try await client.triggerSnapshot(of: node, timeout: options.timeout.duration)
            return try await Self.copy(
                SnapshotDownload(client, of: node, built.id, timeout: options.timeout.duration), to: writer)
        }
        try Self.local { try SavedSnapshot(file).verify() }
        let summary = SnapshotSummary(id: manifest.id, last: manifest.last, byteCount: manifest.byteCount)
        switch options.output {
        case .table:
            try Console.out(
                "saved through \(summary.last) (\(summary.byteCount) bytes, snapshot \(summary.id)) to \(file)\n",
                orLeaveWith: .unwritten)
        case .json:
            try Console.out(
                JSON.object([.init("file", .string(file))] + summary.fields).text + "\n", orLeaveWith: .unwritten)
        }
    }

    private static func leader(_ client: KeyValueClient, _ context: ClusterContext) async throws -> String {
        let status = try await Status.gather(client, context)
        guard let leader = status.nodes.first(where: { $0.id == status.leader && $0.status?.role == "leader" }) else {
            throw RaftClientError(
                .unavailable, "no node leads; wait for a leader, or save what one node has applied with --endpoint")
        }
        return leader.address
    }

    /// Returns what is written.
    private static func copy(
        _ download: SnapshotDownload, to writer: any SnapshotWriter
    ) async throws -> SnapshotManifest {
        var download = download
        let progress = ProgressLine()
        var manifest: SnapshotManifest?
        while let piece = try await download.next() {
            manifest = piece.manifest
            try local { try writer.write(piece.bytes[...]) }
            progress.show("read \(piece.end) of \(piece.manifest.byteCount) bytes")
        }
        progress.end()
        guard let manifest else { throw Failure(.refused, "nothing was read") }
        try local { try writer.commit(manifest) }
        return manifest
    }

    /// What fails on this machine.
    private static func local<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch {
            throw Failure(.refused, (error as? RaftError)?.message ?? "\(error)")
        }
    }
}
