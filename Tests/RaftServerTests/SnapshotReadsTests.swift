import Raft
import RaftClient
import Testing

@testable import RaftServer

/// A loop that a test turns by hand.
private final class HandLoop: Loop, @unchecked Sendable {
    // @unchecked: a test uses it on one thread.
    private var units: [any Activated] = []
    private var timers: [(due: Instant, unit: any Activated)] = []
    private(set) var now: Instant = .seconds(1)
    var timerCount: Int { timers.count }

    func post(_ unit: any Activated) { units.append(unit) }
    func after(_ delay: Duration, _ unit: any Activated) { timers.append((now + delay, unit)) }
    func enqueue(_ job: consuming ExecutorJob) { preconditionFailure("no task runs on a test's loop") }
    func run() { while !units.isEmpty { units.removeFirst().activate() } }

    func advance(_ duration: Duration) {
        now += duration
        let due = timers.filter { $0.due <= now }
        timers.removeAll { $0.due <= now }
        for timer in due { timer.unit.activate() }
        run()
    }
}

@Suite("Snapshots that operators read")
struct SnapshotReadsTests {
    private let loop = HandLoop()
    private let store = MemorySnapshotStore()
    private let reads: SnapshotReads

    init() { reads = SnapshotReads(store, on: loop) }

    private static func id(_ number: UInt64) -> SnapshotID {
        SnapshotID(builder: Incarnation(rawValue: 5), number: number)
    }

    private func add(_ number: UInt64, _ count: Int = 10) throws {
        let state = (0..<count).map { UInt8(truncatingIfNeeded: $0 &+ Int(number)) }
        let writer = try store.begin(.own)
        try writer.write(state[...])
        try writer.commit(
            SnapshotManifest(
                id: Self.id(number), last: LogID(term: 3, index: LogIndex(number)),
                configuration: try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")]),
                configurationID: LogID(term: 0, index: 1), bootstrap: 9, byteCount: UInt64(count),
                checksum: SnapshotChecksum.of(state[...])))
    }

    private func read(_ number: UInt64, at offset: UInt64 = 0) -> Result<SnapshotPiece, RaftError>?? {
        let answer = Lock<Result<SnapshotPiece, RaftError>??>(nil)
        reads.read(Self.id(number), at: offset) { result in answer.withLock { $0 = .some(result) } }
        loop.run()
        return answer.withLock { $0 }
    }

    @Test("A snapshot comes in pieces, and ends")
    func pieces() throws {
        try add(1, SnapshotReads.pieceBytes + 7)
        let first = try #require(try read(1)??.get())
        #expect(first.bytes.count == SnapshotReads.pieceBytes && first.offset == 0 && first.manifest.id == Self.id(1))
        let second = try #require(try read(1, at: first.end)??.get())
        #expect(second.bytes.count == 7 && second.end == second.manifest.byteCount)
        #expect(try read(1, at: second.end)??.get().bytes == [])
        #expect(try read(1, at: .max)??.get().bytes == [])
        #expect(reads.openCount == 1)
    }

    @Test("One that was begun can be read to its end after the node has removed it, until nobody asks for a while")
    func removed() throws {
        try add(1)
        _ = read(1)
        try store.setAside(Self.id(1))
        for _ in 0..<5 {
            loop.advance(SnapshotReads.maximumPause * 0.8)
            #expect(try read(1, at: 5)??.get().bytes.count == 5)
        }
        loop.advance(SnapshotReads.maximumPause)
        #expect(reads.openCount == 0)
        loop.advance(SnapshotReads.maximumPause)
        #expect(loop.timerCount == 0)
        let answer = try #require(read(1, at: 5))
        #expect(answer == nil, "it is gone")
    }

    @Test("Only so many are open at once; who comes late is told so, and may come again")
    func limit() throws {
        let count = UInt64(SnapshotReads.maximumOpenCount)
        for number in 1...(count + 1) { try add(number) }
        for number in 1...count { #expect(try read(number)??.get().bytes.count == 10) }
        guard case .failure(let error)?? = read(count + 1) else {
            Issue.record("one too many")
            return
        }
        #expect(error.code == .overloaded && error.message.contains("\(count) snapshots"))
        #expect(try read(1, at: 3)??.get().bytes.count == 7)
        loop.advance(SnapshotReads.maximumPause)
        #expect(try read(count + 1)??.get().bytes.count == 10)
    }

    @Test("One that cannot be read is said to be damaged")
    func damaged() throws {
        let reads = SnapshotReads(BrokenStore(), on: loop)
        let answer = Lock<Result<SnapshotPiece, RaftError>??>(nil)
        reads.read(Self.id(1), at: 0) { result in answer.withLock { $0 = .some(result) } }
        loop.run()
        guard case .failure(let error)?? = answer.withLock({ $0 }) else {
            Issue.record("no failure")
            return
        }
        #expect(error.code == .corrupt && reads.openCount == 0)
    }
}

private final class BrokenStore: SnapshotStore {
    func open() -> RecoveredSnapshots { RecoveredSnapshots(manifests: [], damaged: []) }
    func begin(_ origin: SnapshotOrigin) throws -> any SnapshotWriter { throw RaftError(.storage, "only read") }
    func reader(of id: SnapshotID) throws -> any SnapshotReader { throw RaftError(.corrupt, "a bit has turned over") }
    func setAside(_ id: SnapshotID) {}
    func prune(endingBefore index: LogIndex) {}
    func close() {}
}
