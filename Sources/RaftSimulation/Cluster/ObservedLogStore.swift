internal import Raft

/// A log store that tells the checker what has become durable.
final class ObservedLogStore: LogStore, @unchecked Sendable {
    // @unchecked: as the scheduler.
    private let inner: any LogStore
    private let node: NodeID
    private let checker: SafetyChecker
    /// The write under way, and whether the machine is failing in the middle of it.
    private(set) var underWay: [LogOperation] = []
    var isFailing = false

    init(_ inner: any LogStore, node: NodeID, checker: SafetyChecker) {
        self.inner = inner
        self.node = node
        self.checker = checker
    }

    func open() throws -> RecoveredLog {
        let log = try inner.open()
        var entries: [Entry] = []
        var next = log.purged.index.next
        while next <= log.last.index {
            let batch = try inner.read(from: next, through: log.last.index, maximumBytes: 1 << 16)
            entries += (0..<batch.count).map { batch[$0] }
            next = batch.lastIndex.next
        }
        checker.recovered(log, entries, on: node)
        return log
    }

    func write(_ operations: [LogOperation]) throws {
        underWay = operations
        try inner.write(operations)
        guard !isFailing else { return }
        underWay = []
        checker.wrote(operations, on: node)
    }

    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        try inner.read(from: first, through: last, maximumBytes: maximumBytes)
    }

    func close() { inner.close() }
}
