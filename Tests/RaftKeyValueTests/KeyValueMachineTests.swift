import Raft
import Testing

@testable import RaftKeyValue

@Suite("KeyValueMachine")
struct KeyValueMachineTests {
    let directory: TemporaryDirectory
    let machine: KeyValueMachine

    init() throws {
        directory = try TemporaryDirectory()
        machine = try KeyValueMachine(in: directory)
    }

    // MARK: What commands do

    @Test("A put sets the key at the revision of its log entry, and tells the revision before")
    func put() throws {
        let outputs = try machine.run(from: 4, [.put("a", "1"), .put("b", "2"), .put("a", "3")])
        #expect(
            outputs == [
                .done(revision: 4, previous: nil), .done(revision: 5, previous: nil), .done(revision: 6, previous: 4),
            ])
        #expect(try machine.get([97]) == KeyValue(key: [97], value: [51], revision: 6, created: 4, version: 2))
        #expect(try machine.value("b") == "2")
        #expect(try machine.value("c") == nil)
    }

    @Test("A delete removes the key, and says so when there was none")
    func delete() throws {
        let outputs = try machine.run(from: 1, [.put("a", "1"), .delete("a"), .delete("a")])
        #expect(outputs.dropFirst() == [.done(revision: 2, previous: 1), .unchanged(current: nil)])
        #expect(try machine.value("a") == nil)
        #expect(try machine.run(from: 4, [.put("a", "2")]) == [.done(revision: 4, previous: nil)])
    }

    @Test("A compare-and-swap on the value changes the key only when it has exactly this value")
    func compareValue() throws {
        try machine.run(from: 1, [.put("a", "1")])
        #expect(
            try machine.run(
                from: 2,
                [
                    .swap("a", .value(Array("2".utf8)), "x"), .swap("a", .value(Array("11".utf8)), "x"),
                    .swap("a", .value([]), "x"), .swap("b", .value([]), "x"), .swap("a", .value(Array("1".utf8)), "y"),
                ]) == [
                    .unchanged(current: 1), .unchanged(current: 1), .unchanged(current: 1), .unchanged(current: nil),
                    .done(revision: 6, previous: 1),
                ])
        #expect(try machine.value("a") == "y")
        #expect(try machine.value("b") == nil)
    }

    @Test("A compare-and-swap on the revision changes the key only when it was last changed there")
    func compareRevision() throws {
        try machine.run(from: 1, [.put("a", "1"), .put("a", "1")])
        #expect(
            try machine.run(
                from: 3,
                [
                    .swap("a", .revision(1), "x"), .swap("b", .revision(0), "x"), .swap("a", .revision(2), "y"),
                    .swap("a", .revision(2), "z"),
                ]) == [
                    .unchanged(current: 2), .unchanged(current: nil), .done(revision: 5, previous: 2),
                    .unchanged(current: 5),
                ])
        #expect(try machine.value("a") == "y")
    }

    @Test("A compare-and-swap on absence makes a key once")
    func compareAbsent() throws {
        #expect(
            try machine.run(
                from: 1,
                [
                    .swap("a", .absent, "1"), .swap("a", .absent, "2"), .delete("a"), .swap("a", .absent, "3"),
                ]) == [
                    .done(revision: 1, previous: nil), .unchanged(current: 1), .done(revision: 3, previous: 1),
                    .done(revision: 4, previous: nil),
                ])
        #expect(try machine.value("a") == "3")
    }

    @Test("Keys and values may hold any bytes, and a value may be empty")
    func binary() throws {
        let keys: [[UInt8]] = [[0], [0, 0], [255], [255, 255, 0], Array(0...255)]
        try machine.run(from: 1, keys.map { .put(key: $0, value: $0.reversed()) } + [.put(key: [1], value: [])])
        for key in keys { #expect(try machine.get(key)?.value == key.reversed()) }
        #expect(try machine.get([1])?.value == [])
        #expect(try machine.dump().map(\.key) == (keys + [[1]]).sorted { $0.lexicographicallyPrecedes($1) })
    }

    @Test("A key of 511 bytes is taken; one of 512 and an empty one change nothing, on every replica alike")
    func keyLimit() throws {
        let longest = [UInt8](repeating: 7, count: 511)
        let outputs = try machine.run(
            from: 1,
            [.put(key: longest, value: [1]), .put(key: longest + [0], value: [2]), .put(key: [], value: [3])])
        #expect(outputs[0] == .done(revision: 1, previous: nil))
        #expect(outputs[1] == .refused("the key has 512 bytes, the limit is 511; shorten it, or store a hash of it"))
        #expect(outputs[2] == .refused("the key is empty; a key has 1 to 511 bytes"))
        #expect(try machine.get(longest)?.value == [1])
        #expect(try machine.get(longest + [0]) == nil)
        #expect(try machine.get([]) == nil)
        #expect(machine.lastApplied == LogID(term: 1, index: 3))
    }

    @Test("A value of the largest default size comes back unchanged")
    func largeValue() throws {
        let value = (0..<KeyValueLimits.defaultMaximumValueBytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try machine.run(from: 1, [.put(key: [1], value: value)])
        #expect(try machine.get([1])?.value == value)
    }

    @Test("A single command is applied like a batch of one")
    func single() throws {
        #expect(try machine.apply(.put("a", "1"), at: LogID(term: 2, index: 9)) == .done(revision: 9, previous: nil))
        #expect(machine.lastApplied == LogID(term: 2, index: 9))
    }

    @Test("A batch that holds no command still moves the position")
    func blankBatch() throws {
        var builder = EntryBatch.Builder(first: 1, term: 3)
        builder.append(.blank, [])
        var outputs: [KeyValueOutput] = []
        try machine.apply(CommandBatch([builder.finish()!]), into: &outputs)
        #expect(outputs.isEmpty)
        #expect(machine.lastApplied == LogID(term: 3, index: 1))
    }

    @Test("A batch with bytes that are no command changes nothing at all and keeps the outputs of earlier batches")
    func malformedBatch() throws {
        try machine.run(from: 1, [.put("a", "1")])
        var builder = EntryBatch.Builder(first: 2, term: 1)
        var good: [UInt8] = []
        KeyValueCommand.put("a", "2").encode(into: &good)
        builder.append(.command, good)
        builder.append(.command, [255, 255])
        let batch = CommandBatch<KeyValueCommand>([builder.finish()!])
        var outputs: [KeyValueOutput] = [.unchanged(current: 7)]
        #expect(throws: RaftError.self) { try machine.apply(batch, into: &outputs) }
        #expect(outputs.first == .unchanged(current: 7))
        #expect(try machine.value("a") == "1")
        #expect(machine.lastApplied == LogID(term: 1, index: 1))
    }

    // MARK: Ranges

    private func keys(_ range: KeyRange, limit: Int = 100) throws -> [String] {
        try machine.range(range, limit: limit).entries.map { String(decoding: $0.key, as: UTF8.self) }
    }

    @Test("A range by prefix holds the keys that begin with it, and no other")
    func prefix() throws {
        try machine.run(from: 1, ["a", "ab", "abc", "ac", "b", ""].map { .put($0, "v") })
        #expect(try keys(KeyRange(prefix: Array("ab".utf8))) == ["ab", "abc"])
        #expect(try keys(KeyRange(prefix: Array("a".utf8))) == ["a", "ab", "abc", "ac"])
        #expect(try keys(KeyRange(prefix: [])) == ["a", "ab", "abc", "ac", "b"])
        #expect(try keys(KeyRange(prefix: Array("z".utf8))) == [])
    }

    @Test("A prefix that ends in the greatest byte, or is nothing else, still ends where it should")
    func prefixOfGreatestBytes() throws {
        let keys: [[UInt8]] = [[1, 255], [1, 255, 255], [1, 255, 255, 3], [2], [255], [255, 255], [255, 255, 1]]
        try machine.run(from: 1, keys.map { .put(key: $0, value: []) })
        #expect(try machine.range(KeyRange(prefix: [1, 255])).entries.map(\.key) == Array(keys[0...2]))
        #expect(try machine.range(KeyRange(prefix: [255, 255])).entries.map(\.key) == Array(keys[5...6]))
        #expect(KeyRange(prefix: [1, 255]).upTo == [2])
        #expect(KeyRange(prefix: [255]).upTo == nil)
    }

    @Test("An interval holds its lower bound and not its upper one")
    func interval() throws {
        try machine.run(from: 1, ["a", "b", "c", "d"].map { .put($0, "v") })
        #expect(try keys(KeyRange(from: Array("b".utf8), upTo: Array("d".utf8))) == ["b", "c"])
        #expect(try keys(KeyRange(from: Array("bb".utf8))) == ["c", "d"])
        #expect(try keys(KeyRange(upTo: Array("b".utf8))) == ["a"])
        #expect(try keys(KeyRange(from: Array("c".utf8), upTo: Array("c".utf8))) == [])
        #expect(try keys(KeyRange(from: Array("d".utf8), upTo: Array("a".utf8))) == [])
    }

    @Test("A bound longer than any key is a bound all the same")
    func longBound() throws {
        let longest = [UInt8](repeating: 5, count: 511)
        try machine.run(
            from: 1, [.put(key: longest, value: []), .put(key: [5], value: []), .put(key: [6], value: [])])
        #expect(try machine.range(KeyRange(from: longest + [0])).entries.map(\.key) == [[6]])
        #expect(try machine.range(KeyRange(upTo: longest + [0])).entries.map(\.key) == [[5], longest])
    }

    @Test("A range stops at its limit of entries and says whether it goes on")
    func limit() throws {
        try machine.run(from: 1, ["a", "b", "c"].map { .put($0, "v") })
        #expect(try machine.range(KeyRange(), limit: 2).hasMore)
        #expect(try !machine.range(KeyRange(), limit: 3).hasMore)
        #expect(try machine.range(KeyRange(), limit: 0) == KeyValuePage(entries: [], hasMore: true))
        let page = try machine.range(KeyRange(), limit: 2)
        #expect(try keys(KeyRange(from: page.entries[1].key + [0])) == ["c"])
    }

    @Test("A range stops at its limit of bytes, but never before its first entry")
    func byteLimit() throws {
        try machine.run(from: 1, ["a", "b", "c"].map { .put($0, "0123456789") })
        #expect(try machine.range(KeyRange(), maximumBytes: 22).entries.count == 2)
        #expect(try machine.range(KeyRange(), maximumBytes: 21).entries.count == 1)
        #expect(try machine.range(KeyRange(), maximumBytes: 1).entries.count == 1)
        #expect(try machine.range(KeyRange(), maximumBytes: 1).hasMore)
    }

    @Test("A read after a write sees it, and many reads between two writes see the same")
    func readsBetweenWrites() throws {
        for round in UInt64(1)...20 {
            try machine.run(from: round, [.put("a", "\(round)")])
            for _ in 0..<5 { #expect(try machine.value("a") == "\(round)") }
        }
    }

    @Test("Two machines that were given the same commands hold the same, however these were batched")
    func determinism() throws {
        var random = SeededGenerator(seed: 7)
        let commands: [KeyValueCommand] = (0..<500).map { _ in
            let key = "k\(UInt.random(in: 0..<40, using: &random))"
            let value = "v\(UInt.random(in: 0..<5, using: &random))"
            return switch UInt.random(in: 0..<6, using: &random) {
            case 0, 1: .put(key, value)
            case 2: .delete(key)
            case 3: .swap(key, .absent, value)
            case 4: .swap(key, .value(Array("v1".utf8)), value)
            default: .swap(key, .revision(UInt64.random(in: 0..<500, using: &random)), value)
            }
        }
        let other = try KeyValueMachine(in: directory, "other")
        let once = try machine.run(from: 1, commands)
        var oneByOne: [KeyValueOutput] = []
        for (position, command) in commands.enumerated() {
            oneByOne += try other.run(from: UInt64(position + 1), [command])
        }
        #expect(once == oneByOne)
        #expect(try machine.dump() == other.dump())
        #expect(try !machine.dump().isEmpty)
    }
}

/// SplitMix64: the same numbers every time.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
