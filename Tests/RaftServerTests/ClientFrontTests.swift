import Raft
import RaftClient
import RaftKeyValue
import RaftKeyValueModel
import RaftTransport
import Testing

@testable import RaftServer

@Suite("What a node does for clients, without sockets", .timeLimit(.minutes(1)))
struct ClientFrontTests {
    /// What a stream was told, in order.
    private final class Told: Sendable {
        private let state = Lock<(messages: [[UInt8]], end: RPCStatus??)>(([], nil))
        func add(_ message: [UInt8]) { state.withLock { $0.messages.append(message) } }
        func end(_ status: RPCStatus?) { state.withLock { $0.end = .some(status) } }
        var bytes: UInt64 { state.withLock { UInt64($0.messages.reduce(0) { $0 + $1.count }) } }
        var count: Int { state.withLock { $0.messages.count } }
        var changes: [KeyChange] {
            state.withLock { $0.messages }.flatMap { message in
                let response = try? WatchResponse(decoding: message)
                return (try? KeyChange.all(decoding: (response?.changes ?? [])[...])) ?? []
            }
        }
    }

    private static let limits = ClientFront.Limits(
        ServerConfiguration(id: 1, cluster: "c", listen: "", data: "", certificate: "", key: "", ca: ""))

    /// The only member of a cluster, not started.
    private func lone(
        _ directory: TemporaryDirectory, _ loops: NodeLoops, _ relay: NewsRelay
    ) throws -> RaftNode<KeyValueMachine> {
        let machine = try KeyValueMachine(directory: directory.file("state"))
        machine.observer = { relay.tell($0) }
        return try RaftNode(
            configuration: Configuration(id: 1), machine: machine, store: MemoryLogStore(),
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: try ClusterConfiguration(voters: [.init(id: 1, address: "local:1")]))
    }

    @Test("A watch misses nothing because another one was told more elsewhere than this node has applied")
    func watchAhead() async throws {
        let directory = try TemporaryDirectory()
        let loops = NodeLoops.threads()
        let relay = NewsRelay()
        let node = try lone(directory, loops, relay)
        var limits = Self.limits
        limits.watchWindowBytes = 1
        let front = ClientFront(node: node, limits) { loops.loop.now }
        relay.set(front)
        try await node.start()
        _ = try await node.untilLeader(within: .seconds(10))
        guard case .done(let revision, _) = try await node.propose(.put(key: [1], value: [1])) else { return }

        let service = DirectService(
            front.table, principal: try Principal(cluster: "c", role: .client, name: "a"))
        func watch(_ position: ChangePosition) async throws -> (DirectStream, Told) {
            let told = Told()
            let stream = service.open(ClientMethods.watch) {
                told.add($0)
            } end: {
                told.end($0)
            }
            stream.deliver(WatchRequest(KeyRange(), after: position).encoded())
            while told.count == 0 { try await Task.sleep(for: .milliseconds(1)) }
            return (stream, told)
        }
        // The first takes no more until it says so; the second comes from a node that is further.
        let (stream, told) = try await watch(ChangePosition(revision: revision))
        let ahead = try await watch(ChangePosition(revision: revision + 5, ordinal: 0))
        guard case .done(let next, _) = try await node.propose(.put(key: [2], value: [2])) else { return }
        #expect(told.changes.isEmpty)
        stream.deliver(WatchProgress(takenBytes: told.bytes).encoded())
        while told.count < 2 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(told.changes.map(\.revision) == [next])
        #expect(ahead.1.changes.isEmpty)
        front.stop()
        await node.stop()
    }

    @Test("Whoever keeps only the table of a front has watches that hear something, in the order in which they came")
    func tableOnly() async throws {
        let directory = try TemporaryDirectory()
        let loops = NodeLoops.threads()
        let relay = NewsRelay()
        let node = try lone(directory, loops, relay)
        func table() -> ServiceTable {
            let front = ClientFront(node: node, Self.limits) { loops.loop.now }
            relay.set(front)
            return front.table
        }
        let service = DirectService(table(), principal: try Principal(cluster: "c", role: .client, name: "a"))
        try await node.start()
        _ = try await node.untilLeader(within: .seconds(10))
        let order = Lock<[Int]>([])
        var streams: [DirectStream] = []
        // Enough of them go that those that are gone are forgotten.
        for number in 0..<60 {
            let told = Told()
            let stream = service.open(ClientMethods.watch) { message in
                told.add(message)
                if !told.changes.isEmpty { order.withLock { $0.append(number) } }
            } end: {
                told.end($0)
            }
            stream.deliver(WatchRequest(KeyRange(), after: nil).encoded())
            while told.count == 0 { try await Task.sleep(for: .milliseconds(1)) }
            if number % 10 != 0 { stream.leave(RPCStatus(.cancelled, "enough")) } else { streams.append(stream) }
        }
        _ = try await node.propose(.put(key: [1], value: [1]))
        for _ in 0..<5000 where order.withLock({ $0.count }) < streams.count {
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(order.withLock { $0 } == [0, 10, 20, 30, 40, 50])
        for stream in streams { stream.leave(RPCStatus(.cancelled, "enough")) }
        await node.stop()
    }

    @Test("A table's methods are called without a connection, and what is none is refused")
    func direct() throws {
        var table = ServiceTable()
        table.register(ClientMethods.put) { call in
            call.respond(call.request)
            // Only the first one counts.
            call.fail(RPCStatus(.internal, "again"))
        }
        let service = DirectService(table, principal: try Principal(cluster: "c", role: .client, name: "a"))
        let answers = Lock<[Result<[UInt8], RPCStatus>]>([])
        service.call(ClientMethods.put, [7], timeout: .seconds(1)) { answer in answers.withLock { $0.append(answer) } }
        service.call(ClientMethods.get, [7], timeout: nil) { answer in answers.withLock { $0.append(answer) } }
        #expect(answers.withLock { $0.first } == .success([7]))
        #expect(answers.withLock { $0.count } == 2)
        let ends = Lock<[RPCStatus?]>([])
        _ = service.open(ClientMethods.watch) { _ in
        } end: { status in
            ends.withLock { $0.append(status) }
        }
        #expect(ends.withLock { $0.first??.code } == .unimplemented)
    }
}
