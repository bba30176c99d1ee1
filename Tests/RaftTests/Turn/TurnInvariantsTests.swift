import Testing

@testable import Raft

@Suite("What may change in a turn")
struct TurnInvariantsTests {
    /// What the check says after `change` of a voter in term 5 with vote 2, log [1, 5, 5] and commit 2.
    func violation(_ change: (inout Baton, inout Effects) -> Void) -> String? {
        let desk = Desk(FollowerRules(), term: 5, vote: 2, log: [1, 5, 5], commit: 2)
        let before = TurnInvariants(desk.baton)
        var effects = Effects()
        change(&desk.baton, &effects)
        return before.violation(desk.baton)
    }

    @Test("A turn that does what turns do breaks nothing")
    func lawful() {
        #expect(violation { _, _ in } == nil)
        #expect(violation { _ = $0.persist(HardState(currentTerm: 6), &$1) } == nil)
        #expect(violation { $0.write(keeping: LogID(2, 5), [batch(from: 3, [5, 5])], configurations: [], &$1) } == nil)
        #expect(
            violation {
                $0.commit(through: 3)
                $0.orderApply(&$1) { _ in [] }
                $0.noteApplied(through: 3)
            } == nil)
    }

    @Test("A term that goes back, a vote that changes, a cut below the commit index: each is found")
    func unlawful() throws {
        #expect(violation { _ = $0.persist(HardState(currentTerm: 4), &$1) } == "currentTerm went back from 5 to 4")
        #expect(
            violation { _ = $0.persist(HardState(currentTerm: 5, votedFor: 3), &$1) }
                == "the vote of term 5 changed from 2")
        #expect(violation { _ = $0.persist(HardState(currentTerm: 5), &$1) } == "the vote of term 5 changed from 2")
        #expect(violation { $0.write(keeping: LogID(1, 1), [], configurations: [], &$1) } != nil)
        #expect(violation { baton, _ in baton.noteApplied(through: 3) } == "entry 3 was applied without being told to")
        #expect(
            violation { $0.write(keeping: LogID(3, 5), [batch(from: 4, [7])], configurations: [], &$1) }
                == "the log ends at 4@7, above the current term")
        #expect(violation { baton, _ in baton.lastApplied = 1 } == "lastApplied went back from 2 to 1")
    }
}
