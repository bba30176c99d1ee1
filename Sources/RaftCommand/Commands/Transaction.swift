internal import ArgumentParser
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

struct Transaction: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "txn",
        abstract: "Do several operations at once, or others, by what keys are.",
        discussion: """
            Each argument is one clause; - takes clauses from standard input, one a line. If every "if" holds, all \
            "then" are done, else all "else": together, in one step.

              if value|revision|created|version KEY =|!=|<|> X    if absent|present KEY
              then|else put KEY VALUE [--previous] [--lease ID]
              then|else delete KEY [--prefix|--to KEY|--onward] [--previous]
              then|else get KEY [--prefix|--to KEY|--onward] [--limit N]

              raft txn 'if absent lock' 'then put lock me' 'else get lock'

            A word with blanks stands in double quotes; \\n, \\t, \\", \\\\ and \\xNN stand for those bytes. No key may \
            be changed by two operations of one list. Leaves with 3 when an "if" did not hold; the "else" were done \
            then.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "The clauses.") var clauses: [String] = []
    @OptionGroup var write: WriteOptions
    @OptionGroup var options: ClientOptions

    func validate() throws {
        if clauses.isEmpty { throw ValidationError("no clauses; write at least one, or - for standard input") }
    }

    func run() async throws {
        var lines: [[UInt8]] = []
        for clause in clauses {
            if clause == "-" {
                lines += TransactionText.lines(try Console.readAll())
            } else {
                lines.append(ByteText.bytes(ofArgument: clause))
            }
        }
        let transaction = try TransactionText.parse(lines)
        let result = try await options.withClient(.client, writing: write) { client, _ in
            try await client.txn(transaction)
        }
        // An else list that changed something is no refusal.
        let code: Failure.Code = result.revision == nil ? .refused : .unwritten
        switch options.output {
        case .table: try Console.out(Self.text(result), orLeaveWith: code)
        case .json: try Console.out(Self.json(result).text + "\n", orLeaveWith: code)
        }
        if !result.succeeded { throw Failure(.absent, "a comparison did not hold") }
    }

    static func text(_ result: TransactionResult) -> String {
        var text = result.succeeded ? "then" : "else"
        text += result.revision.map { ", revision \($0)\n" } ?? ", nothing changed\n"
        for operation in result.results {
            switch operation {
            case .put(let previous):
                text += "put" + (previous.map { ", was \(ByteText.shown($0.value))" } ?? "") + "\n"
            case .deleted(let count, let previous):
                text += "deleted \(count)\n" + previous.map(line).joined()
            case .range(let page):
                text += "got \(page.entries.count)\(page.hasMore ? ", there are more" : "")\n"
                text += page.entries.map(line).joined()
            }
        }
        return text
    }

    private static func line(_ entry: KeyValue) -> String {
        "  \(ByteText.shown(entry.key))  \(entry.revision)  \(ByteText.shown(entry.value))\n"
    }

    static func json(_ result: TransactionResult) -> JSON {
        .object([
            .init("succeeded", .bool(result.succeeded)), .init("revision", .number(result.revision)),
            .init(
                "results",
                .array(
                    result.results.map { operation in
                        switch operation {
                        case .put(let previous):
                            .object([
                                .init("operation", .string("put")),
                                .init("previous", previous.map(JSON.entry) ?? .null),
                            ])
                        case .deleted(let count, let previous):
                            .object([
                                .init("operation", .string("delete")), .init("deleted", .number(count)),
                                .init("previous", .array(previous.map(JSON.entry))),
                            ])
                        case .range(let page):
                            .object([
                                .init("operation", .string("get")),
                                .init("entries", .array(page.entries.map(JSON.entry))),
                                .init("more", .bool(page.hasMore)),
                            ])
                        }
                    })),
        ])
    }
}

extension JSON {
    /// A key as it was read.
    static func entry(_ entry: KeyValue) -> JSON {
        .object([
            JSON.bytes("key", entry.key), JSON.bytes("value", entry.value), .init("revision", .number(entry.revision)),
            .init("created", .number(entry.created)), .init("version", .number(entry.version)),
            .init("lease", .number(entry.lease)),
        ])
    }
}
