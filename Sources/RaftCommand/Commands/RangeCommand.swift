internal import ArgumentParser
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

struct RangeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "range",
        abstract: "Print keys with their values, in the order of their bytes.",
        discussion: """
            All keys, those with a prefix, or those from one bound up to another. What cannot be printed is shown as \
            \\xNN; with -o json bytes that are not UTF-8 are base64. A range larger than one answer is read in parts, \
            each by itself.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "Only keys that begin with this.") var prefix: String?
    @Option(help: ArgumentHelp("The first key.", valueName: "key")) var from: String?
    @Option(help: ArgumentHelp("The first key that is not printed any more.", valueName: "key")) var to: String?
    @Option(help: ArgumentHelp("The most keys printed.", valueName: "count")) var limit: Int?
    @OptionGroup var read: ReadOptions
    @OptionGroup var options: ClientOptions

    func validate() throws {
        if prefix != nil, from != nil || to != nil {
            throw ValidationError("a prefix and --from or --to exclude each other; give one of them")
        }
        if let limit, limit < 1 { throw ValidationError("--limit \(limit): at least 1") }
    }

    /// The keys in [from, upTo), and whether they end.
    var bounds: (from: [UInt8], upTo: [UInt8]?) {
        if let prefix {
            let bytes = ByteText.bytes(ofArgument: prefix)
            return (bytes, KeyRange(prefix: bytes).upTo)
        }
        return (from.map { ByteText.bytes(ofArgument: $0) } ?? [], to.map { ByteText.bytes(ofArgument: $0) })
    }

    func run() async throws {
        let (first, upTo) = bounds
        let (entries, hasMore) = try await options.withClient(.client) { client, _ in
            var entries: [KeyValue] = []
            var from = first
            while true {
                let page = try await client.range(
                    from: from, upTo: upTo, limit: limit.map { $0 - entries.count }, read.consistency)
                entries += page.entries
                guard page.hasMore, let last = page.entries.last, limit.map({ entries.count < $0 }) ?? true else {
                    return (entries, page.hasMore)
                }
                from = last.key + [0]
            }
        }
        switch options.output {
        case .table: try Console.out(Self.table(entries).text(color: Console.usesColor))
        case .json: try Console.out(Self.json(entries, hasMore).text + "\n")
        }
        if hasMore, options.output == .table { Console.error("there are more keys; raise --limit") }
    }

    static func table(_ entries: [KeyValue]) -> Table {
        var table = Table(["KEY", "REVISION", "VALUE"])
        for entry in entries {
            table.add([
                .init(ByteText.shown(entry.key)), .init("\(entry.revision)"), .init(ByteText.shown(entry.value)),
            ])
        }
        return table
    }

    static func json(_ entries: [KeyValue], _ hasMore: Bool) -> JSON {
        .object([
            .init("entries", .array(entries.map(JSON.entry))), .init("more", .bool(hasMore)),
        ])
    }
}
