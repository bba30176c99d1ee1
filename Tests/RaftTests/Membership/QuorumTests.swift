import Testing

@testable import Raft

@Suite("Quorums")
struct QuorumTests {
    /// Every set of voters out of five nodes, and every pair of two such sets out of four.
    static let configurations: [[[NodeID]]] = {
        func subsets(of count: Int) -> [[NodeID]] {
            (1..<(1 << count)).map { bits in (0..<count).filter { bits >> $0 & 1 == 1 }.map { NodeID(UInt64($0 + 1)) } }
        }
        return subsets(of: 5).map { [$0] } + subsets(of: 4).flatMap { old in subsets(of: 4).map { [old, $0] } }
    }()

    func quorum(_ sets: [[NodeID]]) throws -> Quorum {
        let ids = Set(sets.joined()).sorted()
        return Quorum(
            try ClusterConfiguration(voterSets: sets, members: ids.map { .init(id: $0, address: "a") }))
    }

    @Test("A quorum is a majority of each set, for every set of voters and everyone's every opinion")
    func exhaustive() throws {
        for sets in Self.configurations {
            let quorum = try quorum(sets)
            for opinions in 0..<32 {
                func agrees(_ id: NodeID) -> Bool { opinions >> (id.rawValue - 1) & 1 == 1 }
                var isReached = true
                var isLost = false
                for set in sets {
                    var ayes = 0
                    for id in set where agrees(id) { ayes += 1 }
                    if ayes * 2 <= set.count { isReached = false }
                    if (set.count - ayes) * 2 <= set.count { isLost = true }  // if those who agree here refuse
                }
                if quorum.isReached(where: agrees) != isReached || quorum.isLost(where: agrees) != isLost {
                    Issue.record("\(sets) with \(opinions)")
                }
            }
        }
    }

    @Test("What a quorum has reached is the greatest value that a majority of each set holds")
    func agreed() throws {
        for sets in Self.configurations {
            let quorum = try quorum(sets)
            for seed in 0..<40 {
                // Values 0...3 in every order: unsorted on purpose.
                func value(_ id: NodeID) -> Int { (seed * 7 + Int(id.rawValue) * (seed % 5 + 1) * 3) % 4 }
                let naive = (0...3).last { least in
                    sets.allSatisfy { set in set.filter { value($0) >= least }.count * 2 > set.count }
                }
                if quorum.agreed(value) != naive { Issue.record("\(sets), seed \(seed)") }
            }
        }
    }

    @Test("Two quorums of one configuration always share a voter")
    func intersect() throws {
        for sets in Self.configurations {
            let quorum = try quorum(sets)
            for a in 0..<32 where quorum.isReached(where: { a >> ($0.rawValue - 1) & 1 == 1 }) {
                for b in 0..<32 where quorum.isReached(where: { b >> ($0.rawValue - 1) & 1 == 1 }) {
                    if a & b == 0 { Issue.record("\(sets): \(a) and \(b)") }
                }
            }
        }
    }
}
