public import RaftKeyValueModel

/// Limits of the key-value state.
///
/// All but ``defaultMaximumValueBytes`` are part of what replicas agree on, so never configurable: what exceeds one is
/// refused by each of them alike.
public enum KeyValueLimits {
    /// The longest key, in bytes: LMDB's own limit.
    public static let maximumKeyBytes = 511
    /// The largest value that a server takes unless told otherwise, in bytes (1.5 MiB, as etcd). Checked at the rim;
    /// replicas apply whatever was committed.
    public static let defaultMaximumValueBytes = 1_572_864
    /// The most keys that one read of a range gives, and about the most bytes of keys and values.
    public static let maximumRangeCount = 10_000
    public static let maximumRangeBytes = 1 << 20
    /// The most bytes that a transaction's result may have, each key with its value and 32 bytes: what one message
    /// carries. A transaction that would give more does nothing.
    public static let maximumResultBytes = 15 << 18
    /// The most keys that one transaction removes.
    public static let maximumDeletedCount = 100_000
    /// The most bytes of keys and values that a transaction replaces or removes, when it may still be refused.
    public static let maximumReplacedBytes = 64 << 20

    /// How long a lease may live without being kept alive: a second to a year, in milliseconds.
    public static let leaseMilliseconds = UInt64(1000)...31_536_000_000

    static let resultRefusal =
        "the result of the transaction would have more than \(maximumResultBytes) bytes, and nothing was done; read less, or in parts"
    static let deletionRefusal =
        "the transaction would remove more than \(maximumDeletedCount) keys, and nothing was done; remove them in parts"
    static let replacedRefusal =
        "the transaction would replace more than \(maximumReplacedBytes) bytes, and nothing was done; make it smaller"

    /// Why a key cannot be used, or nil when it can.
    public static func refusal(key: [UInt8]) -> String? {
        if key.isEmpty { return "the key is empty; a key has 1 to \(maximumKeyBytes) bytes" }
        if key.count > maximumKeyBytes {
            return "the key has \(key.count) bytes, the limit is \(maximumKeyBytes); shorten it, or store a hash of it"
        }
        return nil
    }

    /// Why a transaction cannot be done, whatever the keys are; nil when it can.
    public static func refusal(_ transaction: KeyValueTransaction) -> String? {
        for comparison in transaction.comparisons {
            if let reason = refusal(key: comparison.key) { return "in a comparison: \(reason)" }
        }
        return refusal(transaction.then) ?? refusal(transaction.otherwise)
    }

    /// Why a lease cannot live for so long, or nil when it can.
    public static func refusal(leaseMilliseconds milliseconds: UInt64) -> String? {
        leaseMilliseconds.contains(milliseconds)
            ? nil
            : "a lease of \(milliseconds) ms; it lives from \(leaseMilliseconds.lowerBound) ms to \(leaseMilliseconds.upperBound) ms"
    }

    static func refusal(lease: UInt64) -> String {
        "there is no lease \(lease): it has ended, or never was; grant another one, and put the key with that"
    }

    static func refusal(_ command: KeyValueCommand) -> String? {
        switch command {
        case .put(let key, _), .delete(let key), .compareAndSwap(let key, _, _): refusal(key: key)
        case .transaction(let transaction): refusal(transaction)
        case .compact, .revoke: nil
        case .grant(let milliseconds): refusal(leaseMilliseconds: milliseconds)
        }
    }

    /// One list: no key is changed by two of its operations.
    private static func refusal(_ operations: [KeyValueTransaction.Operation]) -> String? {
        var keys: [[UInt8]] = []
        for case .put(let key, _, _, _) in operations {
            if let reason = refusal(key: key) { return "in a put: \(reason)" }
            keys.append(key)
        }
        guard !keys.isEmpty else { return nil }
        keys.sort { $0.lexicographicallyPrecedes($1) }
        for (key, next) in zip(keys, keys.dropFirst()) where key == next {
            return "two puts of one key in one list of a transaction; leave one of them out"
        }
        for case .delete(let range, _) in operations {
            // The first one that does not lie before the range.
            var (low, high) = (0, keys.count)
            while low < high {
                let middle = (low + high) / 2
                if keys[middle].lexicographicallyPrecedes(range.from) { low = middle + 1 } else { high = middle }
            }
            if low < keys.count, range.contains(keys[low]) {
                return "a put and a delete of one key in one list of a transaction; leave one of them out"
            }
        }
        return nil
    }
}
