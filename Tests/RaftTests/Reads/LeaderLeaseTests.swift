import Testing

@testable import Raft

@Suite("Leases, and when rounds began")
struct LeaderLeaseTests {
    @Test("A lease is shorter than its window by what two clocks can drift")
    func length() {
        var settings = Configuration(id: 1)
        settings.maximumClockDrift = 0
        #expect(settings.leaseLength(of: .seconds(1)) == .seconds(1))
        settings.maximumClockDrift = 200_000
        #expect(settings.leaseLength(of: .seconds(3)) == .seconds(2))
        #expect(settings.certainlyWithin(.seconds(1)) < .ms(800) + .nanoseconds(1))
        #expect(settings.certainlyWithin(.seconds(Int64.max)) > .zero, "no overflow")
    }

    @Test("A drift that leaves nothing of the election timeout is refused, and so is a window above it")
    func fitness() throws {
        var settings = Configuration(id: 1)
        settings.heartbeatInterval = .ms(100)
        settings.electionTimeout = .ms(300)...(.ms(600))
        #expect(settings.unfitness(ofLeaseWindow: .ms(300)) == nil)
        #expect(settings.unfitness(ofLeaseWindow: .ms(301)) != nil)
        #expect(settings.unfitness(ofLeaseWindow: .ms(100)) != nil, "it would end before the next heartbeat")
        for drift in [-1, 500_000, 500_001] {
            settings.maximumClockDrift = drift
            #expect(throws: RaftError.self) { try settings.validate() }
        }
        settings.maximumClockDrift = 400_000
        try settings.validate()
    }

    @Test("A round counts as having begun no later than it did")
    func rounds() {
        var rounds = RoundTimes()
        #expect(rounds.latest(through: 9) == nil)
        rounds.note(.init(round: 1, at: .ms(10), commitIndex: nil), spacing: .ms(5))
        rounds.note(.init(round: 2, at: .ms(12), commitIndex: 4), spacing: .ms(5))
        rounds.note(.init(round: 3, at: .ms(15), commitIndex: 5), spacing: .ms(5))
        #expect(rounds.latest(through: 0) == nil)
        #expect(rounds.latest(through: 2)?.at == .ms(10), "too near to the one before")
        #expect(rounds.latest(through: 3)?.commitIndex == 5 && rounds.latest(through: 99)?.round == 3)
        for round in 4..<600 as Range<UInt64> {
            rounds.note(.init(round: round, at: .ms(Int64(round) * 10), commitIndex: 5), spacing: .ms(5))
        }
        #expect(rounds.latest(through: 5) == nil, "old ones are let go of")
        #expect(rounds.latest(through: 599)?.at == .ms(5990))
    }
}
