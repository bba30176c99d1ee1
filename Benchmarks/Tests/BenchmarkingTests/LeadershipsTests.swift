import Testing

@testable import Benchmarking

@Suite("Moves of leadership")
struct LeadershipsTests {
    @Test("A move is from the last sight of the old term's leader to the first of the new one's")
    func moves() {
        var seen = Leaderships()
        for (at, node, term) in [(1, 1, 1), (5, 1, 1), (9, 2, 2), (12, 2, 2), (11, 1, 1), (20, 2, 4)] {
            seen.note(.init(at: Int64(at), node: UInt64(node), term: UInt64(term)))
        }
        #expect(
            seen.moves == [
                .init(from: 1, to: 2, term: 2, lastSeen: 11, firstSeen: 9),
                .init(from: 2, to: 2, term: 4, lastSeen: 12, firstSeen: 20),
            ])
    }

    @Test("One leader is no move")
    func one() {
        var seen = Leaderships()
        #expect(seen.moves.isEmpty)
        seen.note(.init(at: 1, node: 1, term: 1))
        #expect(seen.moves.isEmpty)
    }
}
