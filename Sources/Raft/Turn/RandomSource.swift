/// The node's random numbers: all from one seed, so that a simulated run repeats.
///
/// xoshiro256** (Blackman and Vigna), seeded through SplitMix64. Not for keys; only for timeouts, jitter and ids.
public struct RandomSource: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// Two of the same seed give the same numbers.
    public init(seed: UInt64) {
        var mixed = seed
        func next() -> UInt64 {
            mixed &+= 0x9E37_79B9_7F4A_7C15
            var z = mixed
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        state = (next(), next(), next(), next())
    }

    public mutating func next() -> UInt64 {
        func rotate(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
        let result = rotate(state.1 &* 5, 7) &* 9
        let t = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= t
        state.3 = rotate(state.3, 45)
        return result
    }

    /// A duration within the range, to the nanosecond. The same for the same state on every platform.
    public mutating func duration(in range: ClosedRange<Duration>) -> Duration {
        let span = range.upperBound - range.lowerBound
        let (seconds, attoseconds) = span.components
        let nanoseconds = UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000)
        guard nanoseconds > 0 else { return range.lowerBound }
        return range.lowerBound + .nanoseconds(Int64(clamping: next() % (nanoseconds + 1)))
    }
}
