import Raft

@testable import RaftKeyValue

/// What the commands mean, said once more and as simply as can be: a dictionary, and no limits on sizes.
struct ReferenceModel {
    private(set) var entries: [[UInt8]: KeyValue] = [:]
    /// Everything that ever changed, unless it was compacted.
    private(set) var changes: [KeyChange] = []
    private var compacted: UInt64 = 0
    private(set) var leases: Set<UInt64> = []

    private mutating func note(_ key: [UInt8], _ revision: UInt64) {
        let ordinal = changes.last?.revision == revision ? changes[changes.count - 1].ordinal + 1 : 0
        changes.append(KeyChange(revision: revision, ordinal: ordinal, key: key, entry: entries[key]))
    }

    private mutating func remove(_ key: [UInt8], _ revision: UInt64) -> KeyValue? {
        guard let before = entries.removeValue(forKey: key) else { return nil }
        note(key, revision)
        return before
    }

    var sorted: [KeyValue] { entries.values.sorted { $0.key.lexicographicallyPrecedes($1.key) } }

    private func keys(in range: KeyRange) -> [[UInt8]] {
        entries.keys.filter { key in
            !key.lexicographicallyPrecedes(range.from) && (range.upTo.map { key.lexicographicallyPrecedes($0) } ?? true)
        }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private mutating func put(_ key: [UInt8], _ value: [UInt8], _ revision: UInt64, lease: UInt64? = nil) -> KeyValue? {
        let before = entries[key]
        entries[key] = KeyValue(
            key: key, value: value, revision: revision, created: before?.created ?? revision,
            version: (before?.version ?? 0) + 1, lease: lease)
        note(key, revision)
        return before
    }

    mutating func apply(_ command: KeyValueCommand, at revision: UInt64) -> KeyValueOutput {
        switch command {
        case .put(let key, let value):
            return .done(revision: revision, previous: put(key, value, revision)?.revision)
        case .delete(let key):
            guard let before = remove(key, revision) else { return .unchanged(current: nil) }
            return .done(revision: revision, previous: before.revision)
        case .compareAndSwap(let key, let expectation, let value):
            let before = entries[key]
            let isExpected =
                switch expectation {
                case .absent: before == nil
                case .value(let value): before?.value == value
                case .revision(let revision): before?.revision == revision
                }
            guard isExpected else { return .unchanged(current: before?.revision) }
            return .done(revision: revision, previous: put(key, value, revision)?.revision)
        case .transaction(let transaction):
            return apply(transaction, at: revision)
        case .compact(let through):
            compacted = max(compacted, min(through, revision - 1))
            changes.removeAll { $0.revision <= compacted }
            return .compacted(through: compacted)
        case .grant:
            leases.insert(revision)
            return .granted(lease: revision)
        case .revoke(let lease):
            guard leases.remove(lease) != nil else { return .revoked(wasThere: false, keyCount: 0) }
            let keys = sorted.filter { $0.lease == lease }.map(\.key)
            for key in keys { _ = remove(key, revision) }
            return .revoked(wasThere: true, keyCount: UInt64(keys.count))
        }
    }

    private mutating func apply(_ transaction: KeyValueTransaction, at revision: UInt64) -> KeyValueOutput {
        let succeeded = transaction.comparisons.allSatisfy(holds)
        let list = succeeded ? transaction.then : transaction.otherwise
        // Twice in one list, as far as it is decided without the state.
        for operations in [transaction.then, transaction.otherwise] {
            for (position, operation) in operations.enumerated() {
                guard case .put(let key, _, _, _) = operation else { continue }
                for (other, operation) in operations.enumerated() where other != position {
                    switch operation {
                    case .put(key, _, _, _): return .refused("")
                    case .delete(let range, _) where range.contains(key): return .refused("")
                    default: break
                    }
                }
            }
        }
        for case .put(_, _, _, let lease?) in list where !leases.contains(lease) { return .refused("") }
        let before = entries
        let results: [OperationResult] = list.map { operation in
            switch operation {
            case .put(let key, let value, let returnsPrevious, let lease):
                let before = put(key, value, revision, lease: lease)
                return .put(previous: returnsPrevious ? before : nil)
            case .delete(let range, let returnsPrevious):
                let removed = keys(in: range).compactMap { remove($0, revision) }
                return .deleted(count: UInt64(removed.count), previous: returnsPrevious ? removed : [])
            case .range(let range, let limit):
                let all = keys(in: range).compactMap { entries[$0] }
                let count = limit == 0 ? all.count : min(Int(limit), all.count)
                return .range(KeyValuePage(entries: Array(all.prefix(count)), hasMore: count < all.count))
            }
        }
        return .transaction(
            TransactionResult(succeeded: succeeded, revision: before == entries ? nil : revision, results: results))
    }

    private func holds(_ comparison: KeyValueTransaction.Comparison) -> Bool {
        let found = entries[comparison.key]
        func compare<T: Comparable>(_ a: T, _ b: T) -> Bool {
            switch comparison.relation {
            case .equal: a == b
            case .notEqual: a != b
            case .less: a < b
            case .greater: a > b
            }
        }
        switch comparison.property {
        case .value(let value):
            guard let found else { return false }
            // As text of digits, so that the order is the bytes'.
            func text(_ bytes: [UInt8]) -> String { bytes.map { String(UnicodeScalar($0)) }.joined() }
            return compare(text(found.value), text(value))
        case .revision(let number): return compare(found?.revision ?? 0, number)
        case .created(let number): return compare(found?.created ?? 0, number)
        case .version(let number): return compare(found?.version ?? 0, number)
        }
    }
}

/// Commands of every kind, of few keys and values, so that they meet.
struct CommandSource {
    var random: SeededGenerator

    /// Some that were granted, or may have been.
    private var leases: [UInt64] = []

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    private mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
    mutating func key() -> [UInt8] {
        let letters = Array("ab".utf8)
        return (0...pick(2)).map { _ in letters[pick(2)] }
    }
    private mutating func value() -> [UInt8] { (0..<pick(3)).map { _ in UInt8(48 + pick(3)) } }
    private mutating func range() -> KeyRange {
        switch pick(4) {
        case 0: KeyRange(prefix: key())
        case 1: KeyRange(from: key(), upTo: key())
        case 2: KeyRange(from: pick(3) == 0 ? [] : key())
        default: KeyRange(key: key())
        }
    }
    private mutating func comparison(_ near: UInt64) -> KeyValueTransaction.Comparison {
        let number = UInt64(pick(3) == 0 ? 0 : max(0, Int(near) - pick(8)))
        let property: KeyValueTransaction.Comparison.Property =
            switch pick(4) {
            case 0: .value(value())
            case 1: .revision(number)
            case 2: .created(number)
            default: .version(UInt64(pick(4)))
            }
        return .init(key: key(), property: property, relation: .allCases[pick(4)])
    }
    private mutating func operations() -> [KeyValueTransaction.Operation] {
        (0..<pick(5)).map { _ in
            switch pick(4) {
            case 0, 1:
                .put(
                    key: key(), value: value(), returnsPrevious: pick(2) == 0,
                    lease: leases.isEmpty || pick(2) == 0 ? nil : leases[pick(leases.count)])
            case 2: .delete(range(), returnsPrevious: pick(2) == 0)
            default: .range(range(), limit: UInt32(pick(3)))
            }
        }
    }

    /// - Parameter near: the revision that it will have, more or less.
    mutating func next(_ near: UInt64) -> KeyValueCommand {
        if pick(12) == 0 {
            if pick(3) > 0 || leases.isEmpty {
                // It is drawn for the revision that it is told.
                leases = Array((leases + [near]).suffix(4))
                return .grant(milliseconds: 5000)
            }
            return .revoke(lease: leases[pick(leases.count)])
        }
        return other(near)
    }

    private mutating func other(_ near: UInt64) -> KeyValueCommand {
        switch pick(9) {
        case 8:
            pick(4) == 0 ? .compact(through: UInt64(max(0, Int(near) - pick(60)))) : .put(key: key(), value: value())
        case 0: .put(key: key(), value: value())
        case 1: .delete(key: key())
        case 2:
            .compareAndSwap(
                key: key(),
                expectation: pick(2) == 0
                    ? .absent : pick(2) == 0 ? .value(value()) : .revision(near - UInt64(pick(5))),
                value: value())
        default:
            .transaction(
                KeyValueTransaction(
                    if: (0..<pick(3)).map { _ in comparison(near) }, then: operations(), else: operations()))
        }
    }
}
