public import RaftKeyValueModel

/// One change of the key-value state, as every replica applies it.
public enum KeyValueCommand: Hashable, Sendable {
    /// Sets a key, whatever it was; it goes with no lease from then on.
    case put(key: [UInt8], value: [UInt8])
    /// Removes a key, if it is there.
    case delete(key: [UInt8])
    /// Sets a key if it is what the caller thinks it is.
    case compareAndSwap(key: [UInt8], expectation: Expectation, value: [UInt8])

    /// Does several of these at once, if the keys are what the caller thinks they are.
    case transaction(KeyValueTransaction)
    /// Forgets the history through this revision, or as far as it is over.
    case compact(through: UInt64)
    /// Makes a lease, whose id is the revision of this command. It lives for so long without being kept alive, within
    /// ``KeyValueLimits/leaseMilliseconds``.
    case grant(milliseconds: UInt64)
    /// Ends a lease, and removes its keys with it: when its owner has no more use for it, or its time is over.
    case revoke(lease: UInt64)

    /// What a compare-and-swap wants to find.
    public enum Expectation: Hashable, Sendable {
        /// The key is there and has exactly this value.
        case value([UInt8])
        /// The key is there and was last changed at this revision.
        case revision(UInt64)
        /// The key is not there.
        case absent
    }
}

/// What a command did.
///
/// A *revision* is the log index of the command that made a change: one number that only grows, for the whole cluster,
/// like etcd's. Two commands never share one, and a key that was changed later has the greater one.
public enum KeyValueOutput: Hashable, Sendable {
    /// The key was set or removed at `revision`. `previous` is the revision that it had before, nil when it was absent.
    case done(revision: UInt64, previous: UInt64?)
    /// Nothing to delete, or the comparison failed: nothing changed. `current` is the key's revision, nil when absent.
    case unchanged(current: UInt64?)
    /// What a transaction did.
    case transaction(TransactionResult)
    /// The history is gone through this revision.
    case compacted(through: UInt64)
    /// The lease is there.
    case granted(lease: UInt64)
    /// The lease is gone, and so many keys with it; or it was not there.
    case revoked(wasThere: Bool, keyCount: UInt64)
    /// The command breaks a limit that is the same on every replica; nothing changed. The rim refuses such a command
    /// before it is proposed, see ``KeyValueLimits``.
    case refused(String)
}
