/// The keys from one bound up to another, in the order of their bytes.
public struct KeyRange: Hashable, Sendable {
    /// The first key that can be in it. Empty: from the first key of all.
    public var from: [UInt8]
    /// The first key that is behind it, or nil: to the last key of all.
    public var upTo: [UInt8]?

    public init(from: [UInt8] = [], upTo: [UInt8]? = nil) {
        self.from = from
        self.upTo = upTo
    }

    /// Every key that begins with `prefix`; an empty prefix is every key.
    public init(prefix: [UInt8]) {
        from = prefix
        // The first key behind all of them: the last byte that can grow does, and what follows it is dropped.
        guard let grows = prefix.lastIndex(where: { $0 < .max }) else { return }
        upTo = Array(prefix[...grows])
        upTo![grows] += 1
    }
}

/// One key with its value, as a read finds it.
public struct KeyValueEntry: Hashable, Sendable {
    public var key: [UInt8]
    public var value: [UInt8]
    /// The revision at which the value was set; see ``KeyValueOutput``.
    public var revision: UInt64
    public init(key: [UInt8], value: [UInt8], revision: UInt64) {
        self.key = key
        self.value = value
        self.revision = revision
    }
}

/// The first entries of a range.
public struct RangePage: Hashable, Sendable {
    /// In the order of their keys.
    public var entries: [KeyValueEntry]
    /// Whether the range goes on behind the last entry, because a limit was reached. Go on from that entry's key with
    /// a zero byte appended.
    public var hasMore: Bool
    public init(entries: [KeyValueEntry], hasMore: Bool) {
        self.entries = entries
        self.hasMore = hasMore
    }
}
