internal import ArgumentParser
internal import RaftClient
internal import RaftTransport

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove a key.",
        discussion: """
            Leaves with 3 when there was no such key.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The key.") var key: String
    @OptionGroup var write: WriteOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let key = ByteText.bytes(ofArgument: key)
        let result = try await options.withClient(.client, usesSessions: write.session) { client, _ in
            try await client.delete(key)
        }
        switch options.output {
        case .table:
            if let revision = result.revision { try Console.out("revision \(revision)\n", orLeaveWith: .unwritten) }
        case .json:
            try Console.out(
                Self.json(key, result).text + "\n", orLeaveWith: result.revision == nil ? .refused : .unwritten)
        }
        if result.revision == nil { throw Failure(.absent, "key \"\(ByteText.shown(key))\" is absent") }
    }

    static func json(_ key: [UInt8], _ result: DeleteResult) -> JSON {
        .object([
            JSON.bytes("key", key), .init("revision", .number(result.revision)),
            .init("previousRevision", .number(result.previousRevision)),
        ])
    }
}
