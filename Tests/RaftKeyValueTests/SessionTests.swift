import Foundation
import Raft
import RaftKeyValue
import Testing

@testable import RaftKeyValue

/// A machine with files of its own must have the sessions that belong to its state, whatever happens to it.
@Suite("KeyValueMachine and sessions")
struct SessionTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    private func run(
        _ machine: KeyValueMachine, from first: UInt64, _ commands: [KeyValueCommand], keeping rows: [SessionRecord]
    ) throws {
        var builder = EntryBatch.Builder(first: LogIndex(first), term: 1)
        for command in commands {
            var bytes: [UInt8] = []
            command.encode(into: &bytes)
            builder.append(.command, bytes)
        }
        guard let batch = builder.finish() else { return }
        var outputs: [KeyValueOutput] = []
        try machine.apply(CommandBatch([batch]), into: &outputs) { outputs in
            #expect(outputs.count == commands.count)
            return rows
        }
    }

    private func row(_ key: [UInt8], _ value: [UInt8]?) -> SessionRecord { SessionRecord(key: key, value: value) }

    @Test("Rows are kept with the values, replaced and removed, and are there again after a start")
    func kept() throws {
        let machine = try KeyValueMachine(in: directory)
        #expect(try machine.keptSessions().isEmpty)
        try run(machine, from: 1, [.put("a", "1")], keeping: [row([2], [9]), row([1], [8, 8]), row([1, 0], [])])
        try run(machine, from: 2, [.put("b", "1")], keeping: [row([1], [7]), row([2], nil), row([3], nil)])
        let rows = [row([1], [7]), row([1, 0], [])]
        #expect(try machine.keptSessions() == rows)
        try machine.close()
        let again = try KeyValueMachine(in: directory)
        #expect(try again.keptSessions() == rows && again.value("b") == "1")
        // Thrown away with the state that they belong to.
        try again.discard(ifAbove: LogID(term: 1, index: 1))
        #expect(try again.keptSessions().isEmpty && again.lastApplied == nil)
    }

    @Test("A write that has to be begun anew on a larger map keeps its rows once")
    func grows() throws {
        let machine = try KeyValueMachine(in: directory, mapBytes: 1 << 16)
        let value = String(repeating: "v", count: 100_000)
        try run(
            machine, from: 1, (0..<20).map { .put("key\($0)", value) },
            keeping: [row([1], [UInt8](repeating: 3, count: 50_000))])
        #expect(try machine.keptSessions().map(\.value?.count) == [50_000])
    }

    @Test("Outputs come back as they were kept, and nothing else does")
    func outputs() throws {
        let outputs: [KeyValueOutput] = [
            .done(revision: 7, previous: nil), .done(revision: .max, previous: 3), .unchanged(current: nil),
            .unchanged(current: 5), .refused(""), .refused("the key is empty ü"),
        ]
        for output in outputs {
            var bytes: [UInt8] = []
            output.encode(into: &bytes)
            #expect(try KeyValueOutput(decoding: bytes[...]) == output)
        }
        for bytes in [[], [4], [1], [1, 0, 0, 0, 0, 0, 0, 0, 0], [2, 1]] as [[UInt8]] {
            #expect(throws: RaftError.self) { try KeyValueOutput(decoding: bytes[...]) }
        }
    }
}
