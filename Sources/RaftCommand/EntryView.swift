internal import Raft
internal import RaftKeyValue

/// One entry of a log, for people and for programs.
struct EntryView {
    let entry: Entry
    private let content: Result<EntryContent, RaftError>

    init(_ entry: Entry) {
        self.entry = entry
        content = Result { () throws(RaftError) in try EntryContent(entry) }
    }

    var kind: String {
        switch entry.kind {
        case .blank: "blank"
        case .command: "command"
        case .configuration: "members"
        case .sessionCommand: "session-command"
        case .session: "session"
        }
    }

    /// What it says, in one line.
    var text: String {
        switch content {
        case .failure(let error): "unreadable: \(error.message)"
        case .success(.blank): "a term begins"
        case .success(.command(let bytes)): Self.text(bytes)
        case .success(.sessionCommand(let request, let bytes)):
            "session \(request.session), command \(request.sequence): \(Self.text(bytes))"
        case .success(.session(let text)): text
        case .success(.configuration(let configuration)): "\(configuration)"
        }
    }

    /// Of one that is none of ours, its bytes: a log may be another program's.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        switch try? KeyValueCommand(decoding: bytes) {
        case nil: ByteText.shown(Array(bytes))
        case .put(let key, let value): "put \(ByteText.shown(key)) \(ByteText.shown(value))"
        case .delete(let key): "delete \(ByteText.shown(key))"
        case .compareAndSwap(let key, let expectation, let value):
            "put \(ByteText.shown(key)) \(ByteText.shown(value)) \(text(expectation))"
        case .transaction(let transaction): TransactionText.shown(transaction).joined(separator: "; ")
        case .compact(let revision): "compact through \(revision)"
        case .grant(let milliseconds): "grant a lease of \(milliseconds) ms"
        case .revoke(let lease): "end lease \(lease)"
        }
    }

    private static func text(_ expectation: KeyValueCommand.Expectation) -> String {
        switch expectation {
        case .value(let value): "if it is \(ByteText.shown(value))"
        case .revision(let revision): "if it is of revision \(revision)"
        case .absent: "if it is absent"
        }
    }

    var json: JSON {
        let fields: [JSON.Field] =
            switch content {
            case .failure(let error): [.init("unreadable", .string(error.message))]
            case .success(.blank): []
            case .success(.command(let bytes)): Self.fields(bytes)
            case .success(.sessionCommand(let request, let bytes)):
                [
                    .init("session", .number(request.session.rawValue)), .init("sequence", .number(request.sequence)),
                ] + Self.fields(bytes)
            case .success(.session(let text)): [.init("text", .string(text))]
            case .success(.configuration(let configuration)): [.init("text", .string("\(configuration)"))]
            }
        return .object(
            [
                .init("index", .number(entry.id.index.rawValue)), .init("term", .number(entry.id.term.rawValue)),
                .init("kind", .string(kind)), .init("bytes", .number(UInt64(entry.payload.count))),
            ] + fields)
    }

    private static func fields(_ bytes: ArraySlice<UInt8>) -> [JSON.Field] {
        switch try? KeyValueCommand(decoding: bytes) {
        case nil: [JSON.bytes("payload", Array(bytes))]
        case .put(let key, let value):
            [.init("operation", .string("put")), JSON.bytes("key", key), JSON.bytes("value", value)]
        case .delete(let key): [.init("operation", .string("delete")), JSON.bytes("key", key)]
        case .compareAndSwap(let key, let expectation, let value):
            [.init("operation", .string("cas")), JSON.bytes("key", key), JSON.bytes("value", value)]
                + [expected(expectation)]
        case .transaction(let transaction):
            [
                .init("operation", .string("txn")),
                .init("clauses", .array(TransactionText.shown(transaction).map { .string($0) })),
            ]
        case .compact(let revision):
            [.init("operation", .string("compact")), .init("through", .number(revision))]
        case .grant(let milliseconds):
            [.init("operation", .string("grant")), .init("milliseconds", .number(milliseconds))]
        case .revoke(let lease): [.init("operation", .string("revoke")), .init("lease", .number(lease))]
        }
    }

    private static func expected(_ expectation: KeyValueCommand.Expectation) -> JSON.Field {
        switch expectation {
        case .value(let value): JSON.bytes("expectedValue", value)
        case .revision(let revision): .init("expectedRevision", .number(revision))
        case .absent: .init("expectedAbsent", .bool(true))
        }
    }
}

/// Rows that are printed as they come: their widths are fixed by the log's last entry.
struct EntryTable {
    private let widths: [Int]

    init(last: LogID) {
        widths = [max(5, "\(last.index)".count), max(4, "\(last.term)".count), 15, 7]
    }

    var header: String { line(["INDEX", "TERM", "KIND", "BYTES", "WHAT"]) }

    func row(_ view: EntryView) -> String {
        line(["\(view.entry.id.index)", "\(view.entry.id.term)", view.kind, "\(view.entry.payload.count)", view.text])
    }

    private func line(_ cells: [String]) -> String {
        var line = ""
        for (cell, width) in zip(cells, widths) {
            line += cell + String(repeating: " ", count: max(0, width - cell.count) + 2)
        }
        return line + cells[widths.count] + "\n"
    }
}
