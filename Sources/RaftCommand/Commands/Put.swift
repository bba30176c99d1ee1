internal import ArgumentParser
internal import RaftClient
internal import RaftTransport

struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Set a key.", discussion: Failure.exitCodeHelp)

    @Argument(help: "The key, 1 to 511 bytes.") var key: String
    @Argument(help: "The value; - takes it from standard input, byte for byte.") var value: String
    @OptionGroup var write: WriteOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let key = ByteText.bytes(ofArgument: key)
        let value = try ByteText.value(ofArgument: value)
        let result = try await options.withClient(.client, usesSessions: write.session) { client, _ in
            try await client.put(key, value)
        }
        switch options.output {
        case .table: try Console.out("revision \(result.revision)\n", orLeaveWith: .unwritten)
        case .json: try Console.out(Self.json(key, result).text + "\n", orLeaveWith: .unwritten)
        }
    }

    static func json(_ key: [UInt8], _ result: PutResult) -> JSON {
        .object([
            JSON.bytes("key", key), .init("revision", .number(result.revision)),
            .init("previousRevision", .number(result.previousRevision)),
        ])
    }
}
