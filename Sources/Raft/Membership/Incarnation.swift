/// One life of a data directory: drawn at random when the directory is made, never zero, never changed.
public struct Incarnation: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public var description: String {
        let hex = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - hex.count) + hex
    }
}
