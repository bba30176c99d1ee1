import Raft
import RaftSimulation
import TestTraits
import Testing

@testable import RaftKeyValueSimulation

@Suite("The key-value service in the simulation", .heavy)
struct KeyValueSimulationTests {
    @Test("Under every fault, watches, leases and transactions are what they are to be")
    func seeds() throws {
        var met: [KeyValueTally.Event: Int] = [:]
        for seed in 0..<30 as Range<UInt64> {
            let (simulation, tally) = try KeyValueSimulation.make(seed: seed, lie: nil)
            do { _ = try simulation.run(events: 4000) } catch { Issue.record("seed \(seed): \(error)") }
            for event in KeyValueTally.Event.allCases { met[event, default: 0] += tally.count(event) }
        }
        // What is never met is never checked.
        for event in KeyValueTally.Event.allCases {
            #expect(met[event, default: 0] > 0, "\(event)")
        }
    }

    @Test("A seed makes the same run every time")
    func determinism() throws {
        for seed in 0..<5 as Range<UInt64> {
            let first = try KeyValueSimulation.make(seed: seed).run(events: 3000)
            let second = try KeyValueSimulation.make(seed: seed).run(events: 3000)
            #expect(first == second, "seed \(seed)")
        }
    }

    /// Which number each is to be noticed by.
    private static let invariants: [Lie: Set<String>] = [
        .skipsFirstChange: ["I26"], .losesMessage: ["I26", "L11"], .swapsMessages: ["I26", "L11"],
        .silencesWatch: ["L11"], .neverBeginsWatch: ["L11"], .losesProgress: ["L11"],
        .losesReports: ["L11"], .ignoresDrift: ["I29"], .remembersLeases: ["I29"],
        .keepsLeftKeys: ["I27", "I28"],
        .servesCompacted: ["I26"], .keepsLeasesByItself: ["I29"], .hastensLeases: ["I29"],
        .stopsLeases: ["L12"], .readsOldAnswer: ["I27"], .deniesWrites: ["I18", "I19"],
        .comparesWrongly: ["I26", "I27", "I28"], .keepsKeysOfLeases: ["I26", "I27", "I28"],
    ]

    @Test("What is told wrongly is noticed within some seeds, by the promise that it breaks", arguments: Lie.allCases)
    func lies(_ lie: Lie) throws {
        for seed in 0..<200 as Range<UInt64> {
            do {
                _ = try KeyValueSimulation.make(seed: seed, lie: lie).simulation.run(events: 5000)
            } catch let violation as Violation {
                #expect(Self.invariants[lie]!.contains(violation.invariant), "seed \(seed): \(violation)")
                print("\(lie) is noticed by seed \(seed): \(violation.invariant)")
                return
            }
        }
        Issue.record("\(lie) is not noticed")
    }
}
