import TestTraits
import Testing

@testable import RaftSimulation

@Suite("What a search for mutants finds", .heavy)
struct MutantTrialTests {
    private let mutant = DeclaredMutant.find("4.1")!

    private func killed(_ count: Int, seed: UInt64, _ invariant: String = "I4") -> MutantTrial {
        MutantTrial(
            base: seed + 1 - UInt64(count), seedCount: count,
            outcome: .killed(seed: seed, invariant: invariant, text: "text of \(seed)"))
    }

    @Test("The median is over the bases, and the kept kill is the one that needed the fewest seeds")
    func median() {
        let verdict = MutantVerdict(
            mutant, trials: [killed(9, seed: 8), killed(300, seed: 1_000_299), killed(2, seed: 2_000_001)])
        #expect(verdict.isKilled)
        #expect(verdict.medianSeeds == 9)
        #expect(verdict.firstKill?.seed == 2_000_001)
        #expect(
            verdict.line
                == "4.1 vote-for-any-log: 9 seeds (9, 300, 2); seed 2000001: I4: text of 2000001")
    }

    @Test("One base without a kill is a survivor; its count is above every other")
    func survivor() {
        let survivor = MutantTrial(base: 0, seedCount: 20, outcome: .survived)
        let half = MutantVerdict(mutant, trials: [killed(9, seed: 8), survivor])
        #expect(!half.isKilled)
        #expect(half.medianSeeds == 9)
        #expect(half.line.contains("SURVIVES from 1 of 2 bases"))
        let whole = MutantVerdict(mutant, trials: [survivor, survivor])
        #expect(whole.medianSeeds == nil)
        #expect(whole.line == "4.1 vote-for-any-log: SURVIVES, 40 seeds")
        let late = MutantVerdict(mutant, trials: [MutantTrial(base: 0, seedCount: 3, outcome: .unfinished)])
        #expect(late.line == "4.1 vote-for-any-log: NOT KILLED when the time was up, 3 seeds")
    }

    @Test("What is not there yet counts neither as killed nor as a survivor")
    func notThere() {
        let waiting = DeclaredMutant.all.first { $0.needs != nil }
        let summary = MutantSummary(
            verdicts: [MutantVerdict(mutant, trials: [killed(7, seed: 6)])]
                + (waiting.map { [MutantVerdict($0, trials: [])] } ?? []))
        #expect(summary.survivors.isEmpty)
        #expect(summary.medianSeeds == 7)
        #expect(
            summary.line
                == "1 of 1 killed, 1 within 1000 seeds, median 7 seeds; \(waiting == nil ? 0 : 1) not there yet")
    }

    @Test("A summary names its survivors")
    func survivors() {
        let verdict = MutantVerdict(mutant, trials: [MutantTrial(base: 0, seedCount: 5, outcome: .survived)])
        let summary = MutantSummary(verdicts: [verdict])
        #expect(
            summary.line
                == "0 of 1 killed, 0 within 1000 seeds, median – seeds; 0 not there yet; not killed: 4.1 vote-for-any-log"
        )
    }
}
