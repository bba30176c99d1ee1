import Testing

@testable import Raft

@Suite("The election timer")
struct ElectionTimerTests {
    @Test("Each reset draws another moment within the range; a stopped timer is never due")
    func resets() throws {
        var timer = ElectionTimer()
        var random = RandomSource(seed: 9)
        #expect(!timer.isDue(.seconds(1000)))
        var deadlines: Set<Instant> = []
        for _ in 0..<50 {
            timer.reset(now: .seconds(10), range: .ms(150)...(.ms(300)), random: &random)
            let deadline = try #require(timer.deadline)
            #expect((.seconds(10) + .ms(150)...(.seconds(10) + .ms(300))).contains(deadline))
            #expect(!timer.isDue(deadline - .nanoseconds(1)) && timer.isDue(deadline))
            deadlines.insert(deadline)
        }
        #expect(deadlines.count > 40, "equal draws would tie for ever (R33)")
        timer.stop()
        #expect(timer.deadline == nil && !timer.isDue(.seconds(1000)))
    }

    @Test("Of two moments the earlier one counts, and one that never comes does not")
    func earlierMoment() {
        #expect(earliest(.ms(2), .ms(1)) == .ms(1))
        #expect(earliest(nil, .ms(1)) == .ms(1))
        #expect(earliest(.ms(2), nil) == .ms(2))
        #expect(earliest(nil, nil) == nil)
    }
}
