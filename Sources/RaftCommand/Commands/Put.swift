internal import ArgumentParser
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Set a key.", discussion: Failure.exitCodeHelp)

    @Argument(help: "The key, 1 to 511 bytes.") var key: String
    @Argument(help: "The value; - takes it from standard input, byte for byte.") var value: String
    @Flag(help: "Print what the key was before.") var previous = false
    @Option(help: ArgumentHelp("The key goes with this lease.", valueName: "id")) var lease: UInt64?
    @OptionGroup var write: WriteOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let key = ByteText.bytes(ofArgument: key)
        let value = try ByteText.value(ofArgument: value)
        let (result, before) = try await options.withClient(.client, writing: write) { client, _ in
            previous || lease != nil
                ? try await client.exchange(key, value, lease: lease) : (try await client.put(key, value), nil)
        }
        switch options.output {
        case .table:
            let was = previous ? before.map { "was \(ByteText.shown($0.value))\n" } ?? "was absent\n" : ""
            try Console.out("revision \(result.revision)\n" + was, orLeaveWith: .unwritten)
        case .json:
            let json = previous ? Self.json(key, result, before) : Self.json(key, result)
            try Console.out(json.text + "\n", orLeaveWith: .unwritten)
        }
    }

    static func json(_ key: [UInt8], _ result: PutResult) -> JSON { .object(fields(key, result)) }

    static func json(_ key: [UInt8], _ result: PutResult, _ before: KeyValue?) -> JSON {
        .object(fields(key, result) + [.init("previous", before.map(JSON.entry) ?? .null)])
    }

    private static func fields(_ key: [UInt8], _ result: PutResult) -> [JSON.Field] {
        [
            JSON.bytes("key", key), .init("revision", .number(result.revision)),
            .init("previousRevision", .number(result.previousRevision)),
        ]
    }
}
