import Testing

@testable import Raft

@Suite("A log applied without a node")
struct OfflineReplayTests {
    /// The members at entry 1, and then one more in each.
    private static func log(_ count: Int, behind: LogID = .zero) throws -> (MemoryLogStore, RecoveredLog) {
        let store = MemoryLogStore()
        _ = try store.open()
        if behind != .zero { try store.write([.reset(to: behind)]) }
        for at in 1...count {
            let index = behind.index.advanced(by: at)
            if index == 1 {
                let members = Desk<FollowerRules>.configuration([1, 2, 3])
                try store.write([.append(entry(index, .configuration, members.encoded))])
            } else {
                var bytes: [UInt8] = []
                Counter.Add(Int64(index.rawValue)).encode(into: &bytes)
                try store.write([.append(entry(index, .command, bytes))])
            }
        }
        return (store, try store.open())
    }

    private static func entry(_ index: LogIndex, _ kind: EntryKind, _ payload: [UInt8]) -> EntryBatch {
        var builder = EntryBatch.Builder(first: index, term: 2)
        builder.append(kind, payload)
        return builder.finish()!
    }

    private static func replay(
        _ log: MemoryLogStore, _ recovered: RecoveredLog, _ store: MemorySnapshotStore
    ) throws -> SnapshotManifest {
        var settings = Configuration(id: 1)
        settings.maximumApplyBytes = 100
        return try OfflineReplay.writeSnapshot(
            of: Counter(), log: log, recovered: recovered, manifests: try store.open().manifests, to: store,
            as: SnapshotID(builder: Incarnation(rawValue: 4), number: 1), settings: settings)
    }

    private static func amounts(in store: MemorySnapshotStore, _ id: SnapshotID) throws -> [Int64] {
        var contents = SnapshotContents(try store.reader(of: id))
        _ = try contents.takeSessions()
        let bytes = try contents.all()
        return try stride(from: 0, to: bytes.count, by: 8).map {
            try Counter.Add(decoding: bytes[$0..<($0 + 8)]).amount
        }
    }

    @Test("A whole log becomes the state at its last entry, with the members that it says")
    func whole() throws {
        let (log, recovered) = try Self.log(40)
        let store = MemorySnapshotStore()
        let manifest = try Self.replay(log, recovered, store)
        #expect(manifest.last == LogID(40, 2) && manifest.configurationID == LogID(1, 2))
        #expect(manifest.configuration == Desk<FollowerRules>.configuration([1, 2, 3]))
        #expect(manifest.bootstrap == manifest.configuration.bootstrapMark)
        #expect(try Self.amounts(in: store, manifest.id) == (2...40).map { Int64($0) })
    }

    @Test("A log behind a snapshot goes on from its state; a snapshot alone is the state")
    func behindSnapshot() throws {
        let store = MemorySnapshotStore()
        let (first, recovered) = try Self.log(10)
        let old = try Self.replay(first, recovered, store)
        let (log, behind) = try Self.log(5, behind: LogID(10, 2))
        let manifest = try Self.replay(log, behind, store)
        #expect(manifest.last == LogID(15, 2) && manifest.configuration == old.configuration)
        #expect(manifest.bootstrap == old.bootstrap)
        #expect(try Self.amounts(in: store, manifest.id) == (2...15).map { Int64($0) })
        let empty = MemoryLogStore()
        #expect(try Self.replay(empty, empty.open(), store).last == LogID(15, 2))
    }

    @Test("What cannot be applied, or is not all there, is an error")
    func refused() throws {
        let store = MemorySnapshotStore()
        let (log, recovered) = try Self.log(5, behind: LogID(10, 2))
        #expect(throws: RaftError.self) { try Self.replay(log, recovered, store) }
        let (bad, _) = try Self.log(15)
        try bad.write([.append(Self.entry(16, .command, [1, 2, 3]))])
        #expect(throws: RaftError.self) { try Self.replay(bad, bad.open(), store) }
        let nothing = MemoryLogStore()
        #expect(throws: RaftError.self) { try Self.replay(nothing, nothing.open(), store) }
    }
}
