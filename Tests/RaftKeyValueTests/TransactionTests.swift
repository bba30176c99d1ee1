import Raft
import Testing

@testable import RaftKeyValue

@Suite("Transactions")
struct TransactionTests {
    typealias Comparison = KeyValueTransaction.Comparison
    typealias Operation = KeyValueTransaction.Operation

    let directory: TemporaryDirectory
    let machine: KeyValueMachine

    init() throws {
        directory = try TemporaryDirectory()
        machine = try KeyValueMachine(in: directory)
    }

    private func key(_ text: String) -> [UInt8] { Array(text.utf8) }
    private func put(_ key: String, _ value: String, previous: Bool = false) -> Operation {
        .put(key: Array(key.utf8), value: Array(value.utf8), returnsPrevious: previous)
    }
    private func entry(_ key: String, _ value: String, _ revision: UInt64, _ created: UInt64, _ version: UInt64)
        -> KeyValue
    {
        KeyValue(key: Array(key.utf8), value: Array(value.utf8), revision: revision, created: created, version: version)
    }

    private func run(
        at index: UInt64, if comparisons: [Comparison] = [], then: [Operation] = [], else otherwise: [Operation] = []
    ) throws -> KeyValueOutput {
        try machine.run(
            from: index, [.transaction(KeyValueTransaction(if: comparisons, then: then, else: otherwise))])[0]
    }

    private func result(
        at index: UInt64, if comparisons: [Comparison] = [], then: [Operation] = [], else otherwise: [Operation] = []
    ) throws -> TransactionResult? {
        guard case .transaction(let result) = try run(at: index, if: comparisons, then: then, else: otherwise) else {
            return nil
        }
        return result
    }

    @Test("A key remembers when it was made and how often it was set, until it is deleted")
    func versions() throws {
        try machine.run(from: 3, [.put("a", "1"), .put("a", "2"), .swap("a", .revision(4), "3")])
        #expect(try machine.get(key("a")) == entry("a", "3", 5, 3, 3))
        try machine.run(from: 6, [.delete("a"), .put("a", "4")])
        #expect(try machine.get(key("a")) == entry("a", "4", 7, 7, 1))
    }

    @Test("All that one transaction changes has its revision, and operations see what those before them did")
    func oneRevision() throws {
        try machine.run(from: 1, [.put("a", "old"), .put("d1", "x"), .put("d2", "y")])
        let result = try result(
            at: 4,
            then: [
                put("a", "1", previous: true), put("b", "2"),
                .delete(KeyRange(prefix: key("d")), returnsPrevious: true),
                .range(KeyRange()), .get(key("d1")), put("c", "3", previous: true),
            ])
        #expect(
            result
                == TransactionResult(
                    succeeded: true, revision: 4,
                    results: [
                        .put(previous: entry("a", "old", 1, 1, 1)), .put(previous: nil),
                        .deleted(count: 2, previous: [entry("d1", "x", 2, 2, 1), entry("d2", "y", 3, 3, 1)]),
                        .range(
                            KeyValuePage(entries: [entry("a", "1", 4, 1, 2), entry("b", "2", 4, 4, 1)], hasMore: false)),
                        .range(KeyValuePage(entries: [], hasMore: false)), .put(previous: nil),
                    ]))
        #expect(
            try machine.dump() == [entry("a", "1", 4, 1, 2), entry("b", "2", 4, 4, 1), entry("c", "3", 4, 4, 1)])
    }

    @Test("Comparisons see the state before, all of them must hold, and else the other list is done")
    func branches() throws {
        try machine.run(from: 1, [.put("a", "1")])
        let both = [Comparison(key: key("a"), property: .value(key("1"))), .absent(key("b"))]
        let first = try result(at: 2, if: both, then: [put("b", "2")], else: [.get(key("b"))])
        #expect(first?.succeeded == true && first?.revision == 2)
        let second = try result(at: 3, if: both, then: [put("b", "3")], else: [.get(key("b"))])
        #expect(
            second
                == TransactionResult(
                    succeeded: false, revision: nil,
                    results: [.range(KeyValuePage(entries: [entry("b", "2", 2, 2, 1)], hasMore: false))]))
        #expect(try machine.value("b") == "2")
    }

    @Test(
        "A list that changes nothing has no revision: an empty one, one that reads, one that deletes what is not there")
    func nothingChanged() throws {
        #expect(try result(at: 1) == TransactionResult(succeeded: true, revision: nil, results: []))
        #expect(try result(at: 2, then: [.get(key("a"))])?.revision == nil)
        let deleted = try result(at: 3, then: [.delete(KeyRange(), returnsPrevious: true)])
        #expect(
            deleted == TransactionResult(succeeded: true, revision: nil, results: [.deleted(count: 0, previous: [])]))
    }

    @Test("Every comparison, with every relation, of a key that is there and of one that is not")
    func comparisons() throws {
        try machine.run(from: 5, [.put("a", "m"), .put("a", "m"), .put("a", "m")])
        func holds(_ name: String, _ property: Comparison.Property) throws -> Set<Comparison.Relation> {
            var holding: Set<Comparison.Relation> = []
            for relation in Comparison.Relation.allCases {
                let comparison = Comparison(key: key(name), property: property, relation: relation)
                guard case .transaction(let result) = try machine.read(KeyValueTransaction(if: [comparison])) else {
                    Issue.record("a refusal")
                    continue
                }
                if result.succeeded { holding.insert(relation) }
            }
            return holding
        }
        #expect(try holds("a", .value(key("m"))) == [.equal])
        #expect(try holds("a", .value(key("l"))) == [.notEqual, .greater])
        #expect(try holds("a", .value(key("ma"))) == [.notEqual, .less])
        #expect(try holds("a", .value([])) == [.notEqual, .greater])
        #expect(try holds("a", .revision(7)) == [.equal])
        #expect(try holds("a", .created(6)) == [.notEqual, .less])
        #expect(try holds("a", .created(4)) == [.notEqual, .greater])
        #expect(try holds("a", .version(3)) == [.equal])
        // Absent: each number is 0, and there is no value to compare.
        #expect(try holds("z", .value([])) == [])
        for property in [.revision(0), .created(0), .version(0)] as [Comparison.Property] {
            #expect(try holds("z", property) == [.equal])
        }
        #expect(try holds("z", .version(1)) == [.notEqual, .less])
    }

    @Test("Two changes of one key in one list are refused, on every replica alike; in two lists they are not")
    func overlaps() throws {
        for (list, word) in [
            ([put("a", "1"), put("b", "1"), put("a", "2")], "two puts"),
            ([put("b", "1"), .delete(KeyRange(prefix: key("b")))], "a put and a delete"),
            ([.delete(KeyRange(from: key("a"))), put("b", "1")], "a put and a delete"),
            ([.delete(key("b")), put("b", "1"), put("a", "1")], "a put and a delete"),
        ] {
            for output in [try run(at: 1, then: list), try run(at: 1, else: list)] {
                guard case .refused(let reason) = output else {
                    Issue.record("\(output)")
                    continue
                }
                #expect(reason.contains(word))
            }
        }
        #expect(try machine.dump().isEmpty)
        #expect(try run(at: 9, then: [put("a", "1")], else: [put("a", "2")]) != .refused(""))
        #expect(
            try result(at: 10, then: [put("b", "1"), .delete(KeyRange(from: key("a"), upTo: key("b")))])?.revision == 10
        )
        let twice = try result(at: 11, then: [.delete(KeyRange()), .delete(KeyRange())])
        #expect(twice?.results == [.deleted(count: 1, previous: []), .deleted(count: 0, previous: [])])
    }

    @Test("A key that cannot be is refused wherever it stands, before anything is done")
    func badKeys() throws {
        let long = [UInt8](repeating: 7, count: 512)
        for output in [
            try run(at: 1, if: [.absent([])], then: [put("a", "1")]), try run(at: 2, if: [.present(long)]),
            try run(at: 3, then: [put("a", "1"), .put(key: long, value: [])]),
            try run(at: 4, then: [put("a", "1")], else: [.put(key: [], value: [])]),
        ] {
            guard case .refused = output else {
                Issue.record("\(output)")
                continue
            }
        }
        #expect(try machine.dump().isEmpty)
        // As bounds they are only places.
        #expect(try result(at: 5, then: [.range(KeyRange(from: long, upTo: long + long))])?.results.count == 1)
    }

    @Test("A result that is too large undoes what was done before it was found to be")
    func tooLarge() throws {
        let megabyte = [UInt8](repeating: 5, count: 1 << 20)
        for index in 1...5 { try machine.run(from: UInt64(index), [.put(key: [UInt8(index)], value: megabyte)]) }
        let before = try machine.dump()
        let lists: [[Operation]] = [
            [.put(key: [9], value: [1])] + (1...4).map { .get([$0]) },
            [.delete(KeyRange(from: [1], upTo: [3])), .delete(KeyRange(), returnsPrevious: true)],
            [.put(key: [1], value: [1])] + (2...5).map { .put(key: [$0], value: [0], returnsPrevious: true) },
        ]
        for (position, list) in lists.enumerated() {
            let output = try run(at: UInt64(10 * (position + 1)), then: list)
            // The second has three megabytes only, and fits.
            if position == 1 {
                guard case .transaction(let result) = output else { return #expect(Bool(false), "\(output)") }
                #expect(result.revision == 20)
                for (place, entry) in before.enumerated() {
                    try machine.run(from: UInt64(21 + place), [.put(key: entry.key, value: entry.value)])
                }
            } else {
                #expect(output == .refused(KeyValueLimits.resultRefusal))
                #expect(try machine.dump().map(\.key) == before.map(\.key))
                #expect(try machine.dump().map(\.value) == before.map(\.value))
                if position == 0 { #expect(try machine.dump() == before) }
            }
        }
        let reading = KeyValueTransaction(then: (1...4).map { .get([$0]) })
        #expect(try machine.read(reading) == .refused(KeyValueLimits.resultRefusal))
    }

    @Test("More keys than may go at once stay all, and what came before comes back")
    func tooMany() throws {
        let count = KeyValueLimits.maximumDeletedCount
        try machine.run(
            from: 1, (0...count).map { .put(key: withUnsafeBytes(of: UInt32($0).bigEndian, Array.init), value: []) })
        let first = UInt64(count + 2)
        #expect(
            try run(at: first, then: [.put(key: [1, 2, 3, 4, 5], value: [1]), .delete(KeyRange(upTo: [0, 1]))])
                != .refused(KeyValueLimits.deletionRefusal), "a part of them goes")
        try machine.run(
            from: first + 1,
            (0...count).map { .put(key: withUnsafeBytes(of: UInt32($0).bigEndian, Array.init), value: [1]) })
        let before = try machine.range(KeyRange(), limit: 3)
        #expect(
            try run(
                at: first + UInt64(count) + 2, then: [.put(key: [255], value: [1]), .delete(KeyRange(upTo: [254]))])
                == .refused(KeyValueLimits.deletionRefusal))
        #expect(try machine.range(KeyRange(), limit: 3) == before)
        #expect(try machine.get([255]) == nil)
    }

    @Test("A range of a transaction gives so many entries as it is asked for, and says that there are more")
    func ranges() throws {
        try machine.run(from: 1, [.put("a", "1"), .put("b", "2"), .put("c", "3")])
        let limited = try result(
            at: 4, then: [.range(KeyRange(), limit: 2), .range(KeyRange(from: key("b")), limit: 2)])
        guard case .range(let first)? = limited?.results[0], case .range(let second)? = limited?.results[1] else {
            Issue.record("no ranges")
            return
        }
        #expect(first.entries.map(\.key) == [key("a"), key("b")] && first.hasMore)
        #expect(second.entries.map(\.key) == [key("b"), key("c")] && !second.hasMore)
    }

    @Test("One that only reads gives as a read what it gives as a command")
    func reading() throws {
        try machine.run(from: 1, [.put("a", "1"), .put("b", "2")])
        for comparison in [Comparison.absent(key("a")), .present(key("a"))] {
            let transaction = KeyValueTransaction(
                if: [comparison], then: [.get(key("a"))], else: [.range(KeyRange(), limit: 1), .get(key("z"))])
            #expect(transaction.isReadOnly)
            #expect(try machine.run(from: 3, [.transaction(transaction)])[0] == machine.read(transaction))
        }
        #expect(!KeyValueTransaction(else: [.delete(key("a"))]).isReadOnly)
    }
}
