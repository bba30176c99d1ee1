/// Decides whether a history is linearizable (Herlihy and Wing 1990): whether every call can be given one moment between
/// its beginning and its answer so that, taking effect at these moments one after another, the calls give the answers
/// that the clients saw.
///
/// Every key begins absent. Keys are independent of each other, and so is what is said of them: a history is
/// linearizable exactly if each key's part of it is (locality, §3.3 there). A call with an unknown outcome may have its
/// moment at any time after its beginning, or never.
public struct LinearizabilityChecker: Sendable {
    /// What was found.
    public enum Verdict: Hashable, Sendable {
        case linearizable
        /// `explanation` is a few lines: the first answer that cannot be, and the calls that show it, one a line.
        case notLinearizable(key: String, explanation: String)
        /// Neither could be shown for this key within ``LinearizabilityChecker/maximumStepCount``; every other key is
        /// linearizable, or undecided too.
        case undecided(key: String)
    }

    /// The most positions that are looked at for one key, before the answer is ``Verdict/undecided(key:)``.
    ///
    /// The question is NP-complete, so that there must be such a number. A history with values of their own for every
    /// write takes about one step a call.
    public var maximumStepCount: Int

    public init(maximumStepCount: Int = 10_000_000) { self.maximumStepCount = maximumStepCount }

    /// Whether every call can have happened at one moment between its beginning and its answer.
    public func check(_ history: [HistoryOperation]) -> Verdict {
        var places: [[UInt8]: Int] = [:]
        var keys: [(key: String, operations: [HistoryOperation])] = []
        for operation in history {
            // By bytes: to `String`, two spellings of one accented letter are equal.
            let place = places[Array(operation.key.utf8), default: keys.count]
            if place == keys.count {
                places[Array(operation.key.utf8)] = place
                keys.append((operation.key, []))
            }
            keys[place].operations.append(operation)
        }
        var undecided: String?
        for (key, operations) in keys {
            var search = RegisterSearch(operations)
            switch search.run(maximumStepCount: maximumStepCount) {
            case .explained: continue
            case .tooLong: undecided = undecided ?? key
            case .impossible:
                let explanation = Contradiction(in: operations, maximumStepCount: maximumStepCount)
                return .notLinearizable(key: key, explanation: explanation.description)
            }
        }
        return undecided.map { .undecided(key: $0) } ?? .linearizable
    }
}
