/// One search for a seed that notices a mutant: from one base on, until the first kill.
package struct MutantTrial: Sendable, Hashable, Codable {
    package enum Outcome: Sendable, Hashable, Codable {
        /// `invariant` is `crash` or `hang` where the process, not a check, showed it.
        case killed(seed: UInt64, invariant: String, text: String)
        case survived
        /// The time was up.
        case unfinished
    }
    package var base: UInt64
    package var seedCount: Int
    package var outcome: Outcome

    package init(base: UInt64, seedCount: Int, outcome: Outcome) {
        self.base = base
        self.seedCount = seedCount
        self.outcome = outcome
    }

    package var isKill: Bool { if case .killed = outcome { true } else { false } }
}

/// What was found out about one mutant.
package struct MutantVerdict: Sendable, Hashable, Codable {
    package var number: String
    package var name: String
    /// What the code lacks, so that there was nothing to try.
    package var needs: String?
    /// The text that notices it, in place of seeds.
    package var scenario: String?
    package var trials: [MutantTrial]

    package init(_ mutant: DeclaredMutant, trials: [MutantTrial]) {
        number = mutant.number
        name = mutant.name
        needs = mutant.needs
        scenario = mutant.scenario
        self.trials = trials
    }

    /// Killed from every base.
    package var isKilled: Bool { !trials.isEmpty && trials.allSatisfy(\.isKill) }

    /// Seeds to the first kill: the median over the bases; a base without a kill counts as more than any other. Nil when
    /// the median is one of those.
    package var medianSeeds: Int? {
        let counts = trials.map { $0.isKill ? $0.seedCount : .max }.sorted()
        guard !counts.isEmpty else { return nil }
        let median = counts[(counts.count - 1) / 2]
        return median == .max ? nil : median
    }

    /// The seed that needed the fewest others, and what it showed.
    package var firstKill: (seed: UInt64, invariant: String, text: String)? {
        var best: (count: Int, kill: (UInt64, String, String))?
        for trial in trials {
            if case .killed(let seed, let invariant, let text) = trial.outcome, trial.seedCount < best?.count ?? .max {
                best = (trial.seedCount, (seed, invariant, text))
            }
        }
        return best?.kill
    }

    package var line: String {
        if let needs { return "\(number) \(name): not there yet: \(needs)" }
        if let scenario { return "\(number) \(name): noticed by the scenario \(scenario), not by seeds" }
        let kills = trials.filter(\.isKill)
        guard let kill = firstKill else {
            let state = trials.contains { $0.outcome == .unfinished } ? "NOT KILLED when the time was up" : "SURVIVES"
            return "\(number) \(name): \(state), \(trials.reduce(0) { $0 + $1.seedCount }) seeds"
        }
        let median = medianSeeds.map { "\($0) seeds" } ?? "no median"
        let part =
            kills.count == trials.count ? "" : ", SURVIVES from \(trials.count - kills.count) of \(trials.count) bases"
        return
            "\(number) \(name): \(median) (\(trials.map { $0.isKill ? "\($0.seedCount)" : "–" }.joined(separator: ", ")))\(part); seed \(kill.seed): \(kill.invariant): \(kill.text)"
    }
}

/// All of them, and whether that is good enough.
package struct MutantSummary: Sendable, Hashable, Codable {
    package var verdicts: [MutantVerdict]
    package init(verdicts: [MutantVerdict]) { self.verdicts = verdicts }

    package var tried: [MutantVerdict] { verdicts.filter { $0.needs == nil && $0.scenario == nil } }
    package var survivors: [MutantVerdict] { tried.filter { !$0.isKilled } }

    /// The median over the mutants of their medians; nil when that is one without.
    package var medianSeeds: Int? {
        let medians = tried.map { $0.medianSeeds ?? .max }.sorted()
        guard !medians.isEmpty else { return nil }
        let median = medians[(medians.count - 1) / 2]
        return median == .max ? nil : median
    }

    package var line: String {
        let killed = tried.count - survivors.count
        let soon = tried.count { ($0.medianSeeds ?? .max) <= 1000 }
        let waiting = verdicts.count { $0.needs != nil }
        let names = survivors.map { "\($0.number) \($0.name)" }.joined(separator: ", ")
        return
            "\(killed) of \(tried.count) killed, \(soon) within 1000 seeds, median \(medianSeeds.map(String.init) ?? "–") seeds; \(waiting) not there yet"
            + (names.isEmpty ? "" : "; not killed: \(names)")
    }
}
