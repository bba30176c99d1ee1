import Raft
import RaftClient
import RaftServer
import RaftTransport
import Testing

/// A sole voter in this process, spoken to over real mTLS.
@Suite("Transactions at a node", .serialized, .timeLimit(.minutes(1)))
struct TransactionTests {
    let lab: ServiceLab
    init() throws { lab = try ServiceLab() }

    @Test("They are done through a client, with or without a session, and reads see them")
    func done() async throws {
        try await lab.withService { _, client in
            let take = KeyValueTransaction(
                if: [.absent([1]), .absent([2])], then: [.put(key: [1], value: [9]), .put(key: [2], value: [9])],
                else: [.range(KeyRange())])
            let first = try await client.txn(take)
            #expect(first.succeeded && first.results == [.put(previous: nil), .put(previous: nil)])
            let second = try await client.txn(take)
            let entries = [1, 2].map { KeyValue(key: [$0], value: [9], revision: first.revision!) }
            #expect(
                second
                    == TransactionResult(
                        succeeded: false, revision: nil,
                        results: [.range(KeyValuePage(entries: entries, hasMore: false))]))
            let found = try await client.get([2])
            #expect(found == entries[1])
            let seen = try await client.txn(KeyValueTransaction(then: [.get([1])]))
            #expect(seen.results == [.range(KeyValuePage(entries: [entries[0]], hasMore: false))])
            let (result, previous) = try await client.exchange([1], [8])
            #expect(previous == entries[0] && result.previousRevision == first.revision)
            let removed = try await client.delete(KeyRange(prefix: []), returningPrevious: true)
            #expect(removed.count == 2 && removed.previous.map(\.version) == [2, 1])
            let left = try await client.range().entries
            #expect(left.isEmpty)
        }
        try await lab.withService(usesSessions: true) { _, client in
            let put = try await client.txn(KeyValueTransaction(then: [.put(key: [3], value: [1])]))
            #expect(put.revision != nil)
        }
    }

    @Test("One that is too large, changes a key twice or has a key that cannot be is refused, and nothing happened")
    func refused() async throws {
        func refusal(_ transaction: KeyValueTransaction, _ client: KeyValueClient) async -> RaftClientError? {
            do {
                _ = try await client.txn(transaction)
                return nil
            } catch {
                return error
            }
        }
        var configuration = try lab.configuration()
        configuration.maximumTransactionCount = 3
        try await lab.withService(configuration) { _, client in
            let large = [UInt8](repeating: 1, count: 1_500_000)
            let put = KeyValueTransaction.Operation.put(key: [1], value: [1])
            for (transaction, reason) in [
                (
                    KeyValueTransaction(then: (1...4).map { .put(key: [$0], value: []) }),
                    "has 4 operations, the limit is 3"
                ),
                (KeyValueTransaction(then: [put], else: (1...4).map { .get([$0]) }), "4 operations in its other list"),
                (KeyValueTransaction(if: (1...4).map { .absent([$0]) }, then: [put]), "4 comparisons"),
                (KeyValueTransaction(then: [put, put]), "two puts of one key"),
                (KeyValueTransaction(if: [.absent([])], then: [put]), "the key is empty"),
                (KeyValueTransaction(then: [.put(key: [1], value: large + large)]), "the limit is 1572864"),
                (KeyValueTransaction(then: (1...3).map { .put(key: [$0], value: large) }), "a request of"),
                (
                    KeyValueTransaction(
                        then: [.put(key: [1], value: large), .put(key: [2], value: large)],
                        else: [.put(key: [3], value: [UInt8](repeating: 1, count: 935_000))]),
                    "the transaction has 39350"
                ),
            ] {
                let error = await refusal(transaction, client)
                #expect(error?.code == .refused)
                #expect(error?.message.contains(reason) == true, "\(error?.message ?? "done")")
            }
            let left = try await client.range().entries
            #expect(left.isEmpty)
        }
    }

    @Test("A result that does not fit into a message is refused, as a command and as a read")
    func largeResult() async throws {
        try await lab.withService { _, client in
            let large = [UInt8](repeating: 1, count: 1_500_000)
            for key in 1...3 as ClosedRange<UInt8> { _ = try await client.put([key], large) }
            for write in [[], [.put(key: [7], value: [])]] as [[KeyValueTransaction.Operation]] {
                let transaction = KeyValueTransaction(then: write + [.get([1]), .get([2]), .get([3])])
                let error = await #expect(throws: RaftClientError.self) { _ = try await client.txn(transaction) }
                #expect(error?.code == .refused)
                let fits = try await client.txn(KeyValueTransaction(then: write + [.get([1]), .get([2])]))
                #expect(fits.results.count == write.count + 2)
            }
        }
    }
}
