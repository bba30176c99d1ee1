import Testing

@testable import Raft

@Suite("The configurations that the log holds")
struct MembershipHistoryTests {
    func configuration(_ voters: NodeID...) -> ClusterConfiguration { Desk<FollowerRules>.configuration(voters) }

    @Test("The newest is in force, committed or not; a truncation brings back the one before")
    func truncation() {
        var history = MembershipHistory()
        #expect(history.current == nil && history.currentID == .zero)
        history.append(configuration(1), at: LogID(1, 0))
        history.append(configuration(1, 2), at: LogID(5, 1))
        history.append(configuration(1, 2, 3), at: LogID(9, 2))
        #expect(history.current == configuration(1, 2, 3))
        let unchanged = history.truncate(through: 9)
        #expect(!unchanged)
        let changed = history.truncate(through: 8)
        #expect(changed)
        #expect(history.current == configuration(1, 2) && history.currentID == LogID(5, 1))
        _ = history.truncate(through: 0)
        #expect(history.current == nil)
    }

    @Test("What is committed cannot come off; only what is older than it is forgotten")
    func commits() {
        var history = MembershipHistory()
        history.append(configuration(1), at: LogID(1, 0))
        history.append(configuration(1, 2), at: LogID(5, 1))
        history.append(configuration(1, 2, 3), at: LogID(9, 2))
        history.commit(through: 8)
        _ = history.truncate(through: 8)
        #expect(history.current == configuration(1, 2))
        history.commit(through: 100)
        #expect(history.current == configuration(1, 2), "the newest is never forgotten")
    }

    @Test("The birth mark is the first entry's, and goes with it")
    func birthMark() {
        var history = MembershipHistory()
        history.append(configuration(1), at: LogID(2, 1))
        #expect(history.bootstrap == nil)
        var other = MembershipHistory()
        other.append(configuration(1), at: LogID(1, 0))
        var third = MembershipHistory()
        third.append(configuration(1, 2), at: LogID(1, 0))
        #expect(other.bootstrap != nil && other.bootstrap != third.bootstrap)
        other.append(configuration(1, 2), at: LogID(5, 1))
        other.commit(through: 5)
        #expect(other.bootstrap != nil)
        _ = third.truncate(through: 0)
        #expect(third.bootstrap == nil)
    }

    @Test("Binding members to their lives is no other membership; a cut brings back the right one (R21)")
    func bindings() {
        var history = MembershipHistory()
        let bound = configuration(1, 2).binding { Incarnation(rawValue: $0.rawValue) }
        history.append(configuration(1, 2), at: LogID(1, 0))
        history.append(bound, at: LogID(4, 1))
        #expect(history.currentID == LogID(4, 1) && history.membersID == LogID(1, 0))
        history.append(configuration(1, 2, 3), at: LogID(9, 2))
        #expect(history.membersID == LogID(9, 2))
        _ = history.truncate(through: 8)
        #expect(history.current == bound && history.membersID == LogID(1, 0))
        _ = history.truncate(through: 3)
        #expect(history.current == configuration(1, 2) && history.currentID == LogID(1, 0))
        history.append(bound, at: LogID(5, 2))
        history.commit(through: 5)
        #expect(history.membersID == LogID(1, 0), "known although that entry is forgotten")
    }
}
