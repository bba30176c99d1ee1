internal import ArgumentParser
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print every change of a key or of a range, as it happens.",
        discussion: """
            One line a change, in order and each once: its revision, "set" or "removed", the key, and the value. Goes \
            on at another node when the one that it listens to is lost. What happened before is printed with --from, as \
            long as the cluster keeps it (`raft serve --history-revisions`). Ends after --limit changes, or when it is \
            stopped.

            \(Failure.exitCodeHelp)
            """)

    @OptionGroup var range: RangeOptions
    @Option(
        help: ArgumentHelp("Begin with the changes of this revision. Default: with what comes.", valueName: "revision"))
    var from: UInt64?
    @Option(help: ArgumentHelp("End after so many changes.", valueName: "count")) var limit: Int?
    @Flag(help: "Also print now and then through which revision all changes were printed.") var progress = false
    @OptionGroup var options: ClientOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit \(limit): at least 1") }
    }

    func run() async throws {
        try await options.withClient(.client, saysWaiting: false) { client, _ in
            var count = 0
            for try await event in client.watch(range.range, from: from) {
                if case .progress = event, !progress { continue }
                let line = options.output == .json ? Self.json(event).text : Self.text(event)
                try Console.out(line + "\n")
                if case .change = event { count += 1 }
                if let limit, count >= limit { return }
            }
        }
    }

    static func text(_ event: WatchEvent) -> String {
        switch event {
        case .progress(let revision): "\(revision) progress"
        case .change(let change):
            if let entry = change.entry {
                "\(change.revision) set \(ByteText.shown(change.key)) \(ByteText.shown(entry.value))"
            } else {
                "\(change.revision) removed \(ByteText.shown(change.key))"
            }
        }
    }

    static func json(_ event: WatchEvent) -> JSON {
        switch event {
        case .progress(let revision):
            .object([.init("event", .string("progress")), .init("revision", .number(revision))])
        case .change(let change):
            .object(
                [
                    .init("event", .string(change.entry == nil ? "removed" : "set")),
                    .init("revision", .number(change.revision)),
                    .init("ordinal", .number(UInt64(change.ordinal))), JSON.bytes("key", change.key),
                ]
                    + (change.entry.map {
                        [
                            JSON.bytes("value", $0.value), .init("created", .number($0.created)),
                            .init("version", .number($0.version)),
                        ]
                    } ?? []))
        }
    }
}
