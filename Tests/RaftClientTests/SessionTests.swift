import Raft
import RaftTransport
import Testing

@testable import RaftClient

@Suite("KeyValueClient with sessions")
struct SessionTests {
    let cluster = FakeCluster()
    static let done = PutResult(revision: 7, previousRevision: nil).encoded()

    private func client(_ endpoints: [String] = ["a", "b"], timeout: Duration = .seconds(5)) -> KeyValueClient {
        var options = KeyValueClient.Options()
        options.timeout = timeout
        options.usesSessions = true
        return KeyValueClient(
            endpoints: endpoints, connector: cluster, options: options, clock: cluster, random: { 0.5 })
    }

    /// The requests of every put that arrived, and how many sessions were begun.
    private final class Seen: Sendable {
        let puts = Lock<[SessionRequest?]>([])
        let sessions = Lock<UInt64>(0)
        func register() -> [UInt8] {
            RegisterSessionResponse(
                session: SessionID(
                    sessions.withLock {
                        $0 += 1
                        return 10 * $0
                    })
            ).encoded()
        }
    }

    private func node(
        _ endpoint: String, _ seen: Seen, _ put: @escaping @Sendable (_ number: Int) throws(RPCStatus) -> [UInt8]
    ) {
        cluster.node(endpoint) { method, request, _ throws(RPCStatus) in
            switch method.id {
            case ClientMethods.registerSession.id: return seen.register()
            case ClientMethods.put.id:
                let session = try PutRequest(decoding: request).session
                let count = seen.puts.withLock { puts in
                    puts.append(session)
                    return puts.count
                }
                return try put(count)
            default: return SessionResponse().encoded()
            }
        }
    }

    private func request(_ session: UInt64, _ sequence: UInt64, _ lowest: UInt64) -> SessionRequest {
        SessionRequest(session: SessionID(session), sequence: sequence, lowestUnanswered: lowest)
    }

    private static let expired = RPCStatus(
        RaftError(.sessionExpired, "session 10 has expired", outcome: .unknown))

    @Test("A write that got lost on its way back is made again elsewhere, with the same number, and is answered once")
    func lostWrite() async throws {
        let seen = Seen()
        node("a", seen) { number throws(RPCStatus) in throw RPCStatus(.unavailable, "connection reset") }
        node("b", seen) { _ in Self.done }
        let client = client()
        #expect(try await client.put([1], [2]).revision == 7)
        #expect(try await client.put([1], [2]).revision == 7)
        #expect(seen.puts.withLock { $0 } == [request(10, 1, 1), request(10, 1, 1), request(10, 2, 2)])
        #expect(seen.sessions.withLock { $0 } == 1)
    }

    @Test("Without sessions nothing of them is sent")
    func without() async throws {
        let seen = Seen()
        node("a", seen) { _ in Self.done }
        _ = try await cluster.client(["a"]).put([1], [2])
        #expect(seen.puts.withLock { $0 } == [nil] && seen.sessions.withLock { $0 } == 0)
    }

    @Test("A write whose result never comes has an unknown outcome when the time is up")
    func neverAnswered() async {
        let seen = Seen()
        for name in ["a", "b"] { node(name, seen) { _ throws(RPCStatus) in throw RPCStatus(.unavailable, "reset") } }
        let client = client(timeout: .milliseconds(500))
        let error = await #expect(throws: RaftClientError.self) { try await client.put([1], [2]) }
        #expect(error?.code == .outcomeUnknown)
        let puts = seen.puts.withLock { $0 }
        #expect(puts.count > 2 && Set(puts) == [request(10, 1, 1)])
    }

    @Test("A write that no leader took has certainly not happened, however often it was made")
    func neverTaken() async {
        let seen = Seen()
        for name in ["a", "b"] { node(name, seen) { _ throws(RPCStatus) in throw .notLeader() } }
        let client = client(timeout: .milliseconds(500))
        let error = await #expect(throws: RaftClientError.self) { try await client.put([1], [2]) }
        #expect(error?.code == .unavailable && error?.outcome == .nothingHappened)
    }

    @Test("A session that has expired before the first attempt is replaced, and the caller notices nothing")
    func expiredAtFirst() async throws {
        let seen = Seen()
        node("a", seen) { number throws(RPCStatus) in
            if number == 1 { throw Self.expired }
            return Self.done
        }
        #expect(try await client(["a"]).put([1], [2]).revision == 7)
        #expect(seen.puts.withLock { $0 } == [request(10, 1, 1), request(20, 1, 1)])
    }

    @Test("After an attempt that may have been applied, an expired session is an error of unknown outcome")
    func expiredLater() async throws {
        let seen = Seen()
        node("a", seen) { number throws(RPCStatus) in
            if number == 1 { throw RPCStatus(.unavailable, "connection reset") }
            if number == 2 { throw Self.expired }
            return Self.done
        }
        let client = client(["a"])
        let error = await #expect(throws: RaftClientError.self) { try await client.put([1], [2]) }
        #expect(error?.code == .outcomeUnknown)
        // The next call begins another one.
        _ = try await client.put([1], [2])
        #expect(seen.puts.withLock { $0 }.last == request(20, 1, 1))
    }

    @Test("A reply that is not there any more is an unknown outcome, and not asked for again")
    func dropped() async {
        let seen = Seen()
        node("a", seen) { _ throws(RPCStatus) in
            throw RPCStatus(RaftError(.replyDropped, "applied before", outcome: .unknown))
        }
        let error = await #expect(throws: RaftClientError.self) { try await client(["a"]).put([1], [2]) }
        #expect(error?.code == .outcomeUnknown)
        #expect(seen.puts.withLock { $0.count } == 1)
    }

    @Test("Calls that begin together share one registration, each with a number of its own")
    func together() async throws {
        let seen = Seen()
        node("a", seen) { _ in Self.done }
        let client = client(["a"])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<40 { group.addTask { _ = try await client.put([1], [2]) } }
            try await group.waitForAll()
        }
        #expect(seen.sessions.withLock { $0 } == 1)
        #expect(Set(seen.puts.withLock { $0 }.compactMap { $0?.sequence }) == Set(1...40))
    }

    @Test(
        "A write that waits for a session which another one began ends at its own deadline, and was never sent",
        .timeLimit(.minutes(1)))
    func ownDeadlineWhileRegistering() async throws {
        let seen = Seen()
        node("a", seen) { _ in Self.done }
        cluster.stall(ClientMethods.registerSession.name)
        let client = client(["a"], timeout: .seconds(60))
        async let long = client.put([1], [2])
        try await until { cluster.stalledCount == 1 && cluster.waitingOut == 1 }
        async let short: RaftClientError? = {
            do throws(RaftClientError) {
                _ = try await client.put([1], [2], timeout: .milliseconds(100))
                return nil
            } catch {
                return error
            }
        }()
        try await until { cluster.waitingOut == 2 }
        cluster.pass(.milliseconds(150))
        let refused = await short
        #expect(refused?.code == .unavailable && refused?.outcome == .nothingHappened)
        cluster.endStall(ClientMethods.registerSession.name)
        _ = try await long
        #expect(seen.sessions.withLock { $0 } == 1)
        #expect(seen.puts.withLock { $0.count } == 1)
    }

    @Test("More calls than one session takes at a time are spread over several")
    func spread() async throws {
        let sessions = ClientSessions(maximumOpen: 2)
        let next = Lock<UInt64>(0)
        var requests: [SessionRequest] = []
        for _ in 0..<5 {
            requests.append(
                try await sessions.next(until: .seconds(5), on: cluster) {
                    .success(
                        SessionID(
                            next.withLock {
                                $0 += 1
                                return $0
                            }))
                })
        }
        #expect(requests.map(\.session.rawValue) == [1, 1, 2, 2, 3])
        sessions.answered(requests[0])
        let another = try await sessions.next(until: .seconds(5), on: cluster) {
            .failure(RaftClientError(.unavailable, "no more"))
        }
        #expect(another == request(1, 3, 2))
        sessions.forget(SessionID(1))
        #expect(sessions.all.map(\.session.rawValue) == [2, 3])
    }

    @Test("Closing the client ends its sessions; keeping them alive says which replies it has")
    func keepAndClose() async throws {
        let seen = Seen()
        node("a", seen) { _ in Self.done }
        let client = client(["a"])
        _ = try await client.put([1], [2])
        try await client.keepSessionsAlive()
        await client.close()
        #expect(cluster.asked.count == 4)
        #expect(client.sessions?.all.isEmpty == true)
    }

    @Test("What is said of sessions comes back as it was")
    func messages() throws {
        let session = request(.max, 5, 2)
        let put = PutRequest(key: [1], value: [2], session: session)
        #expect(try PutRequest(decoding: put.encoded()) == put)
        let delete = DeleteRequest(key: [1], session: session)
        #expect(try DeleteRequest(decoding: delete.encoded()) == delete)
        for expectation in [.absent, .value([3]), .revision(4)] as [KeyExpectation] {
            let swap = CompareAndSwapRequest(key: [1], expectation: expectation, value: [2], session: session)
            #expect(try CompareAndSwapRequest(decoding: swap.encoded()) == swap)
        }
        let keep = KeepSessionRequest(session: SessionID(3), lowestUnanswered: 9)
        #expect(try KeepSessionRequest(decoding: keep.encoded()) == keep)
        let close = CloseSessionRequest(session: SessionID(3))
        #expect(try CloseSessionRequest(decoding: close.encoded()) == close)
        let summary = SessionSummary(
            id: SessionID(3), lastActive: 9, lowestUnanswered: 4, replyCount: 2, replyBytes: 34)
        let list = SessionList(
            sessions: [summary], applied: 12, repeatedCount: 1, refusedCount: 2, expiredCount: 3)
        #expect(try SessionList(decoding: list.encoded()) == list)
    }
}
