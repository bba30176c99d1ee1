import Raft
import Testing

@testable import RaftKeyValue

@Suite("The history of changes")
struct HistoryTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory(isInMemory: true) }

    private func all(
        _ machine: KeyValueMachine, after position: ChangePosition = ChangePosition(revision: 0),
        in range: KeyRange = KeyRange(), maximumBytes: Int = 1 << 20
    ) throws -> [KeyChange] {
        var changes: [KeyChange] = []
        var position = position
        while true {
            let page = try machine.changes(after: position, in: range, maximumBytes: maximumBytes)
            changes += page.changes
            #expect(page.position >= position)
            if page.isComplete { return changes }
            position = page.position
        }
    }

    private func texts(_ changes: [KeyChange]) -> [String] {
        changes.map {
            let value = $0.entry.map { "=" + String(decoding: $0.value, as: UTF8.self) } ?? " gone"
            return "\($0.position) \(String(decoding: $0.key, as: UTF8.self))\(value)"
        }
    }

    @Test("It has every change in order, also several of one revision, and nothing that changed nothing")
    func order() throws {
        let machine = try KeyValueMachine(in: directory)
        try machine.run(
            from: 3,
            [
                .put("a", "1"), .delete("z"), .swap("a", .absent, "2"), .swap("a", .value([49]), "3"),
                .transaction(
                    KeyValueTransaction(then: [
                        .put(key: [98], value: [52]), .delete(KeyRange(key: [97])), .get([98]),
                        .put(key: [99], value: []),
                    ])),
                .transaction(KeyValueTransaction(then: [.get([97])])), .delete("b"),
            ])
        #expect(
            texts(try all(machine)) == ["3.0 a=1", "6.0 a=3", "7.0 b=4", "7.1 a gone", "7.2 c=", "9.0 b gone"])
        #expect(
            texts(try all(machine, after: ChangePosition(revision: 7, ordinal: 0), in: KeyRange(prefix: [97]))) == [
                "7.1 a gone"
            ])
        #expect(texts(try all(machine, after: ChangePosition(revision: 7))) == ["9.0 b gone"])
        #expect(
            texts(try all(machine, after: ChangePosition(before: 7), in: KeyRange(key: [98]))) == [
                "7.0 b=4", "9.0 b gone",
            ])
        #expect(try machine.changes(after: ChangePosition(revision: 9)).position == ChangePosition(revision: 9))
        #expect(try all(machine, after: ChangePosition(revision: 1000)).isEmpty)
        let entry = try all(machine)[1].entry
        #expect(entry == KeyValue(key: [97], value: [51], revision: 6, created: 3, version: 2))
    }

    @Test("A transaction that undoes itself leaves nothing in it")
    func undone() throws {
        let machine = try KeyValueMachine(in: directory)
        let large = [UInt8](repeating: 1, count: 3 << 20)
        try machine.run(
            from: 1,
            [
                .put(key: [1], value: large), .put(key: [2], value: large), .put("a", "1"),
                .transaction(KeyValueTransaction(then: [.put(key: [98], value: [1]), .get([1]), .get([2])])),
                .put("c", "1"),
            ])
        #expect(try all(machine).map(\.revision) == [1, 2, 3, 5])
    }

    @Test("However commands come in runs, and pages are cut, the changes are the same", arguments: [1, 50, 1 << 20])
    func pages(maximumBytes: Int) throws {
        var source = CommandSource(seed: 7)
        let commands = (0..<300).map { source.next(UInt64($0) + 10) }
        var reference = ReferenceModel()
        for (position, command) in commands.enumerated() { _ = reference.apply(command, at: UInt64(position) + 10) }
        for size in [1, 7, 300] {
            let machine = try KeyValueMachine(in: directory, "\(size)-\(maximumBytes)")
            for start in stride(from: 0, to: commands.count, by: size) {
                try machine.run(from: UInt64(start) + 10, Array(commands[start..<min(start + size, 300)]))
            }
            let front = ChangePosition(revision: machine.compacted)
            #expect(try all(machine, after: front, maximumBytes: maximumBytes) == reference.changes)
            let range = KeyRange(prefix: Array("a".utf8))
            let position = reference.changes[reference.changes.count / 2].position
            #expect(
                try all(machine, after: position, in: range, maximumBytes: maximumBytes)
                    == reference.changes.filter { range.contains($0.key) && $0.position > position })
        }
    }

    @Test("What is compacted is refused, the rest stays, and it is the same in a snapshot and after a start")
    func compacted() throws {
        var machine = try KeyValueMachine(in: directory)
        for index in 1...20 as ClosedRange<UInt64> { try machine.run(from: index, [.put("k\(index)", "v")]) }
        #expect(try machine.run(from: 21, [.compact(through: 12)]) == [.compacted(through: 12)])
        #expect(try machine.run(from: 22, [.compact(through: 5)]) == [.compacted(through: 12)])
        #expect(try machine.run(from: 23, [.compact(through: .max)]) == [.compacted(through: 22)])
        #expect(machine.compacted == 22)
        try machine.run(from: 24, [.put("x", "1"), .compact(through: 22), .put("x", "2")])
        for round in 0..<3 {
            #expect(throws: HistoryCompacted(revision: 22)) { try machine.changes(after: ChangePosition(revision: 21)) }
            #expect(throws: HistoryCompacted.self) {
                try machine.changes(after: ChangePosition(revision: 22, ordinal: 5))
            }
            #expect(texts(try all(machine, after: ChangePosition(revision: 22))) == ["24.0 x=1", "26.0 x=2"])
            #expect(try machine.dump().count == 21)
            if round == 0 {
                try machine.close()
                machine = try KeyValueMachine(in: directory)
            } else {
                let last = LogID(term: 1, index: 26)
                var contents = SnapshotContents(try machine.snapshot().stored(through: last), pieceBytes: 64)
                machine = try KeyValueMachine(in: directory, "next")
                try machine.restore(&contents, through: last)
            }
        }
    }

    @Test("Compaction gives the room back, and a run that straddles it keeps only what is behind")
    func room() throws {
        let machine = try KeyValueMachine(in: directory)
        for start in stride(from: 1, to: 400, by: 20) {
            try machine.run(
                from: UInt64(start), (0..<20).map { _ in .put(key: [1], value: [UInt8](repeating: 1, count: 10_000)) })
        }
        let before = try machine.historyBytes()
        #expect(before > 4_000_000)
        try machine.run(from: 401, [.compact(through: 390)])
        #expect(try machine.historyBytes() < before / 10)
        #expect(try all(machine, after: ChangePosition(revision: 390)).map(\.revision) == Array(391...400))
    }

    @Test("Changes share rows that fit in a page beside another, and one that does not has a row of its own")
    func rows() throws {
        let changes = ChangeBuffer()
        let sizes = [100, 900, 900, 900, 5000, 1, 1]
        for (revision, size) in sizes.enumerated() {
            let value = [UInt8](repeating: 1, count: size)
            changes.append(ChangePosition(revision: UInt64(revision + 1), ordinal: 0), [7], (value, 1, 1, 0))
        }
        #expect(changes.rows.map(\.position.revision) == [1, 3, 5, 6])
        let told = try changes.rows.indices.map { try KeyChange.all(decoding: changes.bytes(ofRow: $0)) }
        #expect(told.map { $0.map(\.revision) } == [[1, 2], [3, 4], [5], [6, 7]])
        let mark = changes.mark
        changes.append(ChangePosition(revision: 8, ordinal: 0), [7], nil)
        changes.cut(to: mark)
        #expect(try KeyChange.all(decoding: changes.bytes[...]).map(\.revision) == Array(1...7))
        #expect(changes.rows.count == 4)
    }

    @Test("What the history forgets makes room for what comes: the file of the state does not grow for ever")
    func fileStaysSmall() throws {
        let machine = try KeyValueMachine(in: directory)
        var index: UInt64 = 1
        for _ in 0..<150 {
            try machine.run(
                from: index,
                (index..<index + 200).map {
                    .put(key: Array("\($0 * 7919 % 5000)".utf8), value: [UInt8](repeating: 1, count: 250))
                })
            index += 200
            try machine.run(from: index, [.compact(through: max(index, 1000) - 1000)])
            index += 1
        }
        // 1.5 MiB of keys, a thousand changes of 300 KiB. Rows that needed pages in one piece made it 4.6 MB.
        let used = try machine.usedBytes()
        #expect(used < 4 << 20)
    }

    @Test("The observer is told of each run that changed something, in order, and of a state that took over")
    func observer() throws {
        let machine = try KeyValueMachine(in: directory)
        let heard = Lock<[String]>([])
        machine.observer = { news in
            switch news {
            case .applied(let bytes, let through):
                let changes = (try? KeyChange.all(decoding: bytes[...])) ?? []
                heard.withLock { $0.append("\(changes.map(\.revision)) \(through)") }
            case .replaced(let through): heard.withLock { $0.append("replaced \(through)") }
            }
        }
        try machine.run(from: 1, [.put("a", "1"), .delete("z"), .put("b", "1")])
        try machine.run(from: 4, [.delete("z")])
        _ = try machine.apply(.put("c", "1"), at: LogID(term: 1, index: 5))
        var contents = SnapshotContents(try machine.snapshot().stored(through: LogID(term: 1, index: 5)))
        try machine.restore(&contents, through: LogID(term: 1, index: 5))
        #expect(heard.withLock { $0 } == ["[1, 3] 3", "[5] 5", "replaced 5"])
    }

    @Test("A write that has to be begun anew on a larger map is in it once")
    func grows() throws {
        let machine = try KeyValueMachine(in: directory, mapBytes: 1 << 16)
        let value = [UInt8](repeating: 1, count: 100_000)
        try machine.run(from: 1, (0..<30).map { .put(key: [UInt8($0)], value: value) })
        #expect(try all(machine).map(\.revision) == Array(1...30))
    }
}
