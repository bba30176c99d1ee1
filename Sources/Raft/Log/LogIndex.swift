/// A position in the replicated log. The first entry has index 1; 0 stands for "before the first entry" (Figure 2).
public struct LogIndex: Hashable, Comparable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral,
    CustomStringConvertible
{
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public init(integerLiteral value: UInt64) { rawValue = value }
    public static func < (a: LogIndex, b: LogIndex) -> Bool { a.rawValue < b.rawValue }
    public var description: String { "\(rawValue)" }

    /// The position before the first entry of any log.
    public static let zero: LogIndex = 0

    /// The index `count` further on. Saturates: an index from a hostile peer or disk must not trap.
    public func advanced(by count: Int) -> LogIndex {
        count >= 0
            ? LogIndex(rawValue.addingReportingOverflow(UInt64(count)).overflow ? .max : rawValue + UInt64(count))
            : LogIndex(rawValue >= UInt64(-count) ? rawValue - UInt64(-count) : 0)
    }
    public var next: LogIndex { advanced(by: 1) }
    public var previous: LogIndex { advanced(by: -1) }

    /// How many entries lie in `(other, self]`; 0 when `other` is not below. Saturates at `Int.max`.
    public func distance(above other: LogIndex) -> Int {
        rawValue > other.rawValue ? Int(clamping: rawValue - other.rawValue) : 0
    }
}
