import Raft
import Testing

@testable import RaftCommand

@Suite("Faults of raft chaos")
struct ChaosFaultTests {
    private func faults(
        _ kinds: [ChaosFault.Kind], nodes: Int = 3, seed: UInt64 = 7, leader: Int? = nil, count: Int = 500
    ) -> [ChaosFault] {
        var schedule = FaultSchedule(kinds, nodeCount: nodes, electionTimeout: .milliseconds(200), seed: seed)
        return (0..<count).map { _ in schedule.next(leader: leader) }
    }

    @Test("A seed draws the same faults again, and another seed others")
    func seeds() {
        for mode in ChaosMode.allCases {
            for kinds in mode.streams {
                #expect(faults(kinds) == faults(kinds))
                #expect(faults(kinds) != faults(kinds, seed: 8))
            }
        }
    }

    @Test("The kinds of a stream come in turn")
    func turns() {
        #expect(
            faults([.power, .kill, .power], count: 6).map(\.kind) == [.power, .kill, .power, .power, .kill, .power])
        #expect(ChaosMode.mixed.kinds == Set(ChaosFault.Kind.allCases))
    }

    @Test("Kills hit one node, two and all, and the leader most")
    func kills() {
        let kills = faults([.kill], leader: 2)
        #expect(Set(kills.map(\.nodes.count)) == [1, 2, 3])
        #expect(kills.allSatisfy { $0.nodes == $0.nodes.sorted() && Set($0.nodes).isSubset(of: [1, 2, 3]) })
        let singles = kills.filter { $0.nodes.count == 1 }
        #expect(singles.count { $0.nodes == [2] } > singles.count / 2)
        #expect(Set(singles.map { $0.nodes[0] }) == [1, 2, 3])
        #expect(kills.contains { $0.length == .zero } && kills.contains { $0.length > .milliseconds(400) })
        #expect(kills.allSatisfy { $0.keptShare == 0 })
        let again = kills.compactMap(\.again)
        #expect((100...200).contains(again.count) && again.allSatisfy { $0 <= .milliseconds(150) })
        #expect(Set(faults([.power]).map(\.keptShare)) == [0, 0.5, 0.9])
        #expect(faults([.kill], nodes: 1).allSatisfy { $0.nodes == [1] })
    }

    @Test("Pauses last half an election timeout to twenty of them")
    func pauses() {
        let lengths = faults([.pause]).map(\.length)
        #expect(lengths.allSatisfy { $0 >= .milliseconds(100) && $0 <= .seconds(4) })
        #expect(lengths.contains { $0 < .milliseconds(200) } && lengths.contains { $0 > .seconds(3) })
    }

    @Test("Partitions cut one way, both ways, one link and all; no node is cut off from itself")
    func partitions() {
        let cuts = faults([.partition]).map(\.ways)
        #expect(cuts.allSatisfy { !$0.isEmpty && Set($0).count == $0.count && $0.allSatisfy { $0.from != $0.to } })
        #expect(Set(cuts.map(\.count)) == [2, 4, 6])
        // Sending alone, and hearing alone.
        #expect(cuts.contains { $0.count == 2 && $0[0].from == $0[1].from })
        #expect(cuts.contains { $0.count == 2 && $0[0].to == $0[1].to })
        #expect(cuts.contains { $0.count == 2 && $0[0].from == $0[1].to && $0[0].to == $0[1].from })
        #expect(faults([.partition], nodes: 2).allSatisfy { (1...2).contains($0.ways.count) })
    }
}
