/// Some times, kept one by one: a benchmark of minutes has few enough of them to be exact.
public struct Times: Hashable, Sendable {
    /// Ascending, in nanoseconds.
    public let sorted: [Int64]

    public init(_ nanoseconds: some Sequence<Int64>) { sorted = nanoseconds.sorted() }

    public var count: Int { sorted.count }
    public var maximum: Int64? { sorted.last }

    /// The least of the times that this share of all did not exceed (nearest rank); nil without times.
    ///
    /// - Parameter share: above 0, to 1: 0.99 for "99 of 100".
    public func percentile(_ share: Double) -> Int64? {
        guard !sorted.isEmpty else { return nil }
        let rank = Int((share * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank, 1), sorted.count) - 1]
    }
}

extension Times {
    /// What a report shows of them.
    public struct Summary: Codable, Hashable, Sendable {
        public var count: Int
        public var p50Milliseconds: Double?
        public var p90Milliseconds: Double?
        public var p99Milliseconds: Double?
        public var p999Milliseconds: Double?
        public var maximumMilliseconds: Double?
    }

    public var summary: Summary {
        func shown(_ share: Double) -> Double? { percentile(share).map { milliseconds($0) } }
        return Summary(
            count: count, p50Milliseconds: shown(0.5), p90Milliseconds: shown(0.9), p99Milliseconds: shown(0.99),
            p999Milliseconds: shown(0.999), maximumMilliseconds: shown(1))
    }
}

/// The middle one of at least one value; of an even number the later of the two in the middle.
public func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

/// Milliseconds, to the microsecond: what a report shows of a time.
public func milliseconds(_ nanoseconds: Int64) -> Double { (Double(nanoseconds) / 1000).rounded() / 1000 }

public func mebibytes(_ bytes: Int) -> Double { Double(bytes) / Double(1 << 20) }

extension Duration {
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
    public var inSeconds: Double { Double(nanoseconds) / 1e9 }
}
