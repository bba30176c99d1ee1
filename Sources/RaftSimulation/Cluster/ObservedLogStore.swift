internal import Raft

/// A log store that tells the checker what has become durable.
final class ObservedLogStore: LogStore, @unchecked Sendable {
    // @unchecked: as the scheduler.
    private let inner: any LogStore
    private let node: NodeID
    private let checker: SafetyChecker
    private let fileSystem: SimulatedFileSystem
    /// Where the segments are.
    private let path: String
    /// The write under way, and whether the machine is failing in the middle of it.
    private(set) var underWay: [LogOperation] = []
    var isFailing = false

    init(_ inner: any LogStore, node: NodeID, checker: SafetyChecker, fileSystem: SimulatedFileSystem, path: String) {
        self.inner = inner
        self.node = node
        self.checker = checker
        self.fileSystem = fileSystem
        self.path = path
    }

    private func countNames(_ isCounted: (String) -> Bool) -> Int {
        (try? fileSystem.list(path))?.count(where: isCounted) ?? 0
    }

    func open() throws -> RecoveredLog {
        let broken = countNames { $0.hasSuffix(".broken") }
        let segments = countNames { !$0.hasSuffix(".broken") }
        let log = try inner.open()
        var entries: [Entry] = []
        var next = log.purged.index.next
        while next <= log.last.index {
            let batch = try inner.read(from: next, through: log.last.index, maximumBytes: 1 << 16)
            entries += (0..<batch.count).map { batch[$0] }
            next = batch.lastIndex.next
        }
        if countNames({ $0.hasSuffix(".broken") }) > broken { checker.reached(.tornTailPassed) }
        checker.reached(
            log.last == .zero ? .recoveredNothing : segments > 2 ? .recoveredManySegments : .recoveredOneSegment)
        checker.recovered(log, entries, on: node)
        return log
    }

    func write(_ operations: [LogOperation]) throws {
        // What the store keeps, since there was no room for it, comes first.
        underWay = underWay.isEmpty ? operations : underWay + operations
        let before = fileSystem.nameCount
        try inner.write(operations)
        guard !isFailing else { return }
        if fileSystem.nameCount > before { checker.reached(.segmentRolled) }
        checker.wrote(underWay, on: node)
        underWay = []
    }

    var shortage: RaftError? { inner.shortage }

    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        try inner.read(from: first, through: last, maximumBytes: maximumBytes)
    }

    func close() { inner.close() }
}
