internal import Raft
internal import RaftClient

/// What came of calls: of one client's, or of all.
struct BenchTally: Sendable {
    var latencies: [BenchCall: LatencyHistogram] = [:]
    /// Compare-and-swaps that found something else: answered, and nothing changed.
    var failedSwapCount = 0
    /// Of any call, whatever came of it.
    var longestCall = Duration.zero
    /// By what the error means. Nothing happened, but for ``RaftClientError/Code/outcomeUnknown``.
    var errorCounts: [RaftClientError.Code: Int] = [:]
    /// One message of each kind, for whoever wants to know why.
    var messages: [RaftClientError.Code: String] = [:]

    var doneCount: Int { latencies.values.reduce(0) { $0 + $1.count } }
    var unknownCount: Int { errorCounts[.outcomeUnknown] ?? 0 }
    var nothingHappenedCount: Int { errorCounts.values.reduce(0, +) - unknownCount }

    var all: LatencyHistogram {
        var all = LatencyHistogram()
        for call in BenchCall.allCases { if let one = latencies[call] { all.add(one) } }
        return all
    }

    mutating func done(_ call: BenchCall, _ latency: Duration) {
        latencies[call, default: LatencyHistogram()].record(latency.nanoseconds)
    }

    mutating func failed(_ error: RaftClientError) {
        errorCounts[error.code, default: 0] += 1
        if messages[error.code] == nil { messages[error.code] = error.message }
    }

    mutating func add(_ other: BenchTally) {
        for (call, latencies) in other.latencies { self.latencies[call, default: LatencyHistogram()].add(latencies) }
        failedSwapCount += other.failedSwapCount
        longestCall = max(longestCall, other.longestCall)
        errorCounts.merge(other.errorCounts, uniquingKeysWith: +)
        messages.merge(other.messages) { first, _ in first }
    }
}

extension Duration {
    /// Whole nanoseconds.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
