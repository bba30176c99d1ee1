internal import Raft

/// A log store that was opened before the node was made, because its content decides whether the node may start.
final class OpenedLog: LogStore {
    private let store: any LogStore
    private let recovered: RecoveredLog

    init(_ store: any LogStore, _ recovered: RecoveredLog) {
        self.store = store
        self.recovered = recovered
    }

    func open() -> RecoveredLog { recovered }
    func write(_ operations: [LogOperation]) throws { try store.write(operations) }
    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        try store.read(from: first, through: last, maximumBytes: maximumBytes)
    }
    var shortage: RaftError? { store.shortage }
    func close() { store.close() }
}
