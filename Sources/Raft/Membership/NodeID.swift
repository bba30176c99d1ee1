/// The name of one member of a cluster: unique for ever, chosen by the operator, above zero.
///
/// An id names a member *together with* its ``Incarnation``: a node that comes back with an empty disk under an old
/// id is another node, and must not be able to vote twice in one term (R27).
public struct NodeID: Hashable, Comparable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral,
    CustomStringConvertible
{
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public init(integerLiteral value: UInt64) { rawValue = value }
    public static func < (a: NodeID, b: NodeID) -> Bool { a.rawValue < b.rawValue }
    public var description: String { "\(rawValue)" }
}
