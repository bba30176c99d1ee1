import Raft
import RaftClient
import RaftServer
import RaftTransport
import Testing

/// A sole voter in this process, over real mTLS.
@Suite("Leases at a node", .serialized, .timeLimit(.minutes(3)))
struct LeaseTests {
    let lab: ServiceLab
    init() throws { lab = try ServiceLab() }

    @Test("A lease that nobody keeps alive ends by itself, and a watch sees its keys go together")
    func ends() async throws {
        try await lab.withService { _, client in
            // Long enough for two puts on a busy machine.
            let lease = try await client.grantLease(for: .seconds(8))
            for key in [1, 2] as [UInt8] { _ = try await client.put([key], [9], lease: lease) }
            _ = try await client.put([3], [9])
            var changes: [KeyChange] = []
            // It may be over by now.
            for try await case .change(let change) in client.watch(from: lease) where change.entry == nil {
                changes.append(change)
                if changes.count == 2 { break }
            }
            #expect(changes.map(\.key) == [[1], [2]])
            #expect(Set(changes.map(\.revision)).count == 1)
            let left = try await client.range().entries
            #expect(left.map(\.key) == [[3]])
            let leases = try await client.leases()
            #expect(leases.isEmpty)
            let kept = try await client.keepLeaseAlive(lease)
            #expect(kept == nil)
        }
    }

    @Test("A lease that is kept alive is there as long as that goes on, and revoked it is gone")
    func keptAlive() async throws {
        try await lab.withService { _, client in
            let lease = try await client.grantLease(for: .seconds(60))
            _ = try await client.put([1], [9], lease: lease)
            for _ in 0..<3 {
                let time = try await client.keepLeaseAlive(lease)
                #expect(time == .seconds(60))
            }
            let leases = try await client.leases()
            #expect(leases == [LeaseSummary(id: lease, milliseconds: 60_000, keyCount: 1)])
            let found = try await client.get([1])
            #expect(found?.lease == lease)
            let count = try await client.revokeLease(lease)
            #expect(count == 1)
            let again = try await client.revokeLease(lease)
            #expect(again == nil)
            let gone = try await client.get([1])
            #expect(gone == nil)
        }
    }

    @Test("A time that no lease can have, and a put with a lease that is not there, are refused")
    func refused() async throws {
        try await lab.withService { _, client in
            let short = await #expect(throws: RaftClientError.self) { _ = try await client.grantLease(for: .zero) }
            #expect(short?.code == .refused)
            let unknown = await #expect(throws: RaftClientError.self) { _ = try await client.put([1], [1], lease: 99) }
            #expect(unknown?.code == .refused && unknown?.message.contains("no lease 99") == true)
        }
    }
}
