internal import ArgumentParser
internal import Raft
internal import RaftStorage

struct Log: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at the log in the data directory of a node that does not run.",
        discussion: "Both commands only read; while they do the node cannot be started on that directory.",
        subcommands: [LogDump.self, LogVerify.self])
}

struct LogDump: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Print the entries of a log.",
        discussion: """
            What is printed need not be committed: a log does not say how far it is. Nor need it be the cluster's: an \
            entry that was never committed may be replaced by another. Of a damaged log, prints what stands before the \
            damage and leaves with 1. As json, one object for each entry and line.

            \(Failure.exitCodeHelp)
            """)

    @Option(help: ArgumentHelp("The node's data directory.", valueName: "dir")) var data: String
    @Option(help: ArgumentHelp("The first entry to print. Default: the first there is.", valueName: "index"))
    var from: UInt64?
    @Option(help: ArgumentHelp("The last entry to print. Default: the last there is.", valueName: "index"))
    var through: UInt64?
    @Option(help: ArgumentHelp("Only so many entries, those at the end.", valueName: "n")) var last: Int?
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func validate() throws {
        if let last, last < 1 { throw ValidationError("--last \(last); give 1 or more") }
        if last != nil, from != nil { throw ValidationError("--last and --from exclude each other; give one of them") }
        if let from, let through, from > through {
            throw ValidationError("--from \(from) is behind --through \(through)")
        }
    }

    func run() throws {
        let log: OfflineLog
        do throws(RaftError) { log = try OfflineLog(data) } catch { throw Failure(error) }
        defer { log.close() }
        let end = min(LogIndex(through ?? .max), log.last.index)
        var next = max(LogIndex(from ?? 0), log.purged.index.next)
        if let last { next = max(next, LogIndex(end.rawValue - min(end.rawValue, UInt64(last)) + 1)) }
        if let from, LogIndex(from) < next, last == nil {
            Console.error("entries \(from) through \(log.purged.index) are gone: a snapshot has what they did")
        }
        let table = EntryTable(last: log.last)
        if output == .table { try Console.out(table.header) }
        while next <= end {
            let batch: EntryBatch
            do {
                batch = try log.read(from: next, through: end, maximumBytes: 1 << 20)
            } catch {
                throw Failure(RaftError(error, or: .storage))
            }
            let views = (0..<batch.count).map { EntryView(batch[$0]) }
            try Console.out(
                views.map { output == .table ? table.row($0) : $0.json.text + "\n" }.joined())
            next = batch.lastIndex.next
        }
        if let damage = log.damage { throw Failure(damage) }
    }
}

struct LogVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare everything in a data directory with its checksums.",
        discussion: """
            Term and vote, what is known of the other members, snapshots and the whole log. Leaves with 1 when anything \
            is damaged, and says what to do; what a start mends by itself is no damage.

            \(Failure.exitCodeHelp)
            """)

    @Option(help: ArgumentHelp("The node's data directory.", valueName: "dir")) var data: String
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func run() throws {
        let progress = ProgressLine()
        let check: DirectoryCheck
        do throws(RaftError) {
            check = try DirectoryCheck(data) { progress.show("read entry \($0) of \($1)") }
        } catch {
            throw Failure(error)
        }
        progress.end()
        switch output {
        case .table: try Console.out(Self.text(check, color: Console.usesColor))
        case .json: try Console.out(Self.json(check).text + "\n")
        }
        let damaged = check.findings.filter { $0.state == .damaged }
        guard damaged.isEmpty else {
            throw Failure(.refused, "\(damaged.count) of \(check.findings.count) parts are damaged")
        }
    }

    static func text(_ check: DirectoryCheck, color: Bool) -> String {
        var table = Table(["PART", "STATE", "WHAT"])
        for finding in check.findings {
            table.add([
                .init(finding.part),
                .init(finding.state.rawValue, finding.state == .damaged ? .red : .plain), .init(finding.text),
            ])
        }
        return
            "node \(check.identity.node) of cluster \(check.identity.cluster), incarnation \(check.identity.incarnation)\n"
            + table.text(color: color)
    }

    static func json(_ check: DirectoryCheck) -> JSON {
        .object([
            .init("node", .number(check.identity.node.rawValue)), .init("cluster", .string(check.identity.cluster)),
            .init("incarnation", .string("\(check.identity.incarnation)")), .init("whole", .bool(check.isWhole)),
            .init(
                "parts",
                .array(
                    check.findings.map {
                        .object([
                            .init("part", .string($0.part)), .init("path", .string($0.path)),
                            .init("state", .string($0.state.rawValue)), .init("text", .string($0.text)),
                        ])
                    })),
        ])
    }
}
