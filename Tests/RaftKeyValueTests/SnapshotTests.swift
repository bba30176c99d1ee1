import Raft
import Testing

@testable import RaftKeyValue

@Suite("KeyValueMachine and its snapshots")
struct SnapshotTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    private func store(_ view: StateSnapshot, through last: LogID) throws -> any SnapshotReader {
        try view.stored(through: last)
    }

    private func fill(_ machine: KeyValueMachine, _ range: ClosedRange<UInt64>, size: Int = 100) throws {
        for index in range {
            try machine.run(from: index, [.put("key\(index)", String(repeating: "\(index % 10)", count: size))])
        }
    }

    @Test("A machine takes over what another one had, with revisions, whatever it had itself", arguments: [0, 1, 300])
    func takeOver(count: UInt64) throws {
        let source = try KeyValueMachine(in: directory, "source")
        if count > 0 { try fill(source, 1...count, size: 3000) }
        let last = LogID(term: 4, index: LogIndex(count + 5))
        let reader = try store(source.snapshot(), through: last)
        let target = try KeyValueMachine(in: directory, "target")
        try target.run(from: 1, [.put("other", "x"), .put("key1", "y")])
        for piece in [1 << 20, 1000, 37] {
            var contents = SnapshotContents(reader, pieceBytes: piece)
            try target.restore(&contents, through: last)
            #expect(target.lastApplied == last)
            #expect(try target.dump() == source.dump())
        }
        try target.run(from: count + 6, term: 4, [.put("more", "z")])
        #expect(try target.value("more") == "z")
        try target.close()
        let again = try KeyValueMachine(in: directory, "target", bootID: "another start")
        #expect(again.lastApplied == LogID(term: 4, index: LogIndex(count + 6)))
        #expect(try again.dump().count == Int(count) + 1)
    }

    @Test("A snapshot shows the state as it was, although writes went on before it was written")
    func view() throws {
        let source = try KeyValueMachine(in: directory, "source", mapBytes: 8 << 20)
        try fill(source, 1...50)
        let before = try source.dump()
        let view = try source.snapshot()
        try source.run(from: 51, [.delete("key7"), .put("key8", "changed"), .put("new", "n")])
        let reader = try store(view, through: LogID(term: 1, index: 50))
        let target = try KeyValueMachine(in: directory, "target")
        var contents = SnapshotContents(reader)
        try target.restore(&contents, through: LogID(term: 1, index: 50))
        #expect(try target.dump() == before)
        #expect(try source.value("key8") == "changed")
    }

    @Test("A map that must grow ends the view: writes go on, the snapshot fails, and the next one succeeds")
    func growth() throws {
        let source = try KeyValueMachine(in: directory, "source", mapBytes: 1 << 20)
        try fill(source, 1...10)
        let view = try source.snapshot()
        try fill(source, 11...60, size: 100_000)
        #expect(throws: RaftError.self) { try view.write { _ in } }
        let reader = try store(source.snapshot(), through: LogID(term: 1, index: 60))
        #expect(reader.manifest.byteCount > 5_000_000)
    }

    @Test("A view that is never written, or outlives the machine, is in nobody's way")
    func unusedView() throws {
        let source = try KeyValueMachine(in: directory, "source")
        try fill(source, 1...3)
        var view: StateSnapshot? = try source.snapshot()
        let second = try source.snapshot()
        try source.close()
        view = nil
        _ = view
        #expect(throws: RaftError.self) { try second.write { _ in } }
        #expect(try KeyValueMachine(in: directory, "source").dump().count == 3)
    }

    @Test("What a crash leaves of a restore is thrown away at the next start")
    func halfRestored() throws {
        let source = try KeyValueMachine(in: directory, "source")
        try fill(source, 1...100)
        let last = LogID(term: 1, index: 100)
        let whole = try store(source.snapshot(), through: last)
        var bytes = try whole.read(at: 0, maximumBytes: 1 << 20)
        bytes.removeLast(40)
        let cut = try store(StateSnapshot { [bytes] in try $0(bytes[...]) }, through: last)
        let target = try KeyValueMachine(in: directory, "target")
        try target.run(from: 1, [.put("old", "x")])
        var contents = SnapshotContents(cut, pieceBytes: 500)
        #expect(throws: RaftError.self) { try target.restore(&contents, through: last) }
        let again = try KeyValueMachine(in: directory, "target")
        #expect(again.lastApplied == nil)
        #expect(try again.dump().isEmpty)
    }

    @Test(
        "A snapshot of the layout before keys had versions, or leases, is refused, and says what to do",
        arguments: ["RAFTKV01", "RAFTKV02"])
    func earlier(header: String) throws {
        let target = try KeyValueMachine(in: directory, "target")
        let bytes = Array(header.utf8) + [1, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 97, 49]
        var contents = SnapshotContents(
            try store(StateSnapshot { try $0(bytes[...]) }, through: LogID(term: 1, index: 5)))
        let error = #expect(throws: RaftError.self) { try target.restore(&contents, through: LogID(term: 1, index: 5)) }
        #expect(error?.message.contains("the version of raft that wrote it") == true)
    }

    @Test("A record that a later version has is refused, not skipped")
    func later() throws {
        let target = try KeyValueMachine(in: directory, "target")
        let bytes = KeyValueRecord.header + [99] + [UInt8](repeating: 0, count: 40)
        var contents = SnapshotContents(
            try store(StateSnapshot { try $0(bytes[...]) }, through: LogID(term: 1, index: 5)))
        let error = #expect(throws: RaftError.self) { try target.restore(&contents, through: LogID(term: 1, index: 5)) }
        #expect(error?.message.contains("a record of kind 99") == true)
    }

    @Test("Another machine's snapshot is refused")
    func foreign() throws {
        let target = try KeyValueMachine(in: directory, "target")
        for bytes in [Array("RAFTXX01".utf8), [], KeyValueRecord.header + [UInt8](repeating: 255, count: 40)] {
            var contents = SnapshotContents(
                try store(StateSnapshot { try $0(bytes[...]) }, through: LogID(term: 1, index: 1)))
            #expect(throws: RaftError.self) { try target.restore(&contents, through: LogID(term: 1, index: 1)) }
        }
    }
}
