import Raft
import RaftTransport
import Testing

@testable import RaftClient

@Suite("A client's watch", .timeLimit(.minutes(1)))
struct ClientWatchTests {
    let cluster = FakeCluster()

    private func change(_ revision: UInt64, _ ordinal: UInt32 = 0) -> KeyChange {
        KeyChange(
            revision: revision, ordinal: ordinal, key: [1], entry: KeyValue(key: [1], value: [2], revision: revision))
    }

    private func message(_ changes: [KeyChange], _ position: ChangePosition) -> [UInt8] {
        var bytes: [UInt8] = []
        for change in changes { change.encode(into: &bytes) }
        return WatchResponse(changes: bytes, position: position).encoded()
    }

    @Test("It goes on at the next node behind the last event given out, without a gap and without a repeat")
    func carriesOn() async throws {
        cluster.streams("a") { stream in
            #expect(stream.request == WatchRequest(KeyRange(key: [1]), after: ChangePosition(revision: 4)))
            stream.give(message([change(5)], ChangePosition(revision: 6)))
            // Half of a revision, and then it is gone.
            stream.give(message([change(8, 0), change(8, 1)], ChangePosition(revision: 8, ordinal: 1)))
            stream.end(RPCStatus(.unavailable, "connection reset"))
        }
        cluster.streams("b") { stream in
            #expect(stream.request?.position == ChangePosition(revision: 8, ordinal: 1))
            // Some of it once more, as a node may that begins at a whole revision.
            stream.give(message([change(8, 1), change(8, 2)], ChangePosition(revision: 8)))
            stream.give(message([change(9)], ChangePosition(revision: 9)))
        }
        var iterator = cluster.client().watch(KeyRange(key: [1]), from: 5).makeAsyncIterator()
        var events: [WatchEvent] = []
        while events.count < 8, let event = try await iterator.next() { events.append(event) }
        #expect(
            events == [
                .change(change(5)), .progress(revision: 6), .change(change(8, 0)), .change(change(8, 1)),
                .change(change(8, 2)), .progress(revision: 8), .change(change(9)), .progress(revision: 9),
            ])
        #expect(cluster.connected == ["a", "b"])
    }

    @Test("What is compacted is an error; so is what the certificate does not allow; a slow one begins anew")
    func ends() async throws {
        cluster.streams("a") { stream in stream.end(RPCStatus(compacted: "through revision 9")) }
        for code in [RaftClientError.Code.compacted, .notAuthorized, .refused] {
            var iterator = cluster.client().watch(from: 1).makeAsyncIterator()
            let error = await #expect(throws: RaftClientError.self) { _ = try await iterator.next() }
            #expect(error?.code == code)
            let status: RPCStatus =
                code == .compacted ? RPCStatus(.permissionDenied, "no") : RPCStatus(.unimplemented, "no method 7")
            cluster.streams("a") { stream in stream.end(status) }
        }
        let count = Lock(0)
        cluster.streams("a") { stream in
            if count.withLock({ count in
                count += 1
                return count
            }) < 3 {
                stream.end(RPCStatus(.resourceExhausted, "the watch is too slow"))
            } else {
                stream.give(message([change(5)], ChangePosition(revision: 5)))
            }
        }
        var iterator = cluster.client().watch(from: 1).makeAsyncIterator()
        let event = try await iterator.next()
        #expect(event == .change(change(5)))
        #expect(cluster.pauses.count >= 2)
    }

    @Test("It says what it has dealt with only then, so a node sends no more than that ahead")
    func reports() async throws {
        let streams = Lock<[FakeStream]>([])
        let value = [UInt8](repeating: 1, count: 40_000)
        cluster.streams("a") { stream in
            streams.withLock { $0.append(stream) }
            for revision in 1...4 as ClosedRange<UInt64> {
                var large = change(revision)
                large.entry?.value = value
                stream.give(message([large], ChangePosition(revision: revision)))
            }
        }
        var iterator = cluster.client().watch(from: 1).makeAsyncIterator()
        func reported() -> UInt64 { streams.withLock { $0.first?.reported ?? 0 } }
        for _ in 0..<2 { _ = try await iterator.next() }
        #expect(reported() == 0)
        // The third message is asked for once the first two are dealt with.
        for _ in 0..<3 { _ = try await iterator.next() }
        #expect(reported() > 80_000 && reported() < 100_000)
    }

    @Test("Dropping the iterator, and cancelling the task, end the stream")
    func dropped() async throws {
        let streams = Lock<[FakeStream]>([])
        cluster.streams("a") { stream in
            streams.withLock { $0.append(stream) }
            stream.give(message([change(5)], ChangePosition(revision: 5)))
        }
        do {
            var iterator = cluster.client().watch(from: 1).makeAsyncIterator()
            _ = try await iterator.next()
            #expect(streams.withLock { $0.count { $0.isCancelled } } == 0)
        }
        #expect(streams.withLock { $0.count { $0.isCancelled } } == 1)
        let client = cluster.client()
        let task = Task { () -> RaftClientError? in
            do throws(RaftClientError) {
                var iterator = client.watch(from: 1).makeAsyncIterator()
                while try await iterator.next() != nil {}
                return nil
            } catch {
                return error
            }
        }
        try await until { streams.withLock { $0.count } == 2 }
        task.cancel()
        #expect(await task.value?.code == .cancelled)
        #expect(streams.withLock { $0.count { $0.isCancelled } } == 2)
    }

    @Test("Its messages come back as they were")
    func messages() throws {
        for request in [
            WatchRequest(KeyRange(), after: nil), WatchRequest(KeyRange(key: [1]), after: ChangePosition(revision: 0)),
            WatchRequest(KeyRange(from: [1]), after: ChangePosition(revision: .max, ordinal: 3)),
        ] { #expect(try WatchRequest(decoding: request.encoded()) == request) }
        let progress = WatchProgress(takenBytes: .max)
        #expect(try WatchProgress(decoding: progress.encoded()) == progress)
        let response = WatchResponse(changes: [1, 2], position: ChangePosition(revision: 7, ordinal: 2))
        #expect(try WatchResponse(decoding: response.encoded()) == response)
        let compact = CompactRequest(
            revision: 4, session: SessionRequest(session: SessionID(1), sequence: 2, lowestUnanswered: 1))
        #expect(try CompactRequest(decoding: compact.encoded()) == compact)
        #expect(try CompactResponse(decoding: CompactResponse(revision: 9).encoded()).revision == 9)
        let grant = GrantLeaseRequest(milliseconds: 9, session: compact.session, forwards: true)
        #expect(try GrantLeaseRequest(decoding: grant.encoded()) == grant)
        let lease = LeaseRequest(lease: 5, session: compact.session, forwards: true)
        #expect(try LeaseRequest(decoding: lease.encoded()) == lease)
        for answer in [LeaseResponse(lease: nil), LeaseResponse(lease: 4, milliseconds: 3, keyCount: 2)] {
            #expect(try LeaseResponse(decoding: answer.encoded()) == answer)
        }
        let list = ListLeasesResponse(leases: [LeaseSummary(id: 1, milliseconds: 2, keyCount: 3)])
        #expect(try ListLeasesResponse(decoding: list.encoded()) == list)
        let changes = [change(3), KeyChange(revision: 4, ordinal: 1, key: [], entry: nil)]
        var bytes: [UInt8] = []
        changes[0].encode(into: &bytes)
        let boundary = bytes.count
        changes[1].encode(into: &bytes)
        #expect(try KeyChange.all(decoding: bytes[...]) == changes)
        for count in 1..<bytes.count where count != boundary {
            #expect(throws: RaftError.self, "\(count)") { try KeyChange.all(decoding: bytes[..<count]) }
        }
    }
}
