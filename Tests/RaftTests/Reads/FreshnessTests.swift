import Testing

@testable import Raft

@Suite("How recent a node is")
struct FreshnessTests {
    let settings = Configuration(id: 1)

    @Test("A mark shows what was acknowledged before it was made, and a mark of another life shows nothing")
    func marks() {
        var fresh = Freshness(RandomSource(seed: 1))
        #expect(fresh.index(noOlderThan: .seconds(9), now: .seconds(1), settings) == nil)
        let first = fresh.mark(now: .seconds(10), spacing: .ms(10))
        let same = fresh.mark(now: .seconds(10) + .ms(9), spacing: .ms(10))
        let second = fresh.mark(now: .seconds(10) + .ms(10), spacing: .ms(10))
        #expect(first == same && first != second && first != 0)
        var other = Freshness(RandomSource(seed: 2))
        fresh.heard(other.mark(now: .seconds(10), spacing: .ms(10)), index: 9)
        fresh.heard(0, index: 9)
        #expect(fresh.shown == nil)
        fresh.heard(second, index: 7)
        fresh.heard(first, index: 3)
        #expect(fresh.shown?.at == .seconds(10) + .ms(10) && fresh.shown?.index == 7, "the newest counts")
    }

    @Test(
        "What was shown gets older by this node's clock, which may be slow; nothing is recent enough for no age at all")
    func ages() {
        var settings = settings
        settings.maximumClockDrift = 100_000
        var fresh = Freshness(RandomSource(seed: 1))
        fresh.note(at: .seconds(10), index: 4)
        #expect(fresh.index(noOlderThan: .seconds(1), now: .seconds(10) + .ms(899), settings) == 4)
        #expect(fresh.index(noOlderThan: .seconds(1), now: .seconds(10) + .ms(900), settings) == nil)
        #expect(fresh.index(noOlderThan: .zero, now: .seconds(10), settings) == nil)
    }

    @Test("Only so many marks are remembered")
    func bounded() {
        var fresh = Freshness(RandomSource(seed: 1))
        let marks = (0..<300).map { fresh.mark(now: .seconds($0), spacing: .ms(1)) }
        fresh.heard(marks[0], index: 1)
        #expect(fresh.shown == nil)
        fresh.heard(marks[299], index: 1)
        #expect(fresh.shown?.at == .seconds(299))
    }
}
