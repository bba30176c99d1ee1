import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

@Suite("Log stores keep what a node relies on", .heavy)
struct LogStoreConformanceTests {
    typealias Check = LogStoreConformance.Check

    @Test("The log in memory", arguments: Check.allCases)
    func memory(check: Check) {
        let conformance = LogStoreConformance {
            let store = MemoryLogStore()
            return .init { store }
        }
        #expect(conformance.violation(of: check) == nil)
    }

    @Test("The log on a simulated disk, whose power fails", arguments: Check.allCases)
    func simulated(check: Check) {
        let lives = Lock(RandomSource(seed: 5))
        let conformance = LogStoreConformance {
            let disk = SimulatedFileSystem()
            let open = Self.opener(disk, "/data", lives)
            return .init(
                crash: { lives.withLock { disk.crash(using: &$0) } },
                fill: { disk.limitCapacity($0 ? disk.byteCount : nil) },
                open: open)
        }
        #expect(conformance.violation(of: check) == nil)
    }

    @Test("The log on real files", arguments: Check.allCases)
    func files(check: Check) throws {
        let lives = Lock(RandomSource(seed: 6))
        var template = Array("/tmp/swift-raft-XXXXXX".utf8CString)
        let root = try template.withUnsafeMutableBufferPointer {
            String(cString: try #require(mkdtemp($0.baseAddress!)))
        }
        defer { removeTree(root) }
        let places = Lock(0)
        let conformance = LogStoreConformance {
            let number = places.withLock { places in
                places += 1
                return places
            }
            return .init(open: Self.opener(POSIXFileSystem(), "\(root)/\(number)", lives))
        }
        #expect(conformance.violation(of: check) == nil)
    }

    /// Opens the log of one directory, which it gives free before the next time.
    private static func opener(
        _ files: some FileSystem, _ path: String, _ lives: Lock<RandomSource>
    ) -> @Sendable () throws -> any LogStore {
        let held = Lock<DataDirectory?>(nil)
        return {
            try held.withLock { held in
                held?.close()
                held = nil
                let directory = try lives.withLock {
                    try DataDirectory.open(
                        path, cluster: "c", node: 1, mode: .create, fileSystem: files, using: &$0)
                }
                held = directory
                return try SegmentedLog(directory: directory, segmentBytes: 64 << 10)
            }
        }
    }

    private func removeTree(_ path: String) {
        let files = POSIXFileSystem()
        for name in (try? files.list(path)) ?? [] {
            let child = "\(path)/\(name)"
            if (try? files.kind(of: child)) == .directory { removeTree(child) } else { unlink(child) }
        }
        rmdir(path)
    }

    @Test(
        "A store that breaks one promise is found out by the check of that promise, in words", arguments: Check.allCases
    )
    func broken(check: Check) throws {
        let conformance = LogStoreConformance {
            let store = BrokenStore(check)
            return .init(crash: { store.crash() }, fill: { store.isFull = $0 }, open: { store })
        }
        let violation = try #require(conformance.violation(of: check))
        #expect(violation.check == check)
        #expect(violation.description.hasPrefix("\(check.rawValue): "))
        #expect(violation.description.count > check.rawValue.count + 20)
    }

    @Test("All checks at once name every promise that is broken, and only those")
    func together() {
        let conformance = LogStoreConformance {
            let store = BrokenStore(.hardState)
            return .init { store }
        }
        let broken = conformance.violations().map(\.check)
        #expect(broken.contains(.hardState) && !broken.contains(.appends) && !broken.contains(.purges), "\(broken)")
    }
}

/// A log in memory that breaks the promise of one check.
private final class BrokenStore: LogStore {
    private struct State {
        var openCount = 0
        var readCount = 0
        var hasCrashed = false
        var isFull = false
        /// Given while it was full.
        var kept: [LogOperation] = []
        var isWriting = false
    }

    private let check: LogStoreConformance.Check
    private let inner: MemoryLogStore
    private let state = Lock(State())

    init(_ check: LogStoreConformance.Check) {
        self.check = check
        inner = check == .incarnation ? MemoryLogStore(incarnation: Incarnation(rawValue: 7)) : MemoryLogStore()
    }

    var shortage: RaftError? { inner.shortage }

    func crash() { state.withLock { $0.hasCrashed = true } }

    var isFull: Bool {
        get { state.withLock { $0.isFull } }
        set { state.withLock { $0.isFull = newValue } }
    }

    func open() throws -> RecoveredLog {
        var recovered = try inner.open()
        let now = state.withLock { state in
            state.openCount += 1
            return state
        }
        switch check {
        case .emptyAtFirst: recovered.hardState.currentTerm = 1
        case .hardState: recovered.hardState.votedFor = nil
        case .termStarts: recovered.termStarts = Array(recovered.termStarts.prefix(1))
        case .configurations: recovered.configurations = []
        case .reopens where now.openCount == 4: recovered.hardState = HardState()
        case .survivesCrash where now.hasCrashed: recovered.hardState = HardState()
        case .losesNothingWhileFull where now.hasCrashed: recovered.hardState = HardState()
        case .purgeToTheTip where recovered.purged == recovered.last:
            (recovered.purged, recovered.last) = (.zero, .zero)
        default: break
        }
        return recovered
    }

    func write(_ operations: [LogOperation]) throws {
        var votes: [HardState] = []
        var wanted: [LogOperation] = []
        for operation in operations {
            switch (operation, check) {
            case (.hardState(let state), .order): votes.append(state)
            case (.truncate(let id), .truncations) where id.index > 0:
                wanted.append(.truncate(through: LogID(term: id.term, index: id.index.previous)))
            case (.purge, .purges): wanted.append(.purge(through: try inner.open().last))
            case (.reset, .resetAhead), (.reset, .resetBehind): break
            case (.append(let batch), .bigBatches) where batch.byteCount > 1 << 20:
                throw RaftError(.storage, "more than a mebibyte")
            default: wanted.append(operation)
            }
        }
        // Whether it keeps what finds no room.
        let isRefused = state.withLock { state in
            if state.isFull, check != .keepsWhatFindsNoRoom { state.kept += wanted }
            if !state.isFull {
                wanted = state.kept + wanted
                state.kept = []
            }
            return state.isFull
        }
        if isRefused { throw RaftError(.outOfSpace, "no room") }
        wanted += votes.reversed().map { .hardState($0) }
        guard check == .readsBesideWrites else { return try inner.write(wanted) }
        state.withLock { $0.isWriting = true }
        let before = state.withLock { $0.readCount }
        // Until a read has come, or nobody reads.
        for _ in 0..<100_000 where state.withLock({ $0.readCount }) == before { sched_yield() }
        try inner.write(wanted)
        state.withLock { $0.isWriting = false }
    }

    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        let now = state.withLock { state in
            state.readCount += 1
            return state
        }
        switch check {
        case .rangeLimits: return try inner.read(from: first, through: last, maximumBytes: 1 << 30)
        case .refusals:
            return try (try? inner.read(from: first, through: last, maximumBytes: maximumBytes)) ?? entry(first, 1, [])
        case .readsBesideWrites where now.isWriting: throw RaftError(.storage, "a write is under way")
        case .appends, .anything:
            let batch = try inner.read(from: first, through: last, maximumBytes: maximumBytes)
            guard check == .appends || now.readCount == 50 else { return batch }
            return try entry(first, batch[0].id.term, Array(batch[0].payload) + [1])
        default: return try inner.read(from: first, through: last, maximumBytes: maximumBytes)
        }
    }

    private func entry(_ index: LogIndex, _ term: Term, _ payload: [UInt8]) throws -> EntryBatch {
        var builder = EntryBatch.Builder(first: index, term: term)
        builder.append(.command, payload)
        let batch = builder.finish()
        return try #require(batch)
    }

    func close() { inner.close() }
}
