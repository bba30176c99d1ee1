/// How long calls took, in buckets that grow with the time: within 1 % of it, from nanoseconds to hours.
///
/// A histogram and not a list, so that an hour's run needs no more memory than a second's. Our own and not a package's,
/// because all that is needed of one is below; it has the layout of HdrHistogram (Tene), 64 buckets for each doubling.
struct LatencyHistogram: Hashable, Sendable {
    /// Times below this have a bucket each, of one nanosecond.
    private static let exact: UInt64 = 128
    /// Buckets for each doubling.
    private static let perDoubling = 64

    private(set) var count = 0
    private(set) var maximum: UInt64 = 0
    private var counts: [Int] = []

    /// - Parameter nanoseconds: counts as zero when negative.
    mutating func record(_ nanoseconds: Int64) {
        let time = UInt64(max(nanoseconds, 0))
        let bucket = Self.bucket(time)
        if bucket >= counts.count { counts += Array(repeating: 0, count: bucket + 1 - counts.count) }
        counts[bucket] += 1
        count += 1
        maximum = max(maximum, time)
    }

    mutating func add(_ other: LatencyHistogram) {
        if other.counts.count > counts.count {
            counts += Array(repeating: 0, count: other.counts.count - counts.count)
        }
        for (bucket, more) in other.counts.enumerated() { counts[bucket] += more }
        count += other.count
        maximum = max(maximum, other.maximum)
    }

    /// The time that this share of the calls did not exceed, in nanoseconds; nil without calls. At most 2 % too high,
    /// and never above ``maximum``.
    ///
    /// - Parameter share: 0.99 for "99 of 100".
    func percentile(_ share: Double) -> UInt64? {
        guard count > 0 else { return nil }
        let wanted = max(1, Int((share * Double(count)).rounded(.up)))
        var seen = 0
        for (bucket, more) in counts.enumerated() {
            seen += more
            if seen >= wanted { return min(Self.upperBound(bucket), maximum) }
        }
        return maximum
    }

    static func bucket(_ time: UInt64) -> Int {
        guard time >= exact else { return Int(time) }
        // The seven highest bits of the time say which one: the first of them is always set.
        let shift = 57 - time.leadingZeroBitCount
        return (shift + 1) * perDoubling + Int(time >> UInt64(shift)) - perDoubling
    }

    /// The highest time that falls into a bucket.
    static func upperBound(_ bucket: Int) -> UInt64 {
        guard bucket >= Int(exact) else { return UInt64(bucket) }
        let shift = bucket / perDoubling - 1
        let leading = UInt64(bucket % perDoubling + perDoubling)
        return (leading << UInt64(shift)) + (1 << UInt64(shift)) - 1
    }
}
