internal import ArgumentParser
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove a key, or all keys of a range in one step.",
        discussion: """
            Leaves with 3 when there was nothing to remove. At most 100,000 keys go at once.

            \(Failure.exitCodeHelp)
            """)

    @OptionGroup var range: RangeOptions
    @Flag(help: "Print what was removed.") var previous = false
    @OptionGroup var write: WriteOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        guard range.isOneKey, !previous else { return try await removeRange() }
        let key = ByteText.bytes(ofArgument: range.key)
        let result = try await options.withClient(.client, writing: write) { client, _ in
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

    private func removeRange() async throws {
        let result = try await options.withClient(.client, writing: write) { client, _ in
            try await client.delete(range.range, returningPrevious: previous)
        }
        switch options.output {
        case .table:
            if let revision = result.revision {
                let removed = previous ? RangeCommand.table(result.previous).text(color: Console.usesColor) : ""
                try Console.out("revision \(revision), \(result.count) removed\n" + removed, orLeaveWith: .unwritten)
            }
        case .json:
            try Console.out(
                Self.json(result).text + "\n", orLeaveWith: result.revision == nil ? .refused : .unwritten)
        }
        if result.revision == nil { throw Failure(.absent, "there is no such key") }
    }

    static func json(_ key: [UInt8], _ result: DeleteResult) -> JSON {
        .object([
            JSON.bytes("key", key), .init("revision", .number(result.revision)),
            .init("previousRevision", .number(result.previousRevision)),
        ])
    }

    static func json(_ result: RangeDeletion) -> JSON {
        .object([
            .init("revision", .number(result.revision)), .init("deleted", .number(result.count)),
            .init("previous", .array(result.previous.map(JSON.entry))),
        ])
    }
}
