/// One change of the key-value state, as every replica applies it.
public enum KeyValueCommand: Hashable, Sendable {
    /// Sets a key, whatever it was.
    case put(key: [UInt8], value: [UInt8])
    /// Removes a key, if it is there.
    case delete(key: [UInt8])
    /// Sets a key if it is what the caller thinks it is.
    case compareAndSwap(key: [UInt8], expectation: Expectation, value: [UInt8])

    /// What a compare-and-swap wants to find.
    public enum Expectation: Hashable, Sendable {
        /// The key is there and has exactly this value.
        case value([UInt8])
        /// The key is there and was last changed at this revision.
        case revision(UInt64)
        /// The key is not there.
        case absent
    }

    /// The key that it is about.
    public var key: [UInt8] {
        switch self {
        case .put(let key, _), .delete(let key), .compareAndSwap(let key, _, _): key
        }
    }
}

/// What a command did.
///
/// A *revision* is the log index of the command that made a change: one number that only grows, for the whole cluster,
/// like etcd's. Two keys never share one, and a key that was changed later has the greater one.
public enum KeyValueOutput: Hashable, Sendable {
    /// The key was set or removed at `revision`. `previous` is the revision that it had before, nil when it was absent.
    case done(revision: UInt64, previous: UInt64?)
    /// Nothing to delete, or the comparison failed: nothing changed. `current` is the key's revision, nil when absent.
    case unchanged(current: UInt64?)
    /// The command breaks a limit that is the same on every replica; nothing changed. The rim refuses such a command
    /// before it is proposed, see ``KeyValueLimits``.
    case refused(String)
}

/// Limits of the key-value state.
public enum KeyValueLimits {
    /// The longest key, in bytes: LMDB's own limit. Part of what replicas agree on, so never configurable.
    public static let maximumKeyBytes = 511
    /// The largest value that a server takes unless told otherwise, in bytes (1.5 MiB, as etcd). Checked at the rim;
    /// replicas apply whatever was committed.
    public static let defaultMaximumValueBytes = 1_572_864

    /// Why a key cannot be used, or nil when it can.
    public static func refusal(key: [UInt8]) -> String? {
        if key.isEmpty { return "the key is empty; a key has 1 to \(maximumKeyBytes) bytes" }
        if key.count > maximumKeyBytes {
            return "the key has \(key.count) bytes, the limit is \(maximumKeyBytes); shorten it, or store a hash of it"
        }
        return nil
    }
}
