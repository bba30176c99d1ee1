import Raft
import TestTraits
import Testing

@testable import RaftSimulation

@Suite("The truth about what is committed", .heavy)
struct SafetyCheckerTests {
    /// A node that holds an entry of term 1, which its leader of term 3 has committed without it.
    private static func checker() -> SafetyChecker {
        let checker = SafetyChecker(
            voters: [1, 2, 3, 4, 5], limits: Configuration(id: 1), tally: MarkTally(seed: 1, isArmed: false))
        var builder = EntryBatch.Builder(first: 1, term: 1)
        builder.append(.command, [1])
        checker.wrote([.hardState(HardState(currentTerm: 1)), .append(builder.finish()!)], on: 4)
        checker.committed = [(LogID(term: 1, index: 1), checker.mirrors[4]!.prefix(at: 1)!)]
        checker.committedBy = [3]
        return checker
    }

    @Test("What a later term has committed may be cut for a leader of an earlier one, whose message comes late")
    func cutByAnEarlierLeader() {
        let checker = Self.checker()
        checker.wrote([.hardState(HardState(currentTerm: 2)), .truncate(through: .zero)], on: 4)
        #expect(checker.violation == nil)
    }

    @Test("What is committed is not cut in the term that committed it, or later", arguments: [3, 4] as [Term])
    func cutByALaterLeader(_ term: Term) {
        let checker = Self.checker()
        checker.wrote([.hardState(HardState(currentTerm: term)), .truncate(through: .zero)], on: 4)
        #expect(checker.violation?.invariant == "I7")
    }
}
