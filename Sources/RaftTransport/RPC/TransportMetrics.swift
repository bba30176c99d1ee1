internal import CoreMetrics
internal import Raft

/// What a listener counts: refused connections by the rule that they broke, calls by method and how they ended.
final class TransportMetrics: Sendable {
    private let factory: any MetricsFactory
    private let refusals: [RefusalRule: Counter]
    /// Made as they are met: most methods end in two or three ways.
    private let calls = Lock<[UInt64: Counter]>([:])

    init(_ factory: any MetricsFactory) {
        self.factory = factory
        refusals = Dictionary(
            uniqueKeysWithValues: RefusalRule.allCases.map { rule in
                (
                    rule,
                    Counter(label: "raft_refused_connections", dimensions: [("rule", rule.rawValue)], factory: factory)
                )
            })
    }

    func refused(_ rule: RefusalRule) { refusals[rule]?.increment() }

    /// - Parameter method: nil for a number that is no method's.
    func ended(_ method: Method?, _ code: RPCStatus.Code) {
        let key = Self.key(method, code)
        let counter = calls.withLock { calls in
            if let counter = calls[key] { return counter }
            let counter = Counter(
                label: "raft_requests", dimensions: [("method", method?.name ?? "none"), ("status", "\(code)")],
                factory: factory)
            calls[key] = counter
            return counter
        }
        counter.increment()
    }

    /// A number for a method and an end of it: every call looks it up, and names are long.
    private static func key(_ method: Method?, _ code: RPCStatus.Code) -> UInt64 {
        guard let method else { return UInt64(code.rawValue) }
        let purpose: UInt64 =
            switch method.purpose {
            case .peer: 1
            case .snapshot: 2
            case .client: 3
            case .admin: 4
            case .metrics: 5
            }
        return purpose << 32 | UInt64(method.id) << 8 | UInt64(code.rawValue)
    }
}
