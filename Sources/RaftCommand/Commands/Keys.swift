internal import ArgumentParser
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv",
        abstract: "Write all keys as lines of text, and read them back.",
        discussion: """
            A line is {"key":"BASE64","value":"BASE64"}, as etcd writes keys:

              etcdctl get "" --prefix -w json | jq -c '.kvs[]' | raft kv import -
              raft kv export | raft kv import - --context other/context.json
            """,
        subcommands: [KeyExport.self, KeyImport.self])
}

struct KeyExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write keys as lines to standard output.",
        discussion: """
            In the order of their bytes. The keys are read in parts, each linearizable by itself: keys that are changed \
            meanwhile are as one of the parts found them. For all of one moment use `raft snapshot save`.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "Only keys that begin with this.") var prefix: String?
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let range = KeyRange(prefix: prefix.map { ByteText.bytes(ofArgument: $0) } ?? [])
        let count = try await options.withClient(.client) { client, _ in
            var from = range.from
            var count = 0
            while true {
                let page = try await client.range(from: from, upTo: range.upTo)
                try Console.out(page.entries.map(KeyLines.text).joined())
                count += page.entries.count
                guard page.hasMore, let last = page.entries.last else { return count }
                from = last.key + [0]
            }
        }
        Console.error("exported \(count) keys", prefix: "")
    }
}

struct KeyImport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Put the keys that lines of standard input have.",
        discussion: """
            Keys that are there already get the new value; others stay. The lines are put in order, many at once; after a \
            failure import them again: doing it twice is no harm.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "- for standard input.") var source: String
    @OptionGroup var options: ClientOptions

    func validate() throws {
        if source != "-" { throw ValidationError("\"\(source)\": give - and the lines on standard input") }
    }

    func run() async throws {
        let count = try await options.withClient(.client, usesSessions: true, saysWaiting: false) { client, _ in
            var batches = PutBatches()
            var count = 0
            var number = 0
            func put(_ batch: [KeyValueTransaction.Operation]) async throws {
                guard !batch.isEmpty else { return }
                _ = try await client.txn(KeyValueTransaction(then: batch))
                count += batch.count
            }
            var lines = LineReader()
            while let line = try lines.next() {
                number += 1
                guard let (key, value) = try KeyLines.parse(line, number: number) else { continue }
                if let full = batches.add(key, value) { try await put(full) }
            }
            try await put(batches.take())
            return count
        }
        Console.error("imported \(count) keys", prefix: "")
    }
}
