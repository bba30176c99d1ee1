internal import ArgumentParser
internal import RaftClient
internal import RaftTransport

struct CompareAndSwap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cas",
        abstract: "Set a key if it is what you think it is.",
        discussion: """
            Give exactly one of --expect, --expect-revision and --expect-absent. Leaves with 3 when the key is \
            something else; then nothing changed.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The key, 1 to 511 bytes.") var key: String
    @Argument(help: "The new value; - takes it from standard input, byte for byte.") var value: String
    @Option(help: ArgumentHelp("The key must have this value.", valueName: "value")) var expect: String?
    @Option(help: ArgumentHelp("The key must have been changed last at this revision.", valueName: "revision"))
    var expectRevision: UInt64?
    @Flag(help: "The key must not be there.") var expectAbsent = false
    @OptionGroup var write: WriteOptions
    @OptionGroup var options: ClientOptions

    func validate() throws {
        let count = (expect == nil ? 0 : 1) + (expectRevision == nil ? 0 : 1) + (expectAbsent ? 1 : 0)
        guard count == 1 else {
            throw ValidationError("\(count) expectations; give one of --expect, --expect-revision and --expect-absent")
        }
    }

    var expectation: KeyExpectation {
        if let expect { return .value(ByteText.bytes(ofArgument: expect)) }
        if let expectRevision { return .revision(expectRevision) }
        return .absent
    }

    func run() async throws {
        let key = ByteText.bytes(ofArgument: key)
        let value = try ByteText.value(ofArgument: value)
        let result = try await options.withClient(.client, writing: write) { client, _ in
            try await client.compareAndSwap(key, expecting: expectation, value)
        }
        switch options.output {
        case .table:
            if let revision = result.revision { try Console.out("revision \(revision)\n", orLeaveWith: .unwritten) }
        case .json:
            try Console.out(
                Self.json(key, result).text + "\n", orLeaveWith: result.revision == nil ? .refused : .unwritten)
        }
        guard !result.isSwapped else { return }
        let shown = ByteText.shown(key)
        throw Failure(
            .absent,
            result.previousRevision.map {
                "key \"\(shown)\" is not what was expected: it was last changed at revision \($0)"
            }
                ?? "key \"\(shown)\" is absent")
    }

    static func json(_ key: [UInt8], _ result: SwapResult) -> JSON {
        .object([
            JSON.bytes("key", key), .init("swapped", .bool(result.isSwapped)),
            .init("revision", .number(result.revision)), .init("previousRevision", .number(result.previousRevision)),
        ])
    }
}
