import Testing

@testable import Raft

@Suite("When a snapshot is due")
struct SnapshotPolicyTests {
    private func isDue(
        _ policy: SnapshotPolicy, entries: Int = 1, bytes: Int = 0, state: UInt64 = 0, age: Duration = .zero
    ) -> Bool { policy.isDue(entries: entries, bytes: bytes, stateBytes: state, age: age) }

    @Test("By entries, by bytes, by time, each by itself; and never when nothing was applied")
    func each() {
        let byEntries = SnapshotPolicy(entryCount: 3, logBytes: nil)
        #expect(!isDue(byEntries, entries: 2))
        #expect(isDue(byEntries, entries: 3))
        let byBytes = SnapshotPolicy(logBytes: 100)
        #expect(!isDue(byBytes, bytes: 99))
        #expect(isDue(byBytes, bytes: 100))
        let byTime = SnapshotPolicy(logBytes: nil, interval: .seconds(5))
        #expect(!isDue(byTime, age: .seconds(4)))
        #expect(isDue(byTime, age: .seconds(5)))
        #expect(!isDue(byTime, entries: 0, age: .seconds(500)))
        #expect(!isDue(.manual, entries: 1_000_000, bytes: 1 << 40, age: .seconds(500)))
    }

    @Test("By bytes it waits until the log has as many as the state: a large state is not written again and again")
    func largeState() {
        let policy = SnapshotPolicy(logBytes: 100)
        #expect(!isDue(policy, bytes: 999, state: 1000))
        #expect(isDue(policy, bytes: 1000, state: 1000))
    }
}
