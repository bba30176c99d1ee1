/// What a put did.
public struct PutResult: Hashable, Sendable {
    public let revision: UInt64
    /// The key's revision before; nil when it was absent.
    public let previousRevision: UInt64?
    public init(revision: UInt64, previousRevision: UInt64?) {
        self.revision = revision
        self.previousRevision = previousRevision
    }
}

/// What a delete did.
public struct DeleteResult: Hashable, Sendable {
    /// The deletion's own revision; nil when there was nothing to delete.
    public let revision: UInt64?
    /// The key's revision before; nil when it was absent.
    public let previousRevision: UInt64?
    public init(revision: UInt64?, previousRevision: UInt64?) {
        self.revision = revision
        self.previousRevision = previousRevision
    }
}

/// What a compare-and-swap did.
public struct SwapResult: Hashable, Sendable {
    /// The new revision; nil when the key was not what it was expected to be, and nothing changed.
    public let revision: UInt64?
    /// The key's revision before; nil when it was absent.
    public let previousRevision: UInt64?
    public var isSwapped: Bool { revision != nil }
    public init(revision: UInt64?, previousRevision: UInt64?) {
        self.revision = revision
        self.previousRevision = previousRevision
    }
}

/// What a compare-and-swap wants to find.
public enum KeyExpectation: Hashable, Sendable {
    /// The key is there and has exactly this value.
    case value([UInt8])
    /// The key is there and was last changed at this revision.
    case revision(UInt64)
    /// The key is not there.
    case absent
}

/// How fresh a read must be.
public enum Consistency: Hashable, Sendable {
    /// It shows every write that was acknowledged before the call. Needs a leader and a quorum.
    case linearizable
    /// As ``linearizable``, as long as the nodes' clocks keep to the drift that they are configured for. Costs no round
    /// while the leader holds a lease; else what ``linearizable`` costs.
    case lease
    /// It shows every write that was acknowledged this long before the node that answers took the call. Any node that
    /// can show that answers it, with or without a leader.
    case noOlderThan(Duration)
    /// It shows at least this revision and all before it, such as that of an earlier write of one's own. Any node
    /// answers it, once it has come so far.
    case atLeast(revision: UInt64)
    /// What the asked node has applied, which may lag behind. Needs that node only.
    case local

    /// Whether the leader is the one to ask first.
    var needsLeader: Bool { self == .linearizable || self == .lease }
}

/// What a delete of a range did.
public struct RangeDeletion: Hashable, Sendable {
    /// The deletion's own revision; nil when there was nothing to delete.
    public let revision: UInt64?
    /// How many keys were removed.
    public let count: UInt64
    /// What they were, if that was asked for.
    public let previous: [KeyValue]
    public init(revision: UInt64?, count: UInt64, previous: [KeyValue]) {
        self.revision = revision
        self.count = count
        self.previous = previous
    }
}
