import Raft
import RaftTransport
import Testing

@testable import RaftClient

@Suite("KeyValueClient")
struct KeyValueClientTests {
    let cluster = FakeCluster()
    static let done = PutResult(revision: 7, previousRevision: nil).encoded()

    private func error(_ body: () async throws -> Void) async -> RaftClientError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? RaftClientError
        }
    }

    @Test("A put goes to the leader that a follower names, and the next one there at once")
    func followsHint() async throws {
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw .notLeader(3, at: "c") }
        cluster.node("c") { _, _, _ in Self.done }
        let client = cluster.client()
        #expect(try await client.put([1], [2]) == PutResult(revision: 7, previousRevision: nil))
        _ = try await client.put([1], [2])
        #expect(cluster.asked == ["a", "c", "c"])
        #expect(cluster.pauses.isEmpty)
    }

    @Test("A leader outside of the endpoints is followed too")
    func followsStranger() async throws {
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw .notLeader(9, at: "z") }
        cluster.node("z") { _, _, _ in Self.done }
        _ = try await cluster.client(["a"]).put([1], [2])
        #expect(cluster.asked == ["a", "z"])
    }

    @Test("Calls to one node share one connection, also when they begin together")
    func sharesConnections() async throws {
        cluster.node("a") { _, _, _ in Self.done }
        let client = cluster.client()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { _ = try await client.put([1], [2]) } }
            try await group.waitForAll()
        }
        #expect(cluster.connected == ["a"])
        #expect(cluster.asked.count == 50)
    }

    @Test("A node that cannot be reached is left for the next one, and nothing is lost")
    func unreachableNode() async throws {
        cluster.unreachable("a")
        cluster.unreachable("b")
        cluster.node("c") { _, _, _ in Self.done }
        _ = try await cluster.client().put([1], [2])
        #expect(cluster.connected == ["a", "b", "c"])
        #expect(cluster.pauses.isEmpty)
    }

    @Test("A write that got lost on its way back is not made again, and its outcome is called unknown")
    func lostWrite() async throws {
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw RPCStatus(.unavailable, "connection reset") }
        cluster.node("b") { _, _, _ in Self.done }
        let client = cluster.client()
        for write in [
            { _ = try await client.put([1], [2]) },
            { _ = try await client.delete([1]) },
            { _ = try await client.compareAndSwap([1], expecting: .absent, [2]) },
        ] as [() async throws -> Void] {
            let error = await error(write)
            #expect(error?.code == .outcomeUnknown)
            #expect(error?.outcome == .unknown)
        }
        #expect(cluster.asked == ["a", "a", "a"])
    }

    @Test("A write that the node itself calls unknown is not made again")
    func unknownWrite() async throws {
        cluster.node("a") { _, _, _ throws(RPCStatus) in
            throw RPCStatus(RaftError(.outcomeUnknown, "stepped down in term 3", outcome: .unknown))
        }
        let error = await error { _ = try await cluster.client().put([1], [2]) }
        #expect(error?.code == .outcomeUnknown)
        #expect(cluster.asked == ["a"])
    }

    @Test("A read that got lost is made again elsewhere")
    func lostRead() async throws {
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw RPCStatus(.unavailable, "connection reset") }
        cluster.node("b") { _, _, _ in GetResponse(found: KeyValue(key: [1], value: [5], revision: 3)).encoded() }
        #expect(try await cluster.client().get([1]) == KeyValue(key: [1], value: [5], revision: 3))
        #expect(cluster.asked == ["a", "b"])
    }

    @Test("One attempt of a read takes a part of its time, one of a write all of it")
    func attemptTimeouts() async throws {
        cluster.node("a") { method, _, _ in
            method == ClientMethods.put ? Self.done : GetResponse(found: nil).encoded()
        }
        let client = cluster.client(timeout: .seconds(30))
        _ = try await client.get([1])
        _ = try await client.put([1], [2])
        #expect(cluster.callTimeouts[0] == .seconds(2))
        #expect(cluster.callTimeouts[1] > .seconds(29))
    }

    @Test("An overloaded node is asked again after a pause, which doubles up to its limit")
    func overloaded() async throws {
        cluster.node("a") { _, _, call throws(RPCStatus) in
            guard call > 7 else { throw RPCStatus(RaftError(.overloaded, "too much waits")) }
            return Self.done
        }
        _ = try await cluster.client().put([1], [2])
        #expect(cluster.asked == Array(repeating: "a", count: 8))
        #expect(cluster.pauses == [15, 30, 60, 120, 225, 225, 225].map { .milliseconds($0) })
    }

    @Test("Without a leader the client asks everyone, pauses between rounds, and gives up at its deadline")
    func noLeader() async throws {
        for endpoint in ["a", "b", "c"] {
            cluster.node(endpoint) { _, _, _ throws(RPCStatus) in throw .notLeader() }
        }
        let start = cluster.now
        let error = await error { _ = try await cluster.client(timeout: .seconds(2)).put([1], [2]) }
        #expect(error?.code == .unavailable)
        #expect(error?.outcome == .nothingHappened)
        #expect(error?.message.contains("not the leader in term 9") == true)
        #expect(cluster.now - start >= .seconds(2))
        #expect(cluster.now - start < .seconds(3))
        #expect(Set(cluster.asked) == ["a", "b", "c"])
        #expect(cluster.asked.count < 60)
    }

    @Test("A leader that is elected while the client asks is found")
    func electedMeanwhile() async throws {
        for endpoint in ["a", "b", "c"] {
            cluster.node(endpoint) { _, _, call throws(RPCStatus) in
                guard call > 10, endpoint == "b" else { throw .notLeader() }
                return Self.done
            }
        }
        _ = try await cluster.client().put([1], [2])
        #expect(cluster.asked.last == "b")
    }

    @Test("Two nodes that name each other are not asked in a frenzy")
    func hintLoop() async throws {
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw .notLeader(2, at: "b") }
        cluster.node("b") { _, _, _ throws(RPCStatus) in throw .notLeader(1, at: "a") }
        let error = await error { _ = try await cluster.client(["a", "b"], timeout: .seconds(2)).put([1], [2]) }
        #expect(error?.code == .unavailable)
        #expect(cluster.asked.count < 60)
    }

    @Test("What the cluster refuses is told at once")
    func refused() async throws {
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw RPCStatus(refusing: "the key is empty") }
        let error = await error { _ = try await cluster.client().put([], [2]) }
        #expect(error == RaftClientError(.refused, "a: the key is empty"))
        #expect(cluster.asked == ["a"])
    }

    @Test("A role that may not call is told at once")
    func notAuthorized() async throws {
        cluster.node("a") { _, _, _ throws(RPCStatus) in
            throw RPCStatus(.permissionDenied, "role metrics may not call Put")
        }
        #expect(await error { _ = try await cluster.client().put([1], [2]) }?.code == .notAuthorized)
        #expect(cluster.asked == ["a"])
    }

    @Test("One node that does not accept the certificate is passed over; when all do not, that is the answer")
    func unauthenticated() async throws {
        cluster.unreachable("a", .unauthenticated, "certificate expired")
        cluster.node("b") { _, _, _ in Self.done }
        let client = cluster.client(["a", "b"])
        _ = try await client.put([1], [2])
        cluster.disconnect()
        cluster.unreachable("b", .unauthenticated, "certificate expired")
        let error = await error { _ = try await client.put([1], [2]) }
        #expect(error?.code == .notAuthorized)
        #expect(error?.message.contains("certificate expired") == true)
    }

    @Test("A connection that has closed is made anew")
    func reconnects() async throws {
        cluster.node("a") { _, _, _ in Self.done }
        let client = cluster.client()
        _ = try await client.put([1], [2])
        cluster.disconnect()
        _ = try await client.put([1], [2])
        #expect(cluster.connected == ["a", "a"])
    }

    @Test("A local read does not make its node the leader in the client's eyes")
    func localRead() async throws {
        cluster.unreachable("a")
        cluster.node("b") { _, _, _ in GetResponse(found: nil).encoded() }
        cluster.node("c") { _, _, _ in Self.done }
        let client = cluster.client()
        #expect(try await client.get([1], .local) == nil)
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw .notLeader(3, at: "c") }
        _ = try await client.put([1], [2])
        #expect(cluster.asked == ["b", "a", "c"])
    }

    @Test("A follower that serves a linearizable read is not taken for the leader: writes go on to who leads")
    func followerRead() async throws {
        cluster.node("a") { method, _, _ throws(RPCStatus) in
            if method == ClientMethods.get { return GetResponse(found: nil).encoded() }
            throw .notLeader(3, at: "c")
        }
        cluster.node("c") { method, _, _ in
            method == ClientMethods.get ? GetResponse(found: nil).encoded() : Self.done
        }
        let client = cluster.client(["a", "b", "c"])
        _ = try await client.get([1])
        _ = try await client.put([1], [2])
        _ = try await client.get([1])
        _ = try await client.put([1], [2])
        #expect(cluster.asked == ["a", "a", "c", "c", "c"])
    }

    @Test("A node that serves reads is asked again for them, as long as no leader is known")
    func servedRead() async throws {
        cluster.unreachable("a")
        cluster.node("b") { _, _, _ in GetResponse(found: nil).encoded() }
        let client = cluster.client(["a", "b"])
        _ = try await client.get([1])
        _ = try await client.get([1])
        #expect(cluster.asked == ["b", "b"] && cluster.connected.filter { $0 == "a" }.count <= 1)
    }

    @Test("Reads that are spread go to the endpoints in turn, whoever leads; writes do not")
    func spread() async throws {
        for endpoint in ["a", "b", "c"] {
            cluster.node(endpoint) { method, _, _ in
                method == ClientMethods.get ? GetResponse(found: nil).encoded() : Self.done
            }
        }
        let client = cluster.client(["a", "b", "c"], spreadsReads: true)
        _ = try await client.put([1], [2])
        for consistency in [Consistency.linearizable, .local, .lease, .linearizable] {
            _ = try await client.get([1], consistency)
        }
        _ = try await client.put([1], [2])
        #expect(cluster.asked == ["a", "b", "c", "a", "b", "a"])
    }

    @Test(
        "A write that may be passed on says so, and stays where it is served, without taking that node for the leader")
    func forwards() async throws {
        let seen = Lock<[Bool]>([])
        for endpoint in ["a", "b", "c"] {
            cluster.node(endpoint) { method, request, _ throws(RPCStatus) in
                let forwards =
                    method == ClientMethods.put
                    ? try PutRequest(decoding: request).forwards : try DeleteRequest(decoding: request).forwards
                seen.withLock { $0.append(forwards) }
                return Self.done
            }
        }
        let client = cluster.client(["a", "b", "c"], forwardsWrites: true)
        _ = try await client.put([1], [2])
        _ = try await client.delete([1])
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw RPCStatus(.unavailable, "gone", wasSent: false) }
        _ = try await client.put([1], [2])
        _ = try await client.put([1], [2])
        #expect(cluster.asked == ["a", "a", "a", "b", "b"] && seen.withLock { $0 } == [true, true, true, true])
        let usual = cluster.client(["c"])
        _ = try await usual.put([1], [2])
        #expect(seen.withLock { $0.last } == false)
    }

    @Test("A closed client refuses, and says that nothing happened")
    func closed() async throws {
        cluster.node("a") { _, _, _ in Self.done }
        let client = cluster.client()
        _ = try await client.put([1], [2])
        await client.close()
        #expect(await error { _ = try await client.put([1], [2]) }?.code == .cancelled)
    }

    @Test("A cancelled task does not keep asking")
    func cancelledTask() async throws {
        for endpoint in ["a", "b", "c"] {
            cluster.node(endpoint) { _, _, _ throws(RPCStatus) in throw .notLeader() }
        }
        let client = cluster.client(timeout: .seconds(1_000_000))
        let task = Task { await error { _ = try await client.put([1], [2]) } }
        task.cancel()
        #expect(await task.value?.code == .cancelled)
    }

    @Test(
        "A call that waits for a connection which another one began ends at its own deadline",
        .timeLimit(.minutes(1)))
    func ownDeadlineWhileConnecting() async throws {
        cluster.node("a") { _, _, _ in Self.done }
        cluster.stall("a")
        let client = cluster.client(["a"], timeout: .seconds(60))
        async let long = client.put([1], [2])
        try await until { cluster.stalledCount == 1 && cluster.waitingOut == 1 }
        async let short = error { _ = try await client.put([1], [2], timeout: .milliseconds(100)) }
        try await until { cluster.waitingOut == 2 }
        cluster.pass(.milliseconds(150))
        let refused = await short
        #expect(refused?.code == .unavailable && refused?.outcome == .nothingHappened)
        cluster.endStall("a")
        _ = try await long
        #expect(cluster.connected == ["a"])
    }

    @Test("A call that is cancelled does not wait for its connection", .timeLimit(.minutes(1)))
    func cancelledWhileConnecting() async throws {
        cluster.stall("a")
        let client = cluster.client(["a"])
        let task = Task { await error { _ = try await client.put([1], [2]) } }
        try await until { cluster.stalledCount == 1 && cluster.waitingOut == 1 }
        task.cancel()
        #expect(await task.value?.code == .cancelled)
        cluster.endStall("a")
        await client.close()
    }

    @Test("A new call does not wait behind those of a node that gives no sign of life, if there is another node")
    func doubt() async throws {
        for endpoint in ["a", "b"] { cluster.node(endpoint) { _, _, _ in Self.done } }
        let client = cluster.client(["a", "b"], timeout: .seconds(5))
        _ = try await client.put([1], [2])
        #expect(cluster.asked == ["a"])
        cluster.doubt("a")
        _ = try await client.put([1], [3])
        #expect(cluster.asked == ["a", "b"])
        // Nobody is left: nothing was sent, and the call says so. Whoever speaks again is asked again.
        _ = try await client.put([1], [4])
        cluster.doubt("b")
        let failure = await error { _ = try await client.put([1], [5]) }
        #expect(failure?.code == .unavailable && failure?.outcome == .nothingHappened)
        #expect(failure?.message.contains("no sign of life") == true)
        cluster.doubt("a", false)
        _ = try await client.put([1], [6])
        #expect(cluster.asked == ["a", "b", "b", "a"])
        // With one node there is nowhere else to go.
        let alone = cluster.client(["b"])
        _ = try await alone.put([1], [7])
        #expect(cluster.asked.last == "b")
    }

    @Test("A response that cannot be read leaves a write's outcome unknown")
    func unreadableResponse() async throws {
        cluster.node("a") { _, _, _ in [0xFF] }
        #expect(await error { _ = try await cluster.client().put([1], [2]) }?.code == .outcomeUnknown)
    }

    @Test("The status of a node is asked of that node only")
    func status() async throws {
        cluster.node("b") { method, _, _ throws(RPCStatus) in
            guard method == ClientMethods.status else { throw RPCStatus(.unimplemented, "what?") }
            return ClientProtocolTests.status.encoded()
        }
        #expect(try await cluster.client().status(of: "b") == ClientProtocolTests.status)
        cluster.unreachable("c")
        #expect(await error { _ = try await cluster.client().status(of: "c") }?.code == .unavailable)
        #expect(cluster.connected == ["b", "c"])
    }

    @Test("A change of members goes to the leader, with everything that it says, and waits while another is under way")
    func changesMembers() async throws {
        let cluster = FakeCluster()
        cluster.node("a") { _, _, _ throws(RPCStatus) in throw .notLeader(2, at: "b") }
        cluster.node("b") { method, request, call throws(RPCStatus) in
            #expect(method == ClientMethods.changeMembership)
            let change = try ChangeMembershipRequest(decoding: request)
            #expect(change.request == .add(4, address: "d:1") && change.waiting)
            #expect(change.seen == LogID(term: 3, index: 41))
            if call < 4 { throw RPCStatus(RaftError(.changeInProgress, "another")) }
            return ChangeMembershipResponse().encoded()
        }
        try await cluster.client().changeMembership(
            .add(4, address: "d:1"), waiting: true, ifUnchangedSince: LogID(term: 3, index: 41))
        #expect(cluster.asked == ["a", "b", "b", "b"])
    }
}
