import Raft
import Testing

@testable import RaftKeyValue

@Suite("Transactions as bytes")
struct TransactionCodingTests {
    static let transactions: [KeyValueTransaction] = [
        KeyValueTransaction(),
        KeyValueTransaction(
            if: [
                .absent([1]), .present([]), .init(key: [2], property: .value([]), relation: .less),
                .init(key: [3], property: .revision(.max), relation: .greater),
                .init(key: [4], property: .version(3), relation: .notEqual),
            ],
            then: [
                .put(key: [1], value: [2, 3], returnsPrevious: true), .put(key: [], value: []),
                .put(key: [4], value: [5], lease: .max),
                .delete(KeyRange(), returnsPrevious: true), .delete([7]),
            ],
            else: [.get([1]), .range(KeyRange(from: [1], upTo: []), limit: .max), .range(KeyRange(prefix: [255]))]),
    ]

    static let results: [TransactionResult] = [
        TransactionResult(succeeded: false, revision: nil, results: []),
        TransactionResult(
            succeeded: true, revision: .max,
            results: [
                .put(previous: nil), .put(previous: KeyValue(key: [1], value: [], revision: 2)),
                .deleted(count: .max, previous: []),
                .deleted(
                    count: 2, previous: [KeyValue(key: [1], value: [9], revision: 5, created: 3, version: 2, lease: 4)]),
                .range(KeyValuePage(entries: [], hasMore: true)),
                .range(KeyValuePage(entries: [KeyValue(key: [], value: [1], revision: 1)], hasMore: false)),
            ]),
    ]

    @Test("What was encoded is decoded to the same, as a command and as an output")
    func roundTrip() throws {
        for transaction in Self.transactions {
            var bytes: [UInt8] = []
            KeyValueCommand.transaction(transaction).encode(into: &bytes)
            #expect(try KeyValueCommand(decoding: bytes[...]) == .transaction(transaction))
        }
        for result in Self.results {
            var bytes: [UInt8] = []
            KeyValueOutput.transaction(result).encode(into: &bytes)
            #expect(try KeyValueOutput(decoding: bytes[...]) == .transaction(result))
        }
    }

    @Test("The bytes never change: they are in somebody's log")
    func goldenBytes() {
        var bytes: [UInt8] = []
        KeyValueCommand.transaction(
            KeyValueTransaction(
                if: [.absent([97])], then: [.put(key: [97], value: [49])],
                else: [.range(KeyRange(from: [97]), limit: 2)])
        ).encode(into: &bytes)
        let comparison: [UInt8] = [1, 0, 0, 0, 97, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0]
        let put: [UInt8] = [1, 0, 1, 0, 0, 0, 97, 1, 0, 0, 0, 49]
        let range: [UInt8] = [3, 2, 0, 0, 0, 1, 0, 0, 0, 97, 0]
        let one: [UInt8] = [1, 0, 0, 0]
        let packed = [1] + one + comparison + one + put + one + range
        #expect(bytes == [0x08, 4, 0x3A, UInt8(packed.count)] + packed)
        bytes = []
        TransactionResult(
            succeeded: true, revision: 5, results: [.put(previous: KeyValue(key: [97], value: [49], revision: 3))]
        ).encode(into: &bytes)
        let numbers: [UInt8] =
            [3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
        #expect(
            bytes == [2, 1, 5, 0, 0, 0, 0, 0, 0, 0] + one + [1] + one + [1, 0, 0, 0, 97, 1, 0, 0, 0, 49] + numbers)
    }

    @Test("No bytes trap: every cut and every changed byte decodes or is refused, and sets nothing aside for a count")
    func hostileBytes() {
        func encoded(_ encode: (inout [UInt8]) -> Void) -> [UInt8] {
            var bytes: [UInt8] = []
            encode(&bytes)
            return bytes
        }
        let transactions = Self.transactions.map { transaction in encoded { transaction.encode(into: &$0) } }
        let results = Self.results.map { result in encoded { result.encode(into: &$0) } }
        for good in transactions {
            for count in 0..<good.count {
                #expect(throws: RaftError.self) { try KeyValueTransaction(decoding: good[..<count]) }
            }
        }
        for good in results {
            for count in 0..<good.count {
                #expect(throws: RaftError.self) { try TransactionResult(decoding: good[..<count]) }
            }
        }
        for good in transactions + results {
            for position in good.indices {
                for value in [0, 1, 2, 3, 0x7F, 0xFF] as [UInt8] {
                    var bad = good
                    bad[position] = value
                    if let read = try? KeyValueTransaction(decoding: bad[...]) {
                        #expect(encoded { read.encode(into: &$0) } == bad)
                    }
                    _ = try? TransactionResult(decoding: bad[...])
                }
            }
        }
    }

    @Test("A list that is longer than any may be is refused")
    func tooLong() throws {
        var transaction = KeyValueTransaction(
            then: Array(repeating: .get([1]), count: KeyValueTransaction.maximumCount))
        var bytes: [UInt8] = []
        transaction.encode(into: &bytes)
        #expect(try KeyValueTransaction(decoding: bytes[...]) == transaction)
        transaction.then.append(.get([1]))
        bytes = []
        transaction.encode(into: &bytes)
        #expect(throws: RaftError.self) { try KeyValueTransaction(decoding: bytes[...]) }
    }
}
