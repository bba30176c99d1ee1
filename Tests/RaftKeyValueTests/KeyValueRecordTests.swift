import Raft
import RaftKeyValueModel
import Testing

@testable import RaftKeyValue

@Suite("What is read of a key-value snapshot, and of what commands gave")
struct KeyValueRecordTests {
    private func refusal(of record: [UInt8]) -> String {
        var bytes = record
        let error = #expect(throws: RaftError.self) { try KeyValueRecord.takeAll(from: &bytes) { _ in } }
        #expect(error?.code == .corrupt)
        return error?.message ?? ""
    }

    private func word(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }

    @Test("A length that no record has is refused before anything of that length is waited for")
    func lengths() {
        let numbers = [UInt8](repeating: 0, count: 32)
        #expect(
            refusal(of: [1] + word(0) + word(3) + numbers) == "key-value snapshot: a key of 0 bytes with a value of 3")
        #expect(refusal(of: [1] + word(1) + word(1 << 26 + 1) + numbers).contains("a value of 67108865"))
        #expect(refusal(of: [1] + word(1 << 20) + word(0) + numbers).contains("a key of 1048576 bytes"))
        #expect(refusal(of: [2] + word(1 << 27 + 1)) == "key-value snapshot: a change of 134217729 bytes")
    }

    @Test("A record of a change holds one, and neither none nor two")
    func changes() {
        var one: [UInt8] = []
        KeyChange(revision: 7, ordinal: 0, key: [1], entry: nil).encode(into: &one)
        #expect(refusal(of: [2] + word(0)) == "key-value snapshot: 0 changes where one must be")
        #expect(
            refusal(of: [2] + word(UInt32(2 * one.count)) + one + one)
                == "key-value snapshot: 2 changes where one must be")
    }

    @Test("What a command gave comes back as it was; of another kind, or cut, it is refused")
    func outputs() throws {
        let all: [KeyValueOutput] = [
            .done(revision: 7, previous: 5), .done(revision: 7, previous: nil), .unchanged(current: 3),
            .unchanged(current: nil), .compacted(through: 7), .granted(lease: 4), .revoked(wasThere: true, keyCount: 2),
            .revoked(wasThere: false, keyCount: 0), .refused("too long"),
        ]
        for output in all {
            var bytes: [UInt8] = []
            output.encode(into: &bytes)
            #expect(try KeyValueOutput(decoding: bytes[...]) == output)
            if case .refused = output { continue }
            for count in 0..<bytes.count {
                #expect(throws: RaftError.self, "\(output), \(count) bytes") {
                    try KeyValueOutput(decoding: bytes[..<count])
                }
            }
        }
        for kind in [0, 8, 255] as [UInt8] {
            let error = #expect(throws: RaftError.self) { try KeyValueOutput(decoding: [kind, 1]) }
            #expect(error?.message == "a key-value output of 2 bytes that is none")
        }
    }
}
