/// Why one key's history is not linearizable, in as few calls as could be found.
///
/// First the earliest answer that cannot be, with what was called before it. Then whatever does not matter is left out,
/// by changes that can only make a history easier to explain, so that what is left is not linearizable by itself:
///
/// - a call that changed nothing;
/// - a put or a swap of a value that none of the remaining calls found: without it the key keeps what was there, and
///   the next to take effect is a put. Not so if an append or a compare-and-swap that failed is among them.
struct Contradiction: CustomStringConvertible {
    /// The answer that came too much.
    let impossible: HistoryOperation
    /// The calls that show it, and `impossible`, in the order of their calls.
    private(set) var operations: [HistoryOperation]
    private let maximumStepCount: Int

    /// - Precondition: `history` is one key's, and not linearizable.
    init(in history: [HistoryOperation], maximumStepCount: Int) {
        self.maximumStepCount = maximumStepCount
        let answered = history.filter { $0.returnNanoseconds != nil }
            .sorted { ($0.returnNanoseconds!, $0.callNanoseconds) < ($1.returnNanoseconds!, $1.callNanoseconds) }
        // The first so many answers are linearizable up to some number, and not from there on.
        var (low, high) = (1, answered.count)
        while low < high {
            let middle = (low + high) / 2
            if Self.isImpossible(history, through: answered[middle - 1].returnNanoseconds!, maximumStepCount) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        impossible = answered[low - 1]
        let end = answered[low - 1].returnNanoseconds!
        operations = history.filter { $0.callNanoseconds <= end }
            .sorted { ($0.callNanoseconds, $0.client) < ($1.callNanoseconds, $1.client) }
        // Leaving out reads lets go of writes, and swaps of what they found.
        var count = operations.count + 1
        while operations.count < count {
            count = operations.count
            reduce { call, _ in call.isRead }
            reduce(Self.isUnseen)
        }
    }

    /// Whether the answers up to this moment contradict each other; later ones count as unknown.
    private static func isImpossible(
        _ operations: [HistoryOperation], through end: Int64, _ maximumStepCount: Int
    ) -> Bool {
        let known = operations.compactMap { operation -> HistoryOperation? in
            guard operation.callNanoseconds <= end else { return nil }
            guard let time = operation.returnNanoseconds, time > end else { return operation }
            return HistoryOperation(
                client: operation.client, key: operation.key, kind: operation.kind,
                callNanoseconds: operation.callNanoseconds)
        }
        var search = RegisterSearch(known)
        return search.run(maximumStepCount: maximumStepCount) == .impossible
    }

    /// Leaves out what it can, by halves, quarters and so on; from the end, where each swap lets go of the one before.
    private mutating func reduce(_ mayGo: (HistoryOperation, [HistoryOperation]) -> Bool) {
        let moment = impossible.returnNanoseconds!
        var size = operations.count
        while size > 0 {
            var end = operations.count
            while end > 0 {
                let piece = max(end - size, 0)..<end
                let kept = operations[piece].filter { $0 == impossible || !mayGo($0, operations) }
                var rest = operations
                rest.replaceSubrange(piece, with: kept)
                if kept.count < piece.count, Self.isImpossible(rest, through: moment, min(maximumStepCount, 100_000)) {
                    operations = rest
                }
                end = piece.lowerBound
            }
            size /= 2
        }
    }

    private static func isUnseen(_ operation: HistoryOperation, in operations: [HistoryOperation]) -> Bool {
        guard let value = operation.written else { return false }
        return !operations.contains { other in
            switch other.kind {
            case .append: true
            case .compareAndSwap(let expected, _): other.result == .swapped(false) || expected == value
            case .get: other.result == .value(value)
            case .put: false
            }
        }
    }

    /// The most calls that are printed.
    static let maximumLineCount = 40

    var description: String {
        let shown = operations.suffix(Self.maximumLineCount)
        let hidden = operations.count - shown.count
        var lines = ["no order of these calls explains the answer to: \(impossible)"]
        if hidden > 0 { lines.append("  (\(hidden) earlier ones are not shown)") }
        return (lines + shown.map { "  \($0)" }).joined(separator: "\n")
    }
}

extension HistoryOperation {
    /// Whether it is known to have changed nothing.
    fileprivate var isRead: Bool { kind == .get || result == .swapped(false) }

    /// The value that a put or a swap leaves.
    fileprivate var written: String? {
        switch kind {
        case .put(let value): value
        case .compareAndSwap(let expected, let new): expected == new ? nil : new
        case .get, .append: nil
        }
    }
}
