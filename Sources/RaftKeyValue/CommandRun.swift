internal import Raft
internal import RaftKeyValueModel

/// Applies one command in a write transaction: every rule of what commands do to keys.
struct CommandRun {
    let writer: StateWriter
    let revision: UInt64
    private let changes: ChangeBuffer
    private var changeCount: UInt32 = 0
    /// Through which revision the history is gone.
    private(set) var compacted: UInt64
    /// What to put back if a transaction is refused half way; nil while nothing can be.
    private var undo: [(key: [UInt8], before: KeyValue?)]?
    private var hasChanged = false
    private var resultBytes = 0

    private var deletedCount = 0
    private var undoBytes = 0

    /// Thrown inside a transaction, which then does nothing.
    private struct Refusal: Error {
        let reason: String
    }

    /// - Parameter changes: is given what the command changes.
    init(_ writer: StateWriter, revision: UInt64, _ changes: ChangeBuffer, compacted: UInt64) {
        self.writer = writer
        self.revision = revision
        self.changes = changes
        self.compacted = compacted
    }

    mutating func apply(_ command: KeyValueCommand) throws -> KeyValueOutput {
        if let refusal = KeyValueLimits.refusal(command) { return .refused(refusal) }
        switch command {
        case .put(let key, let value):
            return .done(revision: revision, previous: try put(key, value)?.revision)
        case .delete(let key):
            guard let before = try writer.reader.get(key, { $0.head }) else { return .unchanged(current: nil) }
            try remove(key, of: before.lease)
            return .done(revision: revision, previous: before.revision)
        case .compareAndSwap(let key, let expectation, let value):
            let found = try writer.reader.get(key) { (isExpected: expectation.holds($0), revision: $0.revision) }
            guard found?.isExpected ?? (expectation == .absent) else { return .unchanged(current: found?.revision) }
            try put(key, value)
            return .done(revision: revision, previous: found?.revision)
        case .transaction(let transaction):
            return try apply(transaction)
        case .compact(let through):
            // Of its own revision and later ones nothing can be gone.
            let through = min(through, revision - 1)
            if through > compacted {
                compacted = through
                try writer.compact(through: through)
            }
            return .compacted(through: compacted)
        case .grant(let milliseconds):
            try writer.grant(revision, milliseconds: milliseconds)
            return .granted(lease: revision)
        case .revoke(let lease):
            guard try writer.leaseTime(lease) != nil else { return .revoked(wasThere: false, keyCount: 0) }
            let keys = try writer.leaseReader.keys(lease)
            for key in keys { try remove(key, of: lease) }
            try writer.end(lease)
            return .revoked(wasThere: true, keyCount: UInt64(keys.count))
        }
    }

    /// Removes a key that is there.
    ///
    /// - Parameter lease: its own; 0 for none.
    private mutating func remove(_ key: [UInt8], of lease: UInt64) throws {
        try writer.delete(key)
        if lease != 0 { try writer.detach(key, from: lease) }
        changes.append(nextPosition(), key, nil)
    }

    /// Where the next change is in the history.
    private mutating func nextPosition() -> ChangePosition {
        defer { changeCount += 1 }
        return ChangePosition(revision: revision, ordinal: changeCount)
    }

    @discardableResult
    private mutating func put(_ key: [UInt8], _ value: [UInt8], lease: UInt64? = nil) throws -> KeyHead? {
        let (before, now) = try writer.put(key, value) { [revision] before in
            KeyHead(
                revision: revision, created: before?.created ?? revision, version: (before?.version ?? 0) + 1,
                lease: lease ?? 0)
        }
        if (before?.lease ?? 0) != now.lease {
            if let before, before.lease != 0 { try writer.detach(key, from: before.lease) }
            if let lease { try writer.attach(key, to: lease) }
        }
        changes.append(nextPosition(), key, (value, now.created, now.version, now.lease))
        return before
    }

    // MARK: Transactions

    private mutating func apply(_ transaction: KeyValueTransaction) throws -> KeyValueOutput {
        let succeeded = try transaction.holds(writer.reader)
        let list = succeeded ? transaction.then : transaction.otherwise
        for case .put(_, _, _, let lease?) in list where try writer.leaseTime(lease) == nil {
            return .refused(KeyValueLimits.refusal(lease: lease))
        }
        undo = list.contains(where: \.mayBeRefused) ? [] : nil
        let mark = changes.mark
        do {
            let results = try list.map { try perform($0) }
            return .transaction(
                TransactionResult(succeeded: succeeded, revision: hasChanged ? revision : nil, results: results))
        } catch let refusal as Refusal {
            // No key is changed twice, so the order does not matter.
            for (key, before) in undo ?? [] {
                try restore(key, before)
            }
            changes.cut(to: mark)
            return .refused(refusal.reason)
        }
    }

    /// Makes a key what it was.
    private func restore(_ key: [UInt8], _ before: KeyValue?) throws {
        let now = try writer.reader.get(key) { $0.lease } ?? 0
        if now != before?.lease ?? 0 {
            if now != 0 { try writer.detach(key, from: now) }
            if let lease = before?.lease { try writer.attach(key, to: lease) }
        }
        if let before { try writer.put(before) } else { try writer.delete(key) }
    }

    private mutating func perform(_ operation: KeyValueTransaction.Operation) throws -> OperationResult {
        switch operation {
        case .put(let key, let value, let returnsPrevious, let lease):
            // Read once, for both that may want it.
            let before = undo == nil ? nil : try writer.reader.get(key) { $0.entry(key) }
            if returnsPrevious { try count(before) }
            try keep(key, before)
            try put(key, value, lease: lease)
            hasChanged = true
            return .put(previous: returnsPrevious ? before : nil)
        case .delete(let range, let returnsPrevious):
            var keys: [(key: [UInt8], lease: UInt64)] = []
            var previous: [KeyValue] = []
            try writer.reader.forEach(in: range) { key, stored in
                let before = stored.entry(Array(key))
                deletedCount += 1
                guard deletedCount <= KeyValueLimits.maximumDeletedCount else {
                    throw Refusal(reason: KeyValueLimits.deletionRefusal)
                }
                if returnsPrevious {
                    try count(before)
                    previous.append(before)
                }
                keys.append((before.key, stored.lease))
                return true
            }
            let reader = writer.reader
            for (key, lease) in keys {
                try keep(key, reader.get(key) { $0.entry(key) })
                try remove(key, of: lease)
            }
            if !keys.isEmpty { hasChanged = true }
            return .deleted(count: UInt64(keys.count), previous: previous)
        case .range(let range, let limit):
            let page = try writer.reader.page(range, limit: limit)
            for entry in page.entries { try count(entry) }
            return .range(page)
        }
    }

    private mutating func count(_ entry: KeyValue?) throws {
        guard let entry else { return }
        resultBytes += entry.resultBytes
        if resultBytes > KeyValueLimits.maximumResultBytes { throw Refusal(reason: KeyValueLimits.resultRefusal) }
    }

    /// Keeps what a key was that is about to change.
    private mutating func keep(_ key: [UInt8], _ before: @autoclosure () throws -> KeyValue?) throws {
        guard undo != nil else { return }
        let before = try before()
        undoBytes += key.count + (before?.resultBytes ?? 0)
        guard undoBytes <= KeyValueLimits.maximumReplacedBytes else {
            throw Refusal(reason: KeyValueLimits.replacedRefusal)
        }
        undo?.append((key, before))
    }
}

extension KeyValueTransaction {
    /// Whether every comparison holds.
    func holds(_ reader: ValueReader) throws -> Bool {
        try comparisons.allSatisfy { comparison in
            try reader.get(comparison.key) { comparison.holds($0) } ?? comparison.holds(nil)
        }
    }

    /// What it gives, of one that only reads.
    func read(_ reader: ValueReader) throws -> KeyValueOutput {
        let succeeded = try holds(reader)
        var resultBytes = 0
        var result = TransactionResult(succeeded: succeeded, revision: nil, results: [])
        for case .range(let range, let limit) in succeeded ? then : otherwise {
            let page = try reader.page(range, limit: limit)
            resultBytes += page.entries.reduce(0) { $0 + $1.resultBytes }
            guard resultBytes <= KeyValueLimits.maximumResultBytes else {
                return .refused(KeyValueLimits.resultRefusal)
            }
            result.results.append(.range(page))
        }
        return .transaction(result)
    }
}

extension KeyValueTransaction.Comparison {
    /// - Parameter stored: nil when the key is absent.
    fileprivate func holds(_ stored: StoredValue?) -> Bool {
        switch property {
        case .value(let value):
            guard let stored else { return false }
            if stored.value.elementsEqual(value) { return relation == .equal }
            if relation == .notEqual { return true }
            return relation == (stored.value.lexicographicallyPrecedes(value) ? .less : .greater)
        case .revision(let number): return holds(stored?.revision ?? 0, number)
        case .created(let number): return holds(stored?.created ?? 0, number)
        case .version(let number): return holds(stored?.version ?? 0, number)
        }
    }

    private func holds(_ found: UInt64, _ number: UInt64) -> Bool {
        switch relation {
        case .equal: found == number
        case .notEqual: found != number
        case .less: found < number
        case .greater: found > number
        }
    }
}

extension KeyValueTransaction.Operation {
    /// Whether it can be refused for what it finds, after others have changed something.
    fileprivate var mayBeRefused: Bool {
        switch self {
        case .put(_, _, let returnsPrevious, _): returnsPrevious
        case .delete(let range, let returnsPrevious): returnsPrevious || range.onlyKey == nil
        case .range: true
        }
    }
}

extension ValueReader {
    /// A page of a transaction's result.
    fileprivate func page(_ range: KeyRange, limit: UInt32) throws -> KeyValuePage {
        try page(
            range,
            limit: limit == 0 ? KeyValueLimits.maximumRangeCount : min(Int(limit), KeyValueLimits.maximumRangeCount),
            maximumBytes: KeyValueLimits.maximumRangeBytes)
    }
}

extension KeyValue {
    /// What it takes in a transaction's result.
    fileprivate var resultBytes: Int { key.count + value.count + TransactionResult.entryOverhead }
}

extension KeyValueCommand.Expectation {
    fileprivate func holds(_ stored: StoredValue) -> Bool {
        switch self {
        case .value(let expected): stored.value.elementsEqual(expected)
        case .revision(let expected): stored.revision == expected
        case .absent: false
        }
    }
}
