import Testing

@testable import Raft

@Suite("Backoff")
struct BackoffTests {
    @Test("A pause is between half a step and the step; steps double up to the maximum, and success begins anew (R49)")
    func steps() {
        var random = RandomSource(seed: 3)
        var backoff = Backoff(minimum: .ms(20), maximum: .ms(100))
        for step in [20, 40, 80, 100, 100, 100] as [Int64] {
            let pause = backoff.pause(&random)
            #expect((.ms(step) / 2...(.ms(step))).contains(pause))
        }
        backoff.reset()
        let pause = backoff.pause(&random)
        #expect((.ms(10)...(.ms(20))).contains(pause))
    }

    @Test("Nodes that failed at one moment do not all come back at one moment")
    func jitter() {
        let pauses = (0..<20 as Range<UInt64>).map { seed -> Duration in
            var random = RandomSource(seed: seed)
            var backoff = Backoff(minimum: .ms(20), maximum: .ms(100))
            return backoff.pause(&random)
        }
        #expect(Set(pauses).count > 15)
    }
}
