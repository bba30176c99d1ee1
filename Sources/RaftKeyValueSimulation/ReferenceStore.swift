internal import Raft
internal import RaftKeyValue
internal import RaftKeyValueModel

/// What the committed commands mean, taken in the order of the log: once more and as simply as can be, and for every
/// moment of the past. Knows nothing of how the production code does it.
struct ReferenceStore {
    struct Applied {
        var command: KeyValueCommand
        var output: KeyValueOutput
    }
    struct Lease {
        var milliseconds: UInt64
        /// The revision that ended it.
        var ended: UInt64?
    }

    /// What is taken wrongly.
    private let lie: Lie?

    init(lie: Lie? = nil) { self.lie = lie }

    /// The last entry of the log that was taken.
    private(set) var last: UInt64 = 0
    /// The last one of them that was a command.
    private(set) var lastCommand: UInt64 = 0
    /// By revision; nothing where the log holds no command.
    private(set) var applied: [UInt64: Applied] = [:]
    /// Everything that ever changed, in order.
    private(set) var changes: [KeyChange] = []
    /// The same for each key; and the keys in order.
    private var byKey: [[UInt8]: [KeyChange]] = [:]
    private(set) var keys: [[UInt8]] = []
    private(set) var leases: [UInt64: Lease] = [:]
    /// In order of granting.
    private(set) var leaseIDs: [UInt64] = []
    /// At which revision the history went how far.
    private(set) var compactions: [(at: UInt64, through: UInt64)] = []

    // MARK: The past

    /// What a key was behind this revision.
    func entry(_ key: [UInt8], at revision: UInt64) -> KeyValue? {
        guard let changes = byKey[key] else { return nil }
        return changes.last { $0.revision <= revision }?.entry
    }

    static func contains(_ range: KeyRange, _ key: [UInt8]) -> Bool {
        if key.lexicographicallyPrecedes(range.from) { return false }
        guard let upTo = range.upTo else { return true }
        return key.lexicographicallyPrecedes(upTo)
    }

    func entries(in range: KeyRange = KeyRange(), at revision: UInt64) -> [KeyValue] {
        keys.filter { Self.contains(range, $0) }.compactMap { entry($0, at: revision) }
    }

    /// Through which revision the history was gone behind this one.
    func compacted(at revision: UInt64) -> UInt64 { compactions.last { $0.at <= revision }?.through ?? 0 }

    func leases(at revision: UInt64) -> [LeaseSummary] {
        let live = leaseIDs.filter { $0 <= revision && leases[$0]!.ended ?? .max > revision }
        guard !live.isEmpty else { return [] }
        // Each key once, with the lease of its last put that has one, if that is the lie.
        let held =
            lie == .keepsLeftKeys
            ? keys.compactMap { byKey[$0]?.last { $0.revision <= revision && $0.entry?.lease != nil }?.entry }
            : entries(at: revision)
        return live.map { id in
            LeaseSummary(
                id: id, milliseconds: leases[id]!.milliseconds, keyCount: UInt64(held.count { $0.lease == id }))
        }
    }

    /// Where the changes begin that lie behind a position.
    func firstChange(after position: ChangePosition) -> Int {
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].position > position { high = middle } else { low = middle + 1 }
        }
        return low
    }

    func nextChange(after position: ChangePosition, in range: KeyRange) -> KeyChange? {
        changes[firstChange(after: position)...].first { Self.contains(range, $0.key) }
    }

    /// What a transaction that only reads gives behind this revision.
    func read(_ transaction: KeyValueTransaction, at revision: UInt64) -> TransactionResult {
        let succeeded = transaction.comparisons.allSatisfy { holds($0, at: revision) }
        let results: [OperationResult] = (succeeded ? transaction.then : transaction.otherwise).compactMap {
            guard case .range(let range, let limit) = $0 else { return nil }
            return .range(page(range, limit, at: revision))
        }
        return TransactionResult(succeeded: succeeded, revision: nil, results: results)
    }

    private func page(_ range: KeyRange, _ limit: UInt32, at revision: UInt64) -> KeyValuePage {
        let all = entries(in: range, at: revision)
        let count = limit == 0 ? all.count : min(Int(limit), all.count)
        return KeyValuePage(entries: Array(all.prefix(count)), hasMore: count < all.count)
    }

    private func holds(_ comparison: KeyValueTransaction.Comparison, at revision: UInt64) -> Bool {
        let found = entry(comparison.key, at: revision)
        /// Below zero, zero or above: how the key's stands to the other.
        let order: Int
        switch comparison.property {
        case .value(let value):
            guard let found else { return false }
            order =
                found.value == value ? 0 : found.value.lexicographicallyPrecedes(value) ? -1 : 1
        case .revision(let number): order = Self.order(found?.revision ?? 0, number)
        case .created(let number): order = Self.order(found?.created ?? 0, number)
        case .version(let number): order = Self.order(found?.version ?? 0, number)
        }
        switch comparison.relation {
        case .equal: return order == 0
        case .notEqual: return order != 0
        case .less: return order < 0 || (lie == .comparesWrongly && order == 0)
        case .greater: return order > 0
        }
    }

    private static func order(_ a: UInt64, _ b: UInt64) -> Int { a == b ? 0 : a < b ? -1 : 1 }

    // MARK: The next entry

    /// An entry that is no command.
    mutating func pass(_ index: UInt64) { last = index }

    mutating func apply(_ command: KeyValueCommand, at revision: UInt64) {
        let output = take(command, revision)
        applied[revision] = Applied(command: command, output: output)
        last = revision
        lastCommand = revision
    }

    private mutating func take(_ command: KeyValueCommand, _ revision: UInt64) -> KeyValueOutput {
        switch command {
        case .put(let key, let value):
            return .done(revision: revision, previous: put(key, value, nil, revision)?.revision)
        case .delete(let key):
            guard let before = entry(key, at: revision) else { return .unchanged(current: nil) }
            note(key, nil, revision)
            return .done(revision: revision, previous: before.revision)
        case .compareAndSwap(let key, let expectation, let value):
            let before = entry(key, at: revision)
            let isExpected =
                switch expectation {
                case .absent: before == nil
                case .value(let value): before?.value == value
                case .revision(let revision): before?.revision == revision
                }
            guard isExpected else { return .unchanged(current: before?.revision) }
            put(key, value, nil, revision)
            return .done(revision: revision, previous: before?.revision)
        case .transaction(let transaction): return take(transaction, revision)
        case .compact(let through):
            let before = compactions.last?.through ?? 0
            let now = max(before, min(through, revision - 1))
            if now > before { compactions.append((revision, now)) }
            return .compacted(through: now)
        case .grant(let milliseconds):
            leases[revision] = Lease(milliseconds: milliseconds)
            leaseIDs.append(revision)
            return .granted(lease: revision)
        case .revoke(let id):
            guard let lease = leases[id], lease.ended == nil else { return .revoked(wasThere: false, keyCount: 0) }
            let going = entries(at: revision).filter { $0.lease == id && lie != .keepsKeysOfLeases }
            for entry in going { note(entry.key, nil, revision) }
            leases[id]!.ended = revision
            return .revoked(wasThere: true, keyCount: UInt64(going.count))
        }
    }

    private mutating func take(_ transaction: KeyValueTransaction, _ revision: UInt64) -> KeyValueOutput {
        let succeeded = transaction.comparisons.allSatisfy { holds($0, at: revision) }
        let list = succeeded ? transaction.then : transaction.otherwise
        for case .put(_, _, _, let id?) in list where leases[id]?.ended != nil || leases[id] == nil {
            return .refused("")
        }
        var hasChanged = false
        var results: [OperationResult] = []
        for operation in list {
            switch operation {
            case .put(let key, let value, let returnsPrevious, let lease):
                let before = put(key, value, lease, revision)
                results.append(.put(previous: returnsPrevious ? before : nil))
                hasChanged = true
            case .delete(let range, let returnsPrevious):
                let going = entries(in: range, at: revision)
                for entry in going { note(entry.key, nil, revision) }
                results.append(.deleted(count: UInt64(going.count), previous: returnsPrevious ? going : []))
                if !going.isEmpty { hasChanged = true }
            case .range(let range, let limit): results.append(.range(page(range, limit, at: revision)))
            }
        }
        return .transaction(
            TransactionResult(succeeded: succeeded, revision: hasChanged ? revision : nil, results: results))
    }

    @discardableResult
    private mutating func put(_ key: [UInt8], _ value: [UInt8], _ lease: UInt64?, _ revision: UInt64) -> KeyValue? {
        let before = entry(key, at: revision)
        note(
            key,
            KeyValue(
                key: key, value: value, revision: revision, created: before?.created ?? revision,
                version: (before?.version ?? 0) + 1, lease: lease), revision)
        return before
    }

    private mutating func note(_ key: [UInt8], _ entry: KeyValue?, _ revision: UInt64) {
        let ordinal = changes.last.map { $0.revision == revision ? $0.ordinal + 1 : 0 } ?? 0
        let change = KeyChange(revision: revision, ordinal: ordinal, key: key, entry: entry)
        changes.append(change)
        if byKey[key] == nil {
            keys.insert(key, at: keys.firstIndex { key.lexicographicallyPrecedes($0) } ?? keys.count)
        }
        byKey[key, default: []].append(change)
    }
}
