import Raft
import Testing

@testable import RaftKeyValue

@Suite("KeyValueCommand")
struct KeyValueCommandTests {
    static let commands: [KeyValueCommand] = [
        .put(key: [1], value: [2, 3]), .put(key: [0, 255], value: []), .delete(key: [9]), .delete(key: []),
        .compareAndSwap(key: [1], expectation: .absent, value: [5]),
        .compareAndSwap(key: [1], expectation: .value([]), value: []),
        .compareAndSwap(key: [1], expectation: .value([0, 1]), value: [5]),
        .compareAndSwap(key: [1], expectation: .revision(0), value: [5]),
        .compareAndSwap(key: [1], expectation: .revision(.max), value: [5]),
        .put(key: [UInt8](repeating: 3, count: 4096), value: [UInt8](repeating: 4, count: 1_572_864)),
    ]

    private func encoded(_ command: KeyValueCommand) -> [UInt8] {
        var bytes: [UInt8] = []
        command.encode(into: &bytes)
        return bytes
    }

    @Test("What was encoded is decoded to the same command", arguments: commands)
    func roundTrip(_ command: KeyValueCommand) throws {
        #expect(try KeyValueCommand(decoding: encoded(command)[...]) == command)
    }

    @Test("The bytes of a command never change: they are in somebody's log")
    func goldenBytes() {
        #expect(encoded(.put(key: [97], value: [49])) == [0x08, 1, 0x12, 1, 97, 0x1A, 1, 49])
        #expect(encoded(.delete(key: [97])) == [0x08, 2, 0x12, 1, 97])
        #expect(
            encoded(.compareAndSwap(key: [97], expectation: .revision(300), value: [49]))
                == [0x08, 3, 0x12, 1, 97, 0x1A, 1, 49, 0x28, 0xAC, 2])
        #expect(
            encoded(.compareAndSwap(key: [97], expectation: .absent, value: []))
                == [0x08, 3, 0x12, 1, 97, 0x30, 1])
        #expect(
            encoded(.compareAndSwap(key: [97], expectation: .value([]), value: []))
                == [0x08, 3, 0x12, 1, 97, 0x22, 0])
    }

    @Test("Encoding adds to what is there")
    func appends() {
        var bytes: [UInt8] = [7]
        KeyValueCommand.delete(key: [97]).encode(into: &bytes)
        #expect(bytes == [7, 0x08, 2, 0x12, 1, 97])
    }

    @Test(
        "Bytes that are not a command in full are refused",
        arguments: [
            [], [0x08, 0], [0x08, 4], [0x08, 4, 0x3A, 1, 9],  // a transaction of a later form
            [0x08, 4, 0x12, 1, 97, 0x3A, 13] + [1] + [UInt8](repeating: 0, count: 12),  // a transaction with a key
            [0x08, 1, 0x12, 1, 97, 0x3A, 1, 1],  // a put with a transaction
            [0x08, 5, 0x12, 1, 97],  // a compaction with a key
            [0x08, 9], [0x08, 99, 0x12, 1, 97],  // no kind, or one of a later version
            [0x08, 3, 0x12, 1, 97],  // compare with nothing
            [0x08, 3, 0x12, 1, 97, 0x30, 0],  // compare with "not absent"
            [0x08, 1, 0x12, 1, 97, 0x30, 1],  // a put with an expectation
            [0x08, 2, 0x12, 1, 97, 0x1A, 1, 49],  // a delete with a value
            [0x08, 1, 0x12, 1, 97, 0x7A, 0],  // a field that this version does not know
            [0x08, 1, 0x12, 200, 97], [0xFF], [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        ] as [[UInt8]])
    func malformed(_ bytes: [UInt8]) {
        let error = #expect(throws: RaftError.self) { try KeyValueCommand(decoding: bytes[...]) }
        #expect(error?.code == .corrupt)
    }

    @Test("No bytes trap: every cut and every changed byte of a command decodes or is refused")
    func hostileBytes() {
        for command in Self.commands.dropLast() {
            let good = encoded(command)
            for count in 0..<good.count { _ = try? KeyValueCommand(decoding: good[..<count]) }
            for position in good.indices {
                for value in [0, 1, 0x7F, 0x80, 0xFF] as [UInt8] {
                    var bad = good
                    bad[position] = value
                    _ = try? KeyValueCommand(decoding: bad[...])
                }
            }
        }
        var random = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<64, using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            _ = try? KeyValueCommand(decoding: bytes[...])
        }
    }

    @Test("A command that repeats a field without end runs out of its memory, not of ours")
    func repeatedFields() {
        let bytes: [UInt8] = [0x08, 1] + (0..<100_000).flatMap { _ in [0x12, 0] as [UInt8] }
        let error = #expect(throws: RaftError.self) { try KeyValueCommand(decoding: bytes[...]) }
        #expect(error?.code == .corrupt)
    }
}
