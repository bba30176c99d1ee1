import Testing

@testable import Raft

@Suite("What a start makes of a log and snapshots")
struct SnapshotRecoveryTests {
    private func log(
        _ terms: [Term], purged: LogID = .zero, configurations: [(LogID, [NodeID])] = []
    ) -> RecoveredLog {
        var tail = LogTail(terms: TermRuns(purged: purged))
        if !terms.isEmpty { tail.append(batch(from: purged.index.next, terms)) }
        return RecoveredLog(
            hardState: HardState(currentTerm: 9), purged: purged, termStarts: tail.terms.starts, last: tail.last,
            configurations: configurations.map { ($0.0, Desk<FollowerRules>.configuration($0.1).encoded) },
            incarnation: Incarnation(rawValue: 1))
    }

    @Test("A log that holds the snapshot's last entry stays as it is")
    func held() throws {
        let recovery = try SnapshotRecovery(log([1, 1, 2, 2]), [manifest(3, 2)])
        #expect(recovery.operations.isEmpty)
        #expect(recovery.log.last == LogID(4, 2))
        #expect(recovery.snapshots.map(\.last.index) == [3])
    }

    @Test("A log that ends before the snapshot, or has another entry there, begins anew behind it")
    func halfInstalled() throws {
        for terms in [[1, 1], [], [1, 1, 1, 1, 1]] as [[Term]] {
            let recovery = try SnapshotRecovery(log(terms), [manifest(3, 2)])
            guard case .reset(to: LogID(3, 2)) = recovery.operations.first else {
                Issue.record("\(terms): \(recovery.operations)")
                continue
            }
            #expect(recovery.log.last == LogID(3, 2))
            #expect(recovery.log.purged == LogID(3, 2))
            #expect(recovery.log.termStarts.isEmpty)
        }
    }

    @Test("A damaged snapshot does not replace a log; the older one does, or the log goes on alone")
    func damaged() throws {
        let newest = manifest(8, 2, number: 2)
        let older = try SnapshotRecovery(log([1, 1, 2, 2]), [newest, manifest(3, 2)]) { $0 != newest }
        #expect(older.operations.isEmpty)
        #expect(older.snapshots.map(\.last.index) == [3])
        let none = try SnapshotRecovery(log([1, 1]), [newest]) { _ in false }
        #expect(none.operations.isEmpty && none.snapshots.isEmpty)
    }

    @Test("Entries missing between every snapshot and the log stop the start")
    func gap() {
        let late = log([2], purged: LogID(5, 2))
        #expect(throws: RaftError.self) { try SnapshotRecovery(late, []) }
        let error = #expect(throws: RaftError.self) { try SnapshotRecovery(late, [manifest(4, 2)]) }
        #expect(error?.message.contains("the log begins behind entry 5@2") == true)
        #expect(throws: RaftError.self) { try SnapshotRecovery(late, [manifest(5, 1)]) }
    }

    @Test("The configuration is the snapshot's, and after it those of the log behind it: none before it counts")
    func membership() throws {
        let snapshot = manifest(3, 2, voters: [1, 2], configured: LogID(1, 1))
        let entries: [(LogID, [NodeID])] = [(LogID(1, 1), [1, 2]), (LogID(2, 1), [7, 8, 9])]
        let alone = try SnapshotRecovery(log([1, 1, 1], configurations: entries), [snapshot])
        #expect(alone.membership.current?.voters == [1, 2])
        #expect(alone.membership.currentID == LogID(1, 1))
        #expect(alone.membership.bootstrap == 77)
        let behind = try SnapshotRecovery(
            log([1, 1, 2, 2], configurations: entries + [(LogID(4, 2), [4, 5])]), [snapshot])
        #expect(behind.membership.current?.voters == [4, 5])
    }

    @Test("Since when the members are what they are is known as far as the log goes back")
    func members() throws {
        let entries: [(LogID, [NodeID])] = [(LogID(1, 1), [1, 2]), (LogID(2, 1), [1, 2])]
        let snapshot = manifest(3, 2, voters: [1, 2], configured: LogID(2, 1))
        let held = try SnapshotRecovery(log([1, 1, 2], configurations: entries), [snapshot])
        #expect(held.membership.currentID == LogID(2, 1))
        #expect(held.membership.membersID == LogID(1, 1))
        let purged = try SnapshotRecovery(log([2], purged: LogID(3, 2)), [snapshot])
        #expect(purged.membership.membersID == LogID(2, 1))
    }
}
