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

    func dump() throws -> [KeyValueEntry] {
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
