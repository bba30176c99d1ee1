import RaftClient

/// Who offers a service, as a consumer has it: by name, where they are.
struct ServiceTable: Sendable {
    private var entries: [[UInt8]: KeyValue] = [:]
    private let prefix: String

    init(of service: String) { prefix = Instance.prefix(of: service) }

    /// For whoever wants to call one of them.
    var addresses: [String: String] {
        var addresses: [String: String] = [:]
        for entry in entries.values {
            let name = String(decoding: entry.key, as: UTF8.self).dropFirst(prefix.count)
            addresses[String(name)] = String(decoding: entry.value, as: UTF8.self)
        }
        return addresses
    }

    /// Keeps a table up to date until the task is cancelled, and tells each state of it. While the cluster is out of
    /// reach it tells nothing: whoever is told keeps the last one.
    ///
    /// Nothing is lost between the first read and the watch, as the watch is there first. What it then tells of before
    /// the read may be in the table already, and never puts an older entry in place of a newer one.
    static func follow(
        _ service: String, at client: KeyValueClient, _ tell: @Sendable (ServiceTable) -> Void
    ) async throws {
        let range = KeyRange(prefix: Array(Instance.prefix(of: service).utf8))
        while true {
            var table: ServiceTable?
            do throws(RaftClientError) {
                var events = client.watch(range).makeAsyncIterator()
                while let event = try await events.next() {
                    switch event {
                    case .progress where table == nil:
                        var read = ServiceTable(of: service)
                        try await read.fill(range, from: client)
                        table = read
                    case .progress: continue
                    case .change(let change): table?.take(change)
                    }
                    if let table { tell(table) }
                }
            } catch {
                // So long cut off that the history does not reach back so far, or that the read was given up (after the
                // client's whole timeout, so this does not spin): begin with a watch and a read again.
                guard error.code == .compacted || error.code == .unavailable else { throw error }
            }
        }
    }

    private mutating func fill(_ range: KeyRange, from client: KeyValueClient) async throws(RaftClientError) {
        var from = range.from
        while true {
            let page = try await client.range(from: from, upTo: range.upTo)
            for entry in page.entries { entries[entry.key] = entry }
            guard page.hasMore, let last = page.entries.last else { return }
            from = last.key + [0]
        }
    }

    private mutating func take(_ change: KeyChange) {
        if let entry = entries[change.key], entry.revision > change.revision { return }
        entries[change.key] = change.entry
    }
}
