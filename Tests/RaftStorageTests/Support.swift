import Raft
import RaftStorage
import Testing

@testable import RaftSimulation

/// Random numbers that a seed repeats (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Keeps what is posted until the test runs it.
final class HeldLoop: Loop, @unchecked Sendable {
    // @unchecked: used by the one thread of a test.
    private var units: [any Activated] = []
    var now: Instant { .zero }
    func post(_ unit: any Activated) { units.append(unit) }
    func after(_ delay: Duration, _ unit: any Activated) { units.append(unit) }
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        job.runSynchronously(on: asUnownedSerialExecutor())
    }

    func run() {
        let waiting = units
        units = []
        for unit in waiting { unit.activate() }
    }
}

let directoryPath = "/data"
let firstSegment = "/data/log/0000000000000001.segment"
let secondSegment = "/data/log/0000000000000002.segment"

/// Entries of one term with payloads of these sizes. None of their bytes is zero: a payload with a sector of zeros would
/// make some torn writes suspect, which stops the start.
func entries(_ first: LogIndex, term: Term, sizes: [Int], kind: EntryKind = .command) -> EntryBatch {
    var builder = EntryBatch.Builder(first: first, term: term)
    for (position, size) in sizes.enumerated() {
        let index = first.advanced(by: position)
        let byte = UInt8(truncatingIfNeeded: index.rawValue &* 7 &+ term.rawValue &* 31) | 1
        builder.append(kind, [UInt8](repeating: byte, count: size))
    }
    return builder.finish()!
}

func openDirectory(
    _ fileSystem: some FileSystem, _ path: String = directoryPath, cluster: String = "test", node: NodeID = 1,
    mode: DataDirectory.Mode = .create, seed: UInt64 = 1
) throws(RaftError) -> DataDirectory {
    var generator = SeededGenerator(seed: seed)
    return try DataDirectory.open(
        path, cluster: cluster, node: node, mode: mode, fileSystem: fileSystem, using: &generator)
}

/// A log that is open, in the directory that it holds.
struct OpenLog {
    let directory: DataDirectory
    let log: SegmentedLog
    let recovered: RecoveredLog

    init(
        _ fileSystem: some FileSystem, _ path: String = directoryPath, segmentBytes: Int = 4096,
        preparation: (any Loop)? = nil
    ) throws {
        directory = try openDirectory(fileSystem, path)
        do {
            log = try SegmentedLog(directory: directory, segmentBytes: segmentBytes, preparation: preparation)
            recovered = try log.open()
        } catch {
            directory.close()
            throw error
        }
    }

    func close() {
        log.close()
        directory.close()
    }

    /// Every entry through `last`, read in pieces of at most `maximumBytes`.
    func all(through last: LogIndex, maximumBytes: Int = 1 << 20) throws -> [HeldEntry] {
        var all: [HeldEntry] = []
        while LogIndex(UInt64(all.count)) < last {
            let batch = try log.read(
                from: LogIndex(UInt64(all.count) + 1), through: last, maximumBytes: maximumBytes)
            all += batch.entries
        }
        return all
    }
}

/// What a log store that has purged nothing should hold.
struct Model: Equatable {
    private var expected = ExpectedStore(path: directoryPath)

    init() {}
    private init(_ expected: ExpectedStore) { self.expected = expected }
    init(hardState: HardState = HardState(), entries: [HeldEntry]) {
        expected.hardState = hardState
        expected.entries = entries
    }

    static func == (a: Model, b: Model) -> Bool { a.hardState == b.hardState && a.entries == b.entries }

    var hardState: HardState { expected.hardState }
    var entries: [HeldEntry] { expected.entries }
    var last: LogID { expected.last }
    var termStarts: [LogID] { ExpectedStore.termStarts(entries[...]) }
    var configurations: [LogID] { entries.filter { $0.kind == .configuration }.map(\.id) }

    mutating func perform(_ operation: LogOperation) { expected.perform(operation) }

    /// Every state that a crash during a write of `operations` may leave: after each prefix, entry by entry.
    func statesDuring(_ operations: [LogOperation]) -> [Model] { expected.states(during: operations).map(Model.init) }

    func expectHeld(by store: OpenLog, recovered: Bool = true) throws {
        if recovered {
            #expect(store.recovered.hardState == hardState)
            #expect(store.recovered.last == last)
            #expect(store.recovered.termStarts == termStarts)
            #expect(store.recovered.configurations.map(\.id) == configurations)
        }
        #expect(try store.all(through: last.index) == entries)
    }
}

/// Hands everything on: for tests that change or watch a part of it.
class ForwardingFileSystem: FileSystem, @unchecked Sendable {
    // @unchecked: what a test adds is guarded by itself.
    private let base: SimulatedFileSystem
    init(_ base: SimulatedFileSystem) { self.base = base }

    func kind(of path: String) throws(RaftError) -> FileKind? { try base.kind(of: path) }
    func open(_ path: String, _ mode: OpenMode) throws(RaftError) -> any FileHandle { try base.open(path, mode) }
    func rename(_ path: String, to newPath: String) throws(RaftError) { try base.rename(path, to: newPath) }
    func remove(_ path: String) throws(RaftError) { try base.remove(path) }
    func list(_ directory: String) throws(RaftError) -> [String] { try base.list(directory) }
    func makeDirectory(_ path: String) throws(RaftError) { try base.makeDirectory(path) }
    func syncDirectory(_ path: String) throws(RaftError) { try base.syncDirectory(path) }
    var processID: Int { base.processID }
}

/// What a frame with this payload takes in a segment.
func frameSize(_ payload: Int) -> Int { 72 + (payload + 7) / 8 * 8 + 8 }

/// The error that `body` throws, of the code it should have.
func error(_ code: RaftError.Code, from body: () throws -> Void) -> RaftError? {
    let error = #expect(throws: RaftError.self, performing: body)
    #expect(error?.code == code, "\(error?.message ?? "no error")")
    return error
}
