import Foundation
import Raft
import RaftSimulation
import TestTraits
import Testing

/// How many seeds a run takes, and from which on: `RAFT_SIMULATION_SEEDS=1000` or `RAFT_SIMULATION_SEEDS=5000+1000`.
private let seeds: Range<UInt64> = {
    let parts = (ProcessInfo.processInfo.environment["RAFT_SIMULATION_SEEDS"] ?? "60").split(separator: "+")
    let numbers = parts.compactMap { UInt64($0) }
    let (first, count) = numbers.count == 2 ? (numbers[0], numbers[1]) : (0, numbers.first ?? 60)
    return first..<(first + count)
}()

@Suite("A cluster in one thread, from one seed", .heavy)
struct SimulationTests {
    @Test("Clusters of every size keep every promise under every fault")
    func keepsPromises() throws {
        for seed in seeds {
            do {
                let report = try Simulation(seed: seed).run(events: 4000)
                #expect(report.events >= 4000)
            } catch {
                Issue.record("seed \(seed), 4000 events: \(error)")
            }
        }
    }

    @Test("Members that come and go break no promise, whatever else goes wrong")
    func churn() throws {
        var asked = 0
        for seed in 0..<40 as Range<UInt64> {
            do {
                let simulation = try Simulation(seed: seed, name: .churn)
                _ = try simulation.run(events: 6000)
                asked += simulation.faults.count { if case .changeMembers = $0.fault { true } else { false } }
            } catch {
                Issue.record("seed \(seed), 6000 events, churn: \(error)")
            }
        }
        #expect(asked > 100)
    }

    @Test("The same seed gives the same run")
    func determinism() throws {
        for seed in 1...10 as ClosedRange<UInt64> {
            let first = try Simulation(seed: seed).run(events: 3000)
            let second = try Simulation(seed: seed).run(events: 3000)
            #expect(first == second, "seed \(seed)")
        }
    }

    @Test("The faults of a run, given back to it, happen again at the same moments, in the same order")
    func replay() throws {
        for seed in 20...30 as ClosedRange<UInt64> {
            let drawn = try Simulation(seed: seed)
            _ = try drawn.run(events: 3000)
            let replay = try Simulation(seed: seed, faults: drawn.faults)
            _ = try replay.run(events: 3000)
            // Moments at which nothing was drawn are events, too: the last faults may fall behind the end.
            #expect(abs(replay.faults.count - drawn.faults.count) < 10)
            let other = zip(replay.faults, drawn.faults).first { $0 != $1 }
            #expect(other == nil, "seed \(seed)")
        }
    }

    @Test("A run of the key-value service is refused where the service is not there")
    func withoutGuest() throws {
        #expect(throws: MissingGuest.self) { try Simulation(seed: 1, name: .keyvalue) }
        let profile = SimulationProfile(seed: 1, name: .keyvalue)
        let text = SavedRun(seed: 1, events: 10, profile: profile, faults: []).text
        do {
            _ = try Scenario(name: "kept.txt", text: "# A title.\n# Its source\n\(text)").run()
            Issue.record("it ran")
        } catch { #expect(error.reason.contains("KeyValueSimulation"), "\(error)") }
    }

    @Test(
        "Each named profile has only the faults of its name, and passes",
        arguments: SimulationProfile.Name.allCases.filter { $0 != .keyvalue })
    func profiles(name: SimulationProfile.Name) throws {
        for seed in 40..<45 as Range<UInt64> {
            let simulation = try Simulation(seed: seed, name: name)
            if name == .calm { #expect(simulation.profile.faults == []) }
            if name == .network { #expect(simulation.profile.faults.isDisjoint(with: [.crashes, .rot, .diskErrors])) }
            _ = try simulation.run(events: 3000)
            if name == .calm {
                #expect(simulation.faults.allSatisfy { $0.fault == .cut([]) || "\($0.fault)".hasPrefix("free") })
            }
        }
    }
}
