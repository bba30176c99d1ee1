internal import RaftSimulation

/// Counts writes that were acknowledged and are gone: by what every key holds at the end, without looking for an order.
///
/// A checker says whether a history can be; this says how much of it was lost, and would find a loss by itself.
enum LostWrites {
    /// - Parameter history: with a read of every key behind everything else; writes with values of their own.
    static func count(in history: [HistoryOperation]) -> Int {
        Dictionary(grouping: history) { Array($0.key.utf8) }.values.reduce(0) { $0 + count(ofKey: $1) }
    }

    private static func count(ofKey operations: [HistoryOperation]) -> Int {
        let reads = operations.filter { $0.kind == .get && $0.returnNanoseconds != nil }
        guard let last = reads.max(by: { $0.callNanoseconds < $1.callNanoseconds }),
            case .value(let value) = last.result
        else { return 0 }
        let acknowledged = operations.filter { operation in
            guard let end = operation.returnNanoseconds, end < last.callNanoseconds else { return false }
            return operation.result == .done || operation.result == .swapped(true)
        }
        guard let value else { return acknowledged.count }
        guard let writer = operations.first(where: { written(by: $0) == value }) else { return acknowledged.count }
        // It may have taken effect at any time since it began.
        guard let end = writer.returnNanoseconds else { return 0 }
        return acknowledged.count { $0.callNanoseconds > end }
    }

    private static func written(by operation: HistoryOperation) -> String? {
        switch operation.kind {
        case .put(let value), .compareAndSwap(_, let value): value
        case .get, .append: nil
        }
    }
}
