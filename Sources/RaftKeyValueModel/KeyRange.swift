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

    /// This key alone.
    public init(key: [UInt8]) { self.init(from: key, upTo: key + [0]) }

    /// The key that it is made of, if it can hold only that one.
    public var onlyKey: [UInt8]? {
        guard let upTo, upTo.count == from.count + 1, upTo.last == 0, upTo.starts(with: from) else { return nil }
        return from
    }

    /// Whether the key lies in it.
    public func contains(_ key: some Sequence<UInt8>) -> Bool {
        !key.lexicographicallyPrecedes(from) && (upTo.map { key.lexicographicallyPrecedes($0) } ?? true)
    }
}

/// One key with its value, as a read finds it.
///
/// A *revision* is the log index of the command that made a change: one number that only grows, for the whole cluster.
/// All that one command changes, as a transaction can, has the same one.
public struct KeyValue: Hashable, Sendable {
    /// What was read.
    public var key, value: [UInt8]
    /// The revision at which the value was set.
    public var revision: UInt64
    /// The revision at which the key was set for the first time since it was last absent.
    public var created: UInt64
    /// How often the key was set since then, this time included: 1 or more.
    public var version: UInt64
    /// The lease that it goes with; nil for none.
    public var lease: UInt64?

    /// - Parameters:
    ///   - created: nil for `revision`: the key was absent before.
    ///   - version: 1 for a key that was set once.
    public init(
        key: [UInt8], value: [UInt8], revision: UInt64, created: UInt64? = nil, version: UInt64 = 1,
        lease: UInt64? = nil
    ) {
        self.key = key
        self.value = value
        self.revision = revision
        self.created = created ?? revision
        self.version = version
        self.lease = lease
    }
}

/// The first entries of a range.
public struct KeyValuePage: Hashable, Sendable {
    /// In the order of their keys.
    public var entries: [KeyValue]
    /// Whether the range goes on behind the last entry, because a limit was reached. Go on from that entry's key with
    /// a zero byte appended.
    public var hasMore: Bool
    public init(entries: [KeyValue], hasMore: Bool) {
        self.entries = entries
        self.hasMore = hasMore
    }
}
