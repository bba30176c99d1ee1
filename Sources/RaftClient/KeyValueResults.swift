/// One key with its value.
public struct KeyValue: Hashable, Sendable {
    public let key: [UInt8]
    public let value: [UInt8]
    /// When the value was set: the log index of the command that did, one number for the whole cluster that only grows.
    public let revision: UInt64
    public init(key: [UInt8], value: [UInt8], revision: UInt64) {
        self.key = key
        self.value = value
        self.revision = revision
    }
}

/// The first entries of a range.
public struct KeyValuePage: Hashable, Sendable {
    /// In the order of their keys.
    public let entries: [KeyValue]
    /// The range goes on behind the last entry: from its key with a zero byte appended.
    public let hasMore: Bool
    public init(entries: [KeyValue], hasMore: Bool) {
        self.entries = entries
        self.hasMore = hasMore
    }
}

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
