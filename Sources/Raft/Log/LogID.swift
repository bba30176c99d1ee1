/// The identity of one entry. Two entries with the same id are the same entry, and so is everything before them
/// (Log Matching, §5.3).
///
/// Ordered as "more up to date" is (§5.4.1): by term first, then by index.
public struct LogID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var term: Term
    public var index: LogIndex
    public init(term: Term, index: LogIndex) {
        self.term = term
        self.index = index
    }

    /// Before the first entry.
    public static let zero = LogID(term: 0, index: 0)

    public static func < (a: LogID, b: LogID) -> Bool { (a.term, a.index) < (b.term, b.index) }
    public var description: String { "\(index)@\(term)" }
}
