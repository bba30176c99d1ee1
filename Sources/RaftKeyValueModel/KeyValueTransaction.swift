/// Operations that are done together or not at all, and which of two lists of them, by what the keys are at that
/// moment.
///
/// Nothing happens between the comparisons and the operations. An operation sees what those before it in its list did.
/// All that it changes has one revision.
public struct KeyValueTransaction: Hashable, Sendable {
    /// All of them must hold for ``then`` to be done. Without any, it is.
    public var comparisons: [Comparison]
    /// Done when every comparison holds.
    public var then: [Operation]
    /// Done when one does not.
    public var otherwise: [Operation]

    /// - Parameters:
    ///   - comparisons: what must hold.
    ///   - then: done if it does.
    ///   - otherwise: done if it does not.
    public init(if comparisons: [Comparison] = [], then: [Operation] = [], else otherwise: [Operation] = []) {
        self.comparisons = comparisons
        self.then = then
        self.otherwise = otherwise
    }

    /// Something that one key must be.
    public struct Comparison: Hashable, Sendable {
        /// What of the key is looked at, and what it is compared with. An absent key has 0 as each of its numbers, and
        /// no value: a comparison of its value holds in no case.
        public enum Property: Hashable, Sendable {
            /// In the order of their bytes.
            case value([UInt8])
            /// The revision at which it was last set.
            case revision(UInt64)
            /// The revision at which it was first set since it was absent.
            case created(UInt64)
            /// How often it was set since it was absent.
            case version(UInt64)
        }
        /// How the key's own property, on the left, must stand to what it is compared with.
        public enum Relation: UInt8, Hashable, Sendable, CaseIterable {
            case equal = 1
            case notEqual = 2
            case less = 3
            case greater = 4
        }
        /// Which key.
        public var key: [UInt8]
        /// What of it.
        public var property: Property
        /// And how it must stand to it.
        public var relation: Relation

        public init(key: [UInt8], property: Property, relation: Relation = .equal) {
            self.key = key
            self.property = property
            self.relation = relation
        }

        /// The key must not be there.
        public static func absent(_ key: [UInt8]) -> Comparison { Comparison(key: key, property: .created(0)) }
        /// The key must be there.
        public static func present(_ key: [UInt8]) -> Comparison {
            Comparison(key: key, property: .created(0), relation: .greater)
        }
    }

    /// One step.
    public enum Operation: Hashable, Sendable {
        /// Sets a key. `returnsPrevious`: the result has what it was. `lease`: it goes with that one, which must be
        /// there; without one, with none from then on.
        case put(key: [UInt8], value: [UInt8], returnsPrevious: Bool = false, lease: UInt64? = nil)
        /// Removes every key of a range that is there. `returnsPrevious`: the result has what they were.
        case delete(KeyRange, returnsPrevious: Bool = false)
        /// Reads the first keys of a range, at most `limit`; 0 for as many as one result may have.
        case range(KeyRange, limit: UInt32 = 0)

        /// Reads one key.
        public static func get(_ key: [UInt8]) -> Operation { .range(KeyRange(key: key)) }
        /// Removes one key.
        public static func delete(_ key: [UInt8], returnsPrevious: Bool = false) -> Operation {
            .delete(KeyRange(key: key), returnsPrevious: returnsPrevious)
        }

        /// Whether it changes nothing.
        public var isRead: Bool {
            if case .range = self { return true }
            return false
        }
    }

    /// Whether neither list changes anything: then it is a read.
    public var isReadOnly: Bool { then.allSatisfy(\.isRead) && otherwise.allSatisfy(\.isRead) }

    /// The most comparisons, and the most operations in each list, that a transaction can have: part of what replicas
    /// agree on. A server may take less.
    public static let maximumCount = 4096
}

/// What a transaction did.
public struct TransactionResult: Hashable, Sendable {
    /// Whether every comparison held, so that the first list was done; else the second one was.
    public var succeeded: Bool
    /// The revision of all that it changed; nil when it changed nothing.
    public var revision: UInt64?
    /// One for each operation of the list that was done, in order.
    public var results: [OperationResult]
    public init(succeeded: Bool, revision: UInt64?, results: [OperationResult]) {
        self.succeeded = succeeded
        self.revision = revision
        self.results = results
    }
}

/// What one operation of a transaction did.
public enum OperationResult: Hashable, Sendable {
    /// The key was set. `previous` is what it was, if that was asked for and it was there.
    case put(previous: KeyValue?)
    /// So many keys were removed. `previous` is what they were, if that was asked for.
    case deleted(count: UInt64, previous: [KeyValue])
    /// What was read.
    case range(KeyValuePage)
}
