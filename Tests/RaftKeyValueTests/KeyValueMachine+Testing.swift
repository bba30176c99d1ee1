import Raft

@testable import RaftKeyValue

extension KeyValueMachine {
    static let boot = "6b7e3b0a-boot-one"

    convenience init(
        in directory: TemporaryDirectory, _ name: String = "state", bootID: String? = boot, mapBytes: Int = 1 << 20,
        maximumMapBytes: Int = 1 << 30
    ) throws {
        try self.init(
            directory: directory.file(name), initialMapBytes: mapBytes, maximumMapBytes: maximumMapBytes,
            bootID: bootID)
    }

    /// Applies commands as entries from `first` on, all in one batch, after a trip through their bytes.
    @discardableResult
    func run(from first: UInt64, term: Term = 1, _ commands: [KeyValueCommand]) throws -> [KeyValueOutput] {
        var builder = EntryBatch.Builder(first: LogIndex(first), term: term)
        for command in commands {
            var bytes: [UInt8] = []
            command.encode(into: &bytes)
            builder.append(.command, bytes)
        }
        guard let batch = builder.finish() else { return [] }
        var outputs: [KeyValueOutput] = []
        try apply(CommandBatch([batch]), into: &outputs)
        return outputs
    }

    func value(_ key: String) throws -> String? {
        try get(Array(key.utf8)).map { String(decoding: $0.value, as: UTF8.self) }
    }

    func dump() throws -> [KeyValue] {
        try range(KeyRange(), limit: .max, maximumBytes: .max).entries
    }
}

extension KeyValueCommand {
    static func put(_ key: String, _ value: String) -> Self { .put(key: Array(key.utf8), value: Array(value.utf8)) }
    static func delete(_ key: String) -> Self { .delete(key: Array(key.utf8)) }
    static func swap(_ key: String, _ expectation: Expectation, _ value: String) -> Self {
        .compareAndSwap(key: Array(key.utf8), expectation: expectation, value: Array(value.utf8))
    }
}

extension StateSnapshot {
    /// The snapshot as a store has it.
    func stored(through last: LogID) throws -> any SnapshotReader {
        let store = MemorySnapshotStore()
        let writer = try store.begin(.own)
        try write { try writer.write($0) }
        let manifest = SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: 1), number: last.index.rawValue), last: last,
            configuration: try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")]), configurationID: .zero,
            bootstrap: nil, byteCount: writer.byteCount, checksum: writer.checksum)
        try writer.commit(manifest)
        return try store.reader(of: manifest.id)
    }
}
