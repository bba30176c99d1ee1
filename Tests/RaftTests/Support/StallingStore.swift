@testable import Raft

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A log in memory whose disk stands still for as long as a test wants it to.
final class StallingStore: LogStore {
    private let inner = MemoryLogStore()
    private let state = Lock<(isStalled: Bool, shortage: RaftError?)>((false, nil))

    func stall() { state.withLock { $0.isStalled = true } }
    func goOn() { state.withLock { $0.isStalled = false } }
    func fill() { state.withLock { $0.shortage = RaftError(.outOfSpace, "the disk of this test is full") } }

    func open() throws -> RecoveredLog { try inner.open() }
    func write(_ operations: [LogOperation]) throws {
        while state.withLock({ $0.isStalled }) { usleep(200) }
        try inner.write(operations)
    }
    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        try inner.read(from: first, through: last, maximumBytes: maximumBytes)
    }
    var shortage: RaftError? { state.withLock { $0.shortage } }
    func close() { inner.close() }
}
