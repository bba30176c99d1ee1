import Testing

@testable import Raft

@Suite("The log in memory")
struct MemoryLogStoreTests {
    @Test("What was written is there when it is opened again, as a disk would have it")
    func reopen() throws {
        let store = MemoryLogStore(incarnation: Incarnation(rawValue: 7))
        let configuration = batch(from: 3, [2], kind: .configuration)
        try store.write([
            .hardState(HardState(currentTerm: 2, votedFor: 3)), .append(batch(from: 1, [1, 1])), .append(configuration),
            .append(batch(from: 4, [2, 2])), .truncate(through: LogID(4, 2)),
        ])
        let recovered = try store.open()
        #expect(recovered.hardState == HardState(currentTerm: 2, votedFor: 3))
        #expect(recovered.termStarts == [LogID(1, 1), LogID(3, 2)] && recovered.last == LogID(4, 2))
        #expect(recovered.configurations.map(\.id) == [LogID(3, 2)])
        #expect(recovered.incarnation == Incarnation(rawValue: 7) && recovered.purged == .zero)
        try store.write([.truncate(through: LogID(2, 1))])
        #expect(try store.open().configurations.isEmpty, "a configuration goes with its entry")
    }

    @Test("Reads give what fits, at least one entry, and refuse what is not there")
    func reads() throws {
        let store = MemoryLogStore()
        try store.write([.append(batch(from: 1, [1, 1, 1]))])
        #expect(try store.read(from: 2, through: 3, maximumBytes: 1).count == 1)
        #expect(try store.read(from: 1, through: 2, maximumBytes: .max).lastIndex == 2)
        #expect(throws: RaftError.self) { try store.read(from: 4, through: 9, maximumBytes: .max) }
    }
}
