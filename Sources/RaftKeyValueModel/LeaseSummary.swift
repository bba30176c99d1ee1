/// One lease, as a node has it.
public struct LeaseSummary: Hashable, Sendable {
    /// The revision of the command that made it.
    public var id: UInt64
    /// How long it lives without being kept alive.
    public var milliseconds: UInt64
    /// How many keys go with it.
    public var keyCount: UInt64
    public init(id: UInt64, milliseconds: UInt64, keyCount: UInt64) {
        self.id = id
        self.milliseconds = milliseconds
        self.keyCount = keyCount
    }
}
