internal import ArgumentParser
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the value of a key.",
        discussion: """
            The value is printed byte for byte; a line end is added only on a terminal. Leaves with 3 when the key is \
            absent.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The key.") var key: String
    @OptionGroup var read: ReadOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let key = ByteText.bytes(ofArgument: key)
        let found = try await options.withClient(.client) { client, _ in
            try await client.get(key, read.consistency)
        }
        switch options.output {
        case .table:
            if let found { try Console.out(found.value + (Console.isOutputTerminal ? [10] : [])) }
        case .json: try Console.out(Self.json(key, found).text + "\n")
        }
        if found == nil { throw Failure(.absent, "key \"\(ByteText.shown(key))\" is absent") }
    }

    static func json(_ key: [UInt8], _ found: KeyValue?) -> JSON {
        .object(
            [JSON.bytes("key", key)]
                + [found.map { JSON.bytes("value", $0.value) } ?? .init("value", .null)]
                + [
                    .init("revision", .number(found?.revision)), .init("created", .number(found?.created)),
                    .init("version", .number(found?.version)), .init("lease", .number(found?.lease)),
                ])
    }
}
