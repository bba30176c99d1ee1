package import Raft

// A transaction and its result as bytes: in the log, in a session's kept reply, and between client and server. Numbers
// are little-endian; bytes have their count before them (u32).
//
//   transaction  u8 form (1) · u32 count, comparisons · u32 count, operations (then) · u32 count, operations (else)
//   comparison   bytes key · u8 relation · u8 property (1 value, 2 revision, 3 created, 4 version) · bytes or u64
//   operation    u8 kind: 1 put: u8 returns previous · bytes key · bytes value
//                         2 delete: u8 returns previous · range
//                         3 range: u32 limit · range
//                         4 put with a lease: u8 returns previous · bytes key · bytes value · u64 lease
//   range        bytes from · u8 has an end · bytes up to, if it has
//   result       u8 form (2) · u8 succeeded · u64 revision (0: none) · u32 count, results
//   its results  u8 kind, as the operation's: 1: entries (one or none)
//                                             2: u64 count · entries
//                                             3: u8 has more · entries
//   entries      u32 count · each: bytes key · bytes value · u64 revision · u64 created · u64 version · u64 lease (0: none)
//
// A form, and a number within it, once shipped keeps its meaning for ever: it is in somebody's log.

extension KeyValueTransaction {
    private static let form: UInt8 = 1

    /// Writes it behind what `bytes` holds.
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(Self.form)
        bytes.put(UInt32(comparisons.count))
        for comparison in comparisons { comparison.encode(into: &bytes) }
        for list in [then, otherwise] {
            bytes.put(UInt32(list.count))
            for operation in list { operation.encode(into: &bytes) }
        }
    }

    /// - Throws: ``RaftError/Code/corrupt`` when the bytes are not one transaction that this version knows in full.
    package init(decoding bytes: ArraySlice<UInt8>) throws(RaftError) {
        var rest = ByteReader(bytes, of: "transaction")
        try rest.takeForm(Self.form, of: "transaction")
        self.init()
        for _ in 0..<(try rest.takeCount()) { comparisons.append(try Comparison(&rest)) }
        for _ in 0..<(try rest.takeCount()) { then.append(try Operation(&rest)) }
        for _ in 0..<(try rest.takeCount()) { otherwise.append(try Operation(&rest)) }
        try rest.end()
    }
}

extension KeyValueTransaction.Comparison {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.put(counted: key)
        bytes.append(relation.rawValue)
        switch property {
        case .value(let value):
            bytes.append(1)
            bytes.put(counted: value)
        case .revision(let number):
            bytes.append(2)
            bytes.put(number)
        case .created(let number):
            bytes.append(3)
            bytes.put(number)
        case .version(let number):
            bytes.append(4)
            bytes.put(number)
        }
    }

    fileprivate init(_ rest: inout ByteReader) throws(RaftError) {
        let key = try rest.takeCounted()
        let code = try rest.take(UInt8.self)
        guard let relation = Relation(rawValue: code) else {
            throw RaftError(.corrupt, "transaction: relation \(code) of a comparison is none")
        }
        let property: Property
        switch try rest.take(UInt8.self) {
        case 1: property = .value(try rest.takeCounted())
        case 2: property = .revision(try rest.take(UInt64.self))
        case 3: property = .created(try rest.take(UInt64.self))
        case 4: property = .version(try rest.take(UInt64.self))
        case let code: throw RaftError(.corrupt, "transaction: property \(code) of a comparison is none")
        }
        self.init(key: key, property: property, relation: relation)
    }
}

extension KeyValueTransaction.Operation {
    fileprivate func encode(into bytes: inout [UInt8]) {
        switch self {
        case .put(let key, let value, let returnsPrevious, let lease):
            bytes += [lease == nil ? 1 : 4, returnsPrevious ? 1 : 0]
            bytes.put(counted: key)
            bytes.put(counted: value)
            if let lease { bytes.put(lease) }
        case .delete(let range, let returnsPrevious):
            bytes += [2, returnsPrevious ? 1 : 0]
            range.encode(into: &bytes)
        case .range(let range, let limit):
            bytes.append(3)
            bytes.put(limit)
            range.encode(into: &bytes)
        }
    }

    fileprivate init(_ rest: inout ByteReader) throws(RaftError) {
        let kind = try rest.take(UInt8.self)
        switch kind {
        case 1, 4:
            let returnsPrevious = try rest.takeFlag()
            let key = try rest.takeCounted()
            let value = try rest.takeCounted()
            self = .put(
                key: key, value: value, returnsPrevious: returnsPrevious,
                lease: kind == 4 ? try rest.take(UInt64.self) : nil)
        case 2:
            let returnsPrevious = try rest.takeFlag()
            self = .delete(try KeyRange(&rest), returnsPrevious: returnsPrevious)
        case 3:
            let limit = try rest.take(UInt32.self)
            self = .range(try KeyRange(&rest), limit: limit)
        default: throw RaftError(.corrupt, "transaction: operation of kind \(kind) is none")
        }
    }
}

extension KeyRange {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.put(counted: from)
        bytes.append(upTo == nil ? 0 : 1)
        if let upTo { bytes.put(counted: upTo) }
    }

    fileprivate init(_ rest: inout ByteReader) throws(RaftError) {
        let from = try rest.takeCounted()
        self.init(from: from, upTo: try rest.takeFlag() ? try rest.takeCounted() : nil)
    }
}

extension TransactionResult {
    private static let form: UInt8 = 2
    /// What an entry takes beside its key and its value.
    package static let entryOverhead = 40

    /// Writes it behind what `bytes` holds.
    package func encode(into bytes: inout [UInt8]) {
        bytes += [Self.form, succeeded ? 1 : 0]
        bytes.put(revision ?? 0)
        bytes.put(UInt32(results.count))
        for result in results {
            switch result {
            case .put(let previous):
                bytes.append(1)
                bytes.put(entries: previous.map { [$0] } ?? [])
            case .deleted(let count, let previous):
                bytes.append(2)
                bytes.put(count)
                bytes.put(entries: previous)
            case .range(let page):
                bytes += [3, page.hasMore ? 1 : 0]
                bytes.put(entries: page.entries)
            }
        }
    }

    /// - Throws: ``RaftError/Code/corrupt`` when the bytes are not one result that this version knows in full.
    package init(decoding bytes: ArraySlice<UInt8>) throws(RaftError) {
        var rest = ByteReader(bytes, of: "result of a transaction")
        try rest.takeForm(Self.form, of: "result of a transaction")
        let succeeded = try rest.takeFlag()
        let revision = try rest.take(UInt64.self)
        self.init(succeeded: succeeded, revision: revision == 0 ? nil : revision, results: [])
        for _ in 0..<(try rest.takeCount()) {
            switch try rest.take(UInt8.self) {
            case 1:
                let entries = try rest.takeEntries()
                guard entries.count <= 1 else {
                    throw RaftError(.corrupt, "result of a transaction: a put of \(entries.count) keys")
                }
                results.append(.put(previous: entries.first))
            case 2:
                let count = try rest.take(UInt64.self)
                results.append(.deleted(count: count, previous: try rest.takeEntries()))
            case 3:
                let hasMore = try rest.takeFlag()
                results.append(.range(KeyValuePage(entries: try rest.takeEntries(), hasMore: hasMore)))
            case let code: throw RaftError(.corrupt, "result of a transaction: a result of kind \(code) is none")
            }
        }
        try rest.end()
    }
}

extension [UInt8] {
    package mutating func put(counted bytes: [UInt8]) {
        put(UInt32(bytes.count))
        self += bytes
    }

    fileprivate mutating func put(entries: [KeyValue]) {
        put(UInt32(entries.count))
        for entry in entries {
            put(counted: entry.key)
            put(counted: entry.value)
            put(entry.revision)
            put(entry.created)
            put(entry.version)
            put(entry.lease ?? 0)
        }
    }
}

extension ByteReader {
    package mutating func takeCounted() throws(RaftError) -> [UInt8] {
        Array(try take(count: Int(try take(UInt32.self))))
    }

    package mutating func takeFlag() throws(RaftError) -> Bool {
        let byte = try take(UInt8.self)
        guard byte <= 1 else { throw RaftError(.corrupt, "a byte of \(byte) where 0 or 1 must be") }
        return byte == 1
    }

    fileprivate mutating func takeForm(_ known: UInt8, of what: String) throws(RaftError) {
        let form = try take(UInt8.self)
        guard form == known else {
            throw RaftError(
                .corrupt, "\(what) of form \(form), not \(known); run the version that wrote it, or a later one")
        }
    }

    fileprivate mutating func takeCount() throws(RaftError) -> Int {
        let count = Int(try take(UInt32.self))
        guard count <= KeyValueTransaction.maximumCount else {
            throw RaftError(
                .corrupt, "a transaction with a list of \(count), the limit is \(KeyValueTransaction.maximumCount)")
        }
        return count
    }

    /// Nothing is set aside for what a count says: the entries have to be there.
    fileprivate mutating func takeEntries() throws(RaftError) -> [KeyValue] {
        var entries: [KeyValue] = []
        for _ in 0..<(try take(UInt32.self)) {
            let key = try takeCounted()
            let value = try takeCounted()
            let revision = try take(UInt64.self)
            let created = try take(UInt64.self)
            let version = try take(UInt64.self)
            let lease = try take(UInt64.self)
            entries.append(
                KeyValue(
                    key: key, value: value, revision: revision, created: created, version: version,
                    lease: lease == 0 ? nil : lease))
        }
        return entries
    }
}
