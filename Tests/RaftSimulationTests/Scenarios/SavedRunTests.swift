import Raft
import TestTraits
import Testing

@testable import RaftSimulation

@Suite("A run of the simulation, kept as text", .heavy)
struct SavedRunTests {
    private static func text(of value: Any) -> String {
        var text = ""
        dump(value, to: &text)
        return text
    }

    /// A run with everything that it is made of given: its own profile, and the faults that it drew.
    private static func drawn(_ seed: UInt64, _ name: SimulationProfile.Name, events: Int) throws -> (
        saved: SavedRun, report: SimulationReport
    ) {
        let first = try Simulation(seed: seed, name: name)
        _ = try first.run(events: events)
        let saved = SavedRun(seed: seed, events: events, profile: first.profile, faults: first.faults)
        let again = try Simulation(seed: seed, profile: saved.profile, faults: saved.faults)
        return (saved, try again.run(events: events))
    }

    private static func read(_ text: String) throws(ScenarioFailure) -> SavedRun {
        try SavedRun(name: "kept.txt", lines: text.split(separator: "\n").map(String.init))
    }

    @Test("Whatever a profile says is in the text, and read back as it was")
    func everything() throws {
        for name in SimulationProfile.Name.allCases {
            for seed in 0..<100 {
                let profile = SimulationProfile(seed: UInt64(seed), name: name)
                let faults = [TimedFault(at: 1_200_000, .crash(1, losingPower: true, afterChanges: 3))]
                let saved = SavedRun(seed: 46, events: 900, profile: profile, faults: faults)
                let back = try Self.read(saved.text)
                #expect(Self.text(of: back) == Self.text(of: saved), "\(name), \(seed)")
            }
        }
    }

    @Test(
        "The text runs as the run did of which it was kept",
        arguments: [(3, SimulationProfile.Name.swarm), (8, .churn), (5, .disk)] as [(UInt64, SimulationProfile.Name)])
    func replays(_ seed: UInt64, _ name: SimulationProfile.Name) throws {
        let (saved, report) = try Self.drawn(seed, name, events: 2000)
        let scenario = try Scenario(name: "kept.txt", text: "# A title.\n# Its source\n\(saved.text)# The end\n")
        #expect(scenario.endsInLivenessCheck)
        let again = try scenario.run()
        #expect(again.events == report.events)
        #expect(again.virtualTime == report.virtualTime)
    }

    @Test("What the shrinker prints is such a text, and breaks the same promise when it is run again")
    func shrunk() throws {
        // Segments of a size that cannot be: no node starts.
        var profile = SimulationProfile(seed: 7, nodeCount: 3, name: .calm)
        profile.segmentBytes = 5000
        let faults = [TimedFault(at: 1_000_000, .cut([])), TimedFault(at: 2_000_000, .start(1))]
        var shrinker = Shrinker(seed: 3, profile: profile, faults: faults, events: 500)
        let text = try shrinker.run { _ in }
        let scenario = try Scenario(name: "kept.txt", text: text)
        #expect(scenario.title.hasPrefix("Seed 3 breaks I21: node 1 did not start"), "\(scenario.title)")
        let saved = try Self.read(text)
        #expect(saved.faults.isEmpty)
        #expect(saved.profile.nodeCount == 1)
        #expect(saved.profile.segmentBytes == 5000)
        do {
            _ = try scenario.run()
            Issue.record("it came true")
        } catch {
            #expect(error.reason.hasPrefix("I21: node 1 did not start"), "\(error)")
            #expect(error.nodes.count == 1)
        }
    }

    @Test("A setting that is missing, said twice, unknown or without a value is refused, with the line")
    func refused() throws {
        let text = SavedRun(
            seed: 1, events: 10, profile: SimulationProfile(seed: 1), faults: [TimedFault(at: 5, .blackout)]
        ).text
        let lines = text.split(separator: "\n").map(String.init)
        func failure(_ lines: [String]) -> ScenarioFailure? {
            do {
                _ = try SavedRun(name: "kept.txt", lines: lines)
                return nil
            } catch { return error }
        }
        #expect(failure(lines) == nil)
        let keys = try #require(lines.firstIndex { $0.hasPrefix("keys ") })
        var changed = lines
        changed.remove(at: keys)
        #expect(failure(changed)?.reason == "not said: keys")
        for (bad, line) in [("keys 3", keys + 2), ("keys x", keys + 1), ("wheels 4", keys + 1), ("at 5: x", keys + 1)] {
            changed = lines
            if line == keys + 1 { changed[keys] = bad } else { changed.insert(bad, at: keys + 1) }
            #expect(failure(changed)?.line == line, "\(bad)")
        }
        #expect(failure(["nodes 3"])?.reason.contains("simulation of seed") == true)
    }
}
