/// A term: Raft's logical clock (§5.1). Begins at 0, in which nobody ever leads.
public struct Term: Hashable, Comparable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral,
    CustomStringConvertible
{
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public init(integerLiteral value: UInt64) { rawValue = value }
    public static func < (a: Term, b: Term) -> Bool { a.rawValue < b.rawValue }
    public var description: String { "\(rawValue)" }

    /// The term that a candidate stands for. Saturates: the last term there can be has no successor.
    public var next: Term { Term(rawValue == .max ? .max : rawValue + 1) }
}
