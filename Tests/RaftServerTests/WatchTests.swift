import Raft
import RaftClient
import RaftServer
import RaftTransport
import Testing

/// A sole voter in this process, watched over real mTLS.
@Suite("Watches at a node", .serialized, .timeLimit(.minutes(1)))
struct WatchTests {
    let lab: ServiceLab
    init() throws { lab = try ServiceLab() }

    /// The next changes, as text.
    private func next(_ count: Int, _ iterator: inout KeyWatch.Iterator) async throws -> [String] {
        var texts: [String] = []
        while texts.count < count, let event = try await iterator.next() {
            guard case .change(let change) = event else { continue }
            texts.append("\(change.key.first ?? 0)" + (change.entry.map { "=\($0.value.first ?? 0)" } ?? " gone"))
        }
        return texts
    }

    @Test("A watch of one key, of a prefix and of everything are told what is theirs, in order and once")
    func told() async throws {
        try await lab.withService { _, client in
            var one = client.watch(KeyRange(key: [1])).makeAsyncIterator()
            var prefix = client.watch(KeyRange(prefix: [2])).makeAsyncIterator()
            var all = client.watch().makeAsyncIterator()
            for _ in 0..<1 {
                // Each says first where it begins.
                for event in [try await one.next(), try await prefix.next(), try await all.next()] {
                    guard case .progress? = event else {
                        Issue.record("\(String(describing: event))")
                        continue
                    }
                }
            }
            _ = try await client.put([1], [5])
            _ = try await client.put([2, 1], [6])
            _ = try await client.txn(
                KeyValueTransaction(then: [
                    .put(key: [1], value: [7]), .delete(KeyRange(prefix: [2])), .put(key: [3], value: [8]),
                ]))
            let mine = try await next(2, &one)
            #expect(mine == ["1=5", "1=7"])
            let theirs = try await next(2, &prefix)
            #expect(theirs == ["2=6", "2 gone"])
            let everything = try await next(5, &all)
            #expect(everything == ["1=5", "2=6", "1=7", "2 gone", "3=8"])
        }
    }

    @Test(
        "A watch from a past revision is told all that is kept, and goes on with what comes; what is compacted is an error"
    )
    func past() async throws {
        try await lab.withService { _, client in
            var revisions: [UInt64] = []
            for value in 1...200 as ClosedRange<UInt8> { revisions.append(try await client.put([9], [value]).revision) }
            var iterator = client.watch(KeyRange(key: [9]), from: revisions[50]).makeAsyncIterator()
            let told = try await next(150, &iterator)
            #expect(told == (51...200).map { "9=\($0)" })
            _ = try await client.put([9], [0])
            let live = try await next(1, &iterator)
            #expect(live == ["9=0"])

            let through = try await client.compact(through: revisions[100])
            #expect(through == revisions[100])
            var gone = client.watch(from: revisions[100]).makeAsyncIterator()
            let error = await #expect(throws: RaftClientError.self) { _ = try await gone.next() }
            #expect(error?.code == .compacted)
            #expect(error?.message.contains("through revision \(revisions[100])") == true)
            var kept = client.watch(from: revisions[100] + 1).makeAsyncIterator()
            let rest = try await next(1, &kept)
            #expect(rest == ["9=102"])
        }
    }

    @Test("A watch that is read late is told everything all the same, in messages that it can take")
    func late() async throws {
        try await lab.withService { _, client in
            var iterator = client.watch(KeyRange(prefix: [])).makeAsyncIterator()
            _ = try await iterator.next()
            let value = [UInt8](repeating: 4, count: 100_000)
            // Far more than a node sends ahead.
            for index in 0..<40 as Range<UInt8> { _ = try await client.put([index + 1], value) }
            let told = try await next(40, &iterator)
            #expect(told == (1...40).map { "\($0)=4" })
            let large = [UInt8](repeating: 3, count: 1_500_000)
            _ = try await client.put([77], large)
            let last = try await next(1, &iterator)
            #expect(last == ["77=3"])
        }
    }

    @Test("More watches than may be open are refused with the limit, and one that ends makes room")
    func limit() async throws {
        var configuration = try lab.configuration()
        configuration.maximumWatchCount = 2
        try await lab.withService(configuration) { service, client in
            let connection = try await lab.connection(service)
            let ends = (0..<3).map { _ in StreamEnd() }
            var streams: [RPCStream] = []
            for end in ends.prefix(2) { streams.append(connection.open(ClientMethods.watch, end)) }
            _ = connection.open(ClientMethods.watch, ends[2])
            let status = await ends[2].status
            #expect(status?.code == .resourceExhausted)
            #expect(status?.message.contains("--max-watches") == true)
            streams[0].end(RPCStatus(.cancelled, "enough"))
            _ = await ends[0].status
            // By the client, which tries again until there is room.
            var iterator = client.watch().makeAsyncIterator()
            let first = try await iterator.next()
            #expect(first != nil)
            await connection.close()
        }
    }

    @Test("A request that cannot be read, and a count that cannot be, end the watch")
    func malformed() async throws {
        try await lab.withService { service, _ in
            let connection = try await lab.connection(service)
            for messages in [
                [[0xFF, 0xFF]],
                [
                    WatchRequest(KeyRange(), after: ChangePosition(revision: 0)).encoded(),
                    WatchProgress(takenBytes: 1 << 40).encoded(),
                ],
            ] {
                let end = StreamEnd()
                let stream = connection.open(ClientMethods.watch, end)
                for message in messages { stream.send(message) }
                let status = await end.status
                #expect(status?.code == .invalidArgument)
            }
            await connection.close()
        }
    }

    @Test("Watches end with the node, and the client's says so only when it is closed")
    func stopped() async throws {
        try await lab.withService { service, client in
            let connection = try await lab.connection(service)
            let end = StreamEnd()
            let stream = connection.open(ClientMethods.watch, end)
            stream.send(WatchRequest(KeyRange(), after: nil).encoded())
            let watching = client.watch()
            async let ended: RaftClientError? = {
                do throws(RaftClientError) {
                    var iterator = watching.makeAsyncIterator()
                    while try await iterator.next() != nil {}
                    return nil
                } catch { return error }
            }()
            await service.stop()
            let status = await end.status
            #expect(status != nil)
            await client.close()
            let error = await ended
            #expect(error?.code == .cancelled)
            await connection.close()
        }
    }
}
