import Raft
import RaftTransport
import Testing

@testable import RaftClient

@Suite("Transactions of a client")
struct TransactionTests {
    let cluster = FakeCluster()

    private func error(_ body: () async throws -> Void) async -> RaftClientError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? RaftClientError
        }
    }

    private static let write = KeyValueTransaction(if: [.absent([1])], then: [.put(key: [1], value: [2])])
    private static let read = KeyValueTransaction(if: [.absent([1])], else: [.get([1])])

    @Test("It is sent as it is, and its result comes back")
    func sent() async throws {
        let result = TransactionResult(succeeded: true, revision: 8, results: [.put(previous: nil)])
        cluster.node("a") { method, request, _ throws(RPCStatus) in
            #expect(method == ClientMethods.txn)
            #expect(try TxnRequest(decoding: request) == TxnRequest(Self.write))
            return result.encoded()
        }
        #expect(try await cluster.client().txn(Self.write) == result)
    }

    @Test("One that changes something is not made again when its result got lost; one that only reads is")
    func lost() async throws {
        let result = TransactionResult(
            succeeded: false, revision: nil, results: [.range(.init(entries: [], hasMore: false))])
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw RPCStatus(.unavailable, "connection reset") }
        cluster.node("b") { _, _, _ in result.encoded() }
        let error = await error { _ = try await cluster.client().txn(Self.write) }
        #expect(error?.code == .outcomeUnknown)
        #expect(cluster.asked == ["a"])
        #expect(try await cluster.client().txn(Self.read) == result)
        #expect(cluster.asked == ["a", "a", "b"])
    }

    @Test("An exchange gives what the key was, and a delete of a range what it removed")
    func shortcuts() async throws {
        let before = KeyValue(key: [1], value: [7], revision: 3)
        cluster.node("a") { _, request, _ throws(RPCStatus) in
            switch try TxnRequest(decoding: request).transaction.then {
            case [.put(key: [1], value: [2], returnsPrevious: true)]:
                return TransactionResult(succeeded: true, revision: 9, results: [.put(previous: before)]).encoded()
            case [.delete(KeyRange(prefix: [1]), returnsPrevious: true)]:
                return TransactionResult(
                    succeeded: true, revision: 10, results: [.deleted(count: 1, previous: [before])]
                ).encoded()
            default: return TransactionResult(succeeded: true, revision: nil, results: []).encoded()
            }
        }
        let client = cluster.client()
        let (result, previous) = try await client.exchange([1], [2])
        #expect(result == PutResult(revision: 9, previousRevision: 3) && previous == before)
        #expect(
            try await client.delete(KeyRange(prefix: [1]), returningPrevious: true)
                == RangeDeletion(revision: 10, count: 1, previous: [before]))
        // An answer to something else is not taken for one.
        let odd = await error { _ = try await client.delete(KeyRange()) }
        #expect(odd?.code == .outcomeUnknown)
    }
}
