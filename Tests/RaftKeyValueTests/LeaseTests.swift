import Raft
import Testing

@testable import RaftKeyValue

@Suite("Leases")
struct LeaseTests {
    let directory: TemporaryDirectory
    let machine: KeyValueMachine
    init() throws {
        directory = try TemporaryDirectory(isInMemory: true)
        machine = try KeyValueMachine(in: directory)
    }

    private func put(_ key: UInt8, lease: UInt64?) -> KeyValueCommand {
        .transaction(KeyValueTransaction(then: [.put(key: [key], value: [1], lease: lease)]))
    }

    @Test("A lease's id is the revision that made it, and keys that are put with it say so")
    func granted() throws {
        #expect(try machine.run(from: 5, [.grant(milliseconds: 30_000)]) == [.granted(lease: 5)])
        try machine.run(from: 6, [put(1, lease: 5)])
        #expect(try machine.get([1])?.lease == 5)
        #expect(try machine.leases() == [LeaseSummary(id: 5, milliseconds: 30_000, keyCount: 1)])
        #expect(try machine.leaseMilliseconds(5) == 30_000)
        #expect(try machine.leaseMilliseconds(6) == nil)
    }

    @Test("With its lease all keys go, in one revision, and the history has each")
    func revoked() throws {
        try machine.run(
            from: 1,
            [.grant(milliseconds: 5000), put(3, lease: 1), put(1, lease: 1), put(2, lease: nil), put(2, lease: 1)])
        #expect(try machine.run(from: 6, [.revoke(lease: 1)]) == [.revoked(wasThere: true, keyCount: 3)])
        #expect(try machine.dump().isEmpty && machine.leases().isEmpty)
        let changes = try machine.changes(after: ChangePosition(revision: 5)).changes
        #expect(changes.map(\.key) == [[1], [2], [3]] && changes.allSatisfy { $0.entry == nil && $0.revision == 6 })
        #expect(try machine.run(from: 7, [.revoke(lease: 1)]) == [.revoked(wasThere: false, keyCount: 0)])
    }

    @Test("A key that is put again without the lease, with another one, or deleted, does not go with it")
    func detached() throws {
        try machine.run(
            from: 1,
            [
                .grant(milliseconds: 5000), .grant(milliseconds: 5000), put(1, lease: 1), put(2, lease: 1),
                put(3, lease: 1), put(4, lease: 1), .put(key: [1], value: [9]), put(2, lease: 2), .delete(key: [3]),
                .transaction(KeyValueTransaction(then: [.delete(KeyRange(key: [4]))])), .put(key: [3], value: [9]),
            ])
        #expect(try machine.leases().map(\.keyCount) == [0, 1])
        #expect(try machine.run(from: 20, [.revoke(lease: 1)]) == [.revoked(wasThere: true, keyCount: 0)])
        #expect(try machine.dump().map(\.key) == [[1], [2], [3]])
        #expect(try machine.run(from: 21, [.revoke(lease: 2)]) == [.revoked(wasThere: true, keyCount: 1)])
        #expect(try machine.dump().map(\.key) == [[1], [3]])
    }

    @Test("A put with a lease that is not there is refused, and nothing else of its transaction is done")
    func unknown() throws {
        let outputs = try machine.run(
            from: 1,
            [
                .transaction(
                    KeyValueTransaction(then: [.put(key: [1], value: [1]), .put(key: [2], value: [1], lease: 77)])),
                .grant(milliseconds: 999), .grant(milliseconds: .max),
            ])
        for output in outputs {
            guard case .refused = output else {
                Issue.record("\(output)")
                continue
            }
        }
        #expect(try machine.dump().isEmpty && machine.leases().isEmpty)
    }

    @Test("A transaction that undoes itself gives keys back to the leases that they had")
    func undone() throws {
        let large = [UInt8](repeating: 1, count: 3 << 20)
        try machine.run(
            from: 1,
            [
                .grant(milliseconds: 5000), .grant(milliseconds: 5000), .put(key: [8], value: large),
                .put(key: [9], value: large), put(1, lease: 1), put(2, lease: 1), put(3, lease: nil),
            ])
        let before = try machine.dump()
        let output = try machine.run(
            from: 10,
            [
                .transaction(
                    KeyValueTransaction(then: [
                        .put(key: [1], value: [5], lease: 2), .delete(KeyRange(key: [2])),
                        .put(key: [3], value: [5], lease: 2), .put(key: [4], value: [5], lease: 2), .get([8]),
                        .get([9]),
                    ]))
            ])
        #expect(output == [.refused(KeyValueLimits.resultRefusal)])
        #expect(try machine.dump() == before)
        #expect(try machine.leases().map(\.keyCount) == [2, 0])
        try machine.run(from: 11, [.revoke(lease: 2), .revoke(lease: 1)])
        #expect(try machine.dump().map(\.key) == [[3], [8], [9]])
    }

    @Test("Leases and their keys are the same in a snapshot and after a start")
    func kept() throws {
        var machine = machine
        try machine.run(
            from: 1, [.grant(milliseconds: 5000), .grant(milliseconds: 7000), put(1, lease: 1), put(2, lease: 2)])
        let (leases, keys) = (try machine.leases(), try machine.dump())
        try machine.close()
        machine = try KeyValueMachine(in: directory)
        #expect(try machine.leases() == leases && machine.dump() == keys)
        let last = LogID(term: 1, index: 4)
        var contents = SnapshotContents(try machine.snapshot().stored(through: last), pieceBytes: 30)
        let other = try KeyValueMachine(in: directory, "other")
        try other.restore(&contents, through: last)
        #expect(try other.leases() == leases && other.dump() == keys)
        #expect(try other.run(from: 5, [.revoke(lease: 2)]) == [.revoked(wasThere: true, keyCount: 1)])
    }
}
