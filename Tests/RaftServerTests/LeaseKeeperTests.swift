import Testing

@testable import RaftServer

@Suite("When leases end")
struct LeaseRulesTests {
    private let leases: [(id: UInt64, milliseconds: UInt64)] = [(1, 10_000), (2, 20_000)]

    @Test("A lease ends when its time is over, not before, drift included, and once")
    func ends() {
        var rules = LeaseRules(maximumClockDrift: 100_000)
        rules.lead(3)
        #expect(rules.ending(leases, now: .seconds(100)) == [])
        #expect(rules.ending(leases, now: .milliseconds(110_999)) == [])
        #expect(rules.ending(leases, now: .milliseconds(111_000)) == [1])
        #expect(rules.ending(leases, now: .seconds(112)) == [])
        // Nothing came of it: once more.
        #expect(rules.ending(leases, now: .seconds(116)) == [1])
        #expect(rules.ending([leases[1]], now: .seconds(122)) == [2])
    }

    @Test("Kept alive it lives for its whole time again; one whose end was proposed cannot be any more")
    func keptAlive() {
        var rules = LeaseRules(maximumClockDrift: 0)
        rules.lead(3)
        _ = rules.ending(leases, now: .seconds(100))
        #expect(rules.keepAlive(1, milliseconds: 10_000, in: 3, now: .seconds(109)) == .kept)
        #expect(rules.ending(leases, now: .seconds(118)) == [])
        #expect(rules.ending(leases, now: .seconds(119)) == [1])
        #expect(rules.keepAlive(1, milliseconds: 10_000, in: 3, now: .seconds(119)) == .ending)
        #expect(rules.keepAlive(2, milliseconds: 20_000, in: 2, now: .seconds(119)) == .notLeading)
    }

    @Test("Who does not lead ends none, and who begins to lead begins all of them anew")
    func newLeader() {
        var rules = LeaseRules(maximumClockDrift: 0)
        #expect(rules.ending(leases, now: .seconds(1000)) == [])
        #expect(rules.keepAlive(1, milliseconds: 10_000, in: 3, now: .seconds(1000)) == .notLeading)
        rules.lead(3)
        _ = rules.ending(leases, now: .seconds(1000))
        rules.lead(nil)
        #expect(rules.ending(leases, now: .seconds(2000)) == [])
        rules.lead(5)
        #expect(rules.ending(leases, now: .seconds(3000)) == [])
        #expect(rules.ending(leases, now: .milliseconds(3_009_999)) == [])
        #expect(rules.ending(leases, now: .seconds(3010)) == [1])
    }
}
