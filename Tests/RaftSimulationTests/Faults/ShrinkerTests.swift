import Raft
import TestTraits
import Testing

@testable import RaftSimulation

@Suite("A failing run is cut down", .heavy)
struct ShrinkerTests {
    private static let needed: [Fault] = [.crash(2, losingPower: true, afterChanges: nil), .start(2)]

    /// Fails as long as both of these faults are there, and two nodes.
    private static func judge(_ profile: SimulationProfile, _ faults: [TimedFault], _ events: Int) -> Violation? {
        guard needed.allSatisfy({ fault in faults.contains { $0.fault == fault } }), profile.nodeCount > 1,
            events >= 150
        else { return nil }
        return Violation(invariant: "I7", text: "made up")
    }

    @Test("Of many faults, nodes and clients only those are left that the failure takes")
    func shrinks() {
        var faults = (0..<40).map { TimedFault(at: 2_000_000_000 + Int64($0), .cut([])) }
        faults.insert(TimedFault(at: 2_000_000_010, Self.needed[0]), at: 10)
        faults.insert(TimedFault(at: 2_000_000_030, Self.needed[1]), at: 31)
        var shrinker = Shrinker(
            seed: 3, profile: SimulationProfile(seed: 7, nodeCount: 5), faults: faults, events: 10_000)
        shrinker.judge = Self.judge
        #expect(shrinker.reduce { _ in })
        #expect(shrinker.faults.map(\.fault) == Self.needed)
        #expect(shrinker.profile.nodeCount == 2)
        #expect(shrinker.profile.workload.clientCount == 0)
        #expect((150..<300).contains(shrinker.events))
    }

    @Test("A run that does not fail is not cut down")
    func nothingToDo() throws {
        let profile = SimulationProfile(seed: 7, nodeCount: 3, name: .calm)
        var shrinker = Shrinker(seed: 3, profile: profile, faults: [], events: 500)
        #expect(throws: RaftError.self) { try shrinker.run { _ in } }
    }
}
