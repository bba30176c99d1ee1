internal import Raft
internal import RaftStorage

/// Plays what a node does with its data directory, and remembers for every moment what a start after a crash in it may
/// find.
///
/// A moment is a number of changes of the disk since the recording began: writes, syncs, and makings, renamings and
/// removals of names.
final class CrashRecording {
    /// Members that may be met.
    static let members: ClosedRange<UInt64> = 2...4

    private let disk: SimulatedFileSystem
    private let firstChange: Int
    /// What is expected after so many changes, until the next; in order.
    private var spans: [(from: Int, states: [ExpectedStore])] = []
    private let segmentBytes: Int
    private var lives: RandomSource
    private var store: OpenedStore?
    /// Of the snapshots that were written.
    private var snapshotCount: UInt64 = 0

    /// What the node was told.
    private(set) var expected: ExpectedStore

    /// - Parameters:
    ///   - disk: as a crash left it.
    ///   - states: what may be on it; not empty.
    ///   - isRecorded: whether ``moments()`` will be asked for.
    init(
        _ disk: SimulatedDisk, finding states: [ExpectedStore], segmentBytes: Int, seed: UInt64, isRecorded: Bool
    ) {
        self.disk = SimulatedFileSystem(disk)
        self.segmentBytes = segmentBytes
        firstChange = disk.changeCount
        lives = RandomSource(seed: seed)
        expected = states[0]
        spans = [(0, states)]
        if isRecorded { self.disk.beginHistory() }
    }

    private var moment: Int { disk.changeCount - firstChange }

    /// For every moment: the disk, which span of expectations it belongs to, and what is expected.
    func moments() -> [(disk: SimulatedDisk, span: Int, states: [ExpectedStore])] {
        var span = 0
        return disk.endHistory().enumerated().map { moment, disk in
            while span + 1 < spans.count, spans[span + 1].from <= moment { span += 1 }
            return (disk, span, spans[span].states)
        }
    }

    private var running: OpenedStore {
        get throws {
            guard let store else { throw CrashStateFault("the script works on a store that is not open") }
            return store
        }
    }

    /// While `body` runs any of `during` may be found, and afterwards what it returns.
    private func change(_ during: [ExpectedStore], _ body: () throws -> ExpectedStore) throws {
        let before = moment
        expected = try body()
        if moment > before {
            spans.append((before + 1, during + [expected]))
        } else if let newest = spans.last, newest.from == moment {
            spans.removeLast()
        }
        spans.append((moment, [expected]))
    }

    // MARK: What a node does

    /// The node's first start in a directory of its own.
    func found(at path: String) throws {
        store?.close()
        disk.settle()
        expected = ExpectedStore(path: path)
        spans.append((moment, [expected]))
        try start()
    }

    /// Opens the directory, reads all of it, and expects one of the states that may be there.
    func start() throws {
        let states = spans.last?.states ?? [expected]
        try change(states) {
            let isMade = !states.contains { $0.incarnation == nil }
            let opened: OpenedStore
            do {
                opened = try OpenedStore(
                    disk, expected.path, mode: isMade ? .existing : .create, segmentBytes: segmentBytes, lives: &lives)
            } catch {
                throw CrashStateFault("the start is refused: \(error)")
            }
            store = opened
            let found: FoundStore
            do { found = try opened.found(members: Self.members.map { NodeID($0) }) } catch {
                throw CrashStateFault("what is there cannot be read: \(error)")
            }
            guard var state = states.first(where: { $0.difference(from: found) == nil }) else {
                let why = states.last.flatMap { $0.difference(from: found) } ?? "none was expected"
                throw CrashStateFault(
                    "what is there is none of the \(states.count) states that may be; of the last: \(why)")
            }
            state.incarnation = found.incarnation
            state.leftovers = state.leftovers.filter(found.snapshots.contains)
            return state
        }
    }

    /// The process ends, the machine does not; then the node starts again.
    func restart() throws {
        store?.close()
        disk.killProcess()
        try start()
    }

    func write(_ operations: [LogOperation]) throws {
        try change(expected.states(during: operations)) {
            try running.log.write(operations)
            var after = expected
            for operation in operations { after.perform(operation) }
            return after
        }
    }

    /// A write whose next sync fails; then the process ends, as it must, and starts again.
    func writeFailing(_ operations: [LogOperation]) throws {
        let during = expected.states(during: operations)
        let before = moment
        disk.failNext(.sync, at: ".segment")
        do {
            try write(operations)
            disk.clearFaults()
        } catch is RaftError {
            spans.append((before + 1, during))
        }
        try restart()
    }

    /// Writes a snapshot of so many bytes.
    func snapshot(_ origin: SnapshotOrigin, through last: LogID, byteCount: Int) throws {
        snapshotCount += 1
        let number = snapshotCount
        let state = (0..<byteCount).map { UInt8(truncatingIfNeeded: UInt64($0) &* 31 &+ number &* 7) | 1 }
        let manifest = SnapshotManifest(
            id: SnapshotID(builder: expected.incarnation ?? Incarnation(rawValue: 1), number: number), last: last,
            configuration: try ClusterConfiguration(voters: [.init(id: OpenedStore.node, address: "a:1")]),
            configurationID: LogID(term: 0, index: 1), bootstrap: 1, byteCount: UInt64(byteCount),
            checksum: SnapshotChecksum.of(state[...]))
        try change([expected]) {
            let writer = try running.snapshots.begin(origin)
            try writer.write(state[...])
            try writer.commit(manifest)
            var after = expected
            after.add(manifest)
            return after
        }
    }

    func prune(endingBefore index: LogIndex) throws {
        var after = expected
        after.prune(endingBefore: index)
        var during = after
        during.leftovers += expected.snapshots.filter { !after.snapshots.contains($0) }
        try change([expected, during]) {
            try running.snapshots.prune(endingBefore: index)
            after.leftovers = []
            return after
        }
    }

    /// Remembers which life of another member was met.
    func meet(_ node: NodeID, _ life: Incarnation) throws {
        try change([expected]) {
            try running.peers.remember(life, of: node)
            var after = expected
            after.peers[node] = life
            return after
        }
    }
}

/// What a crash must not lead to.
struct CrashStateFault: Error, Hashable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
