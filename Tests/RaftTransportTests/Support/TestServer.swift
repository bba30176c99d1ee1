import NIOCore
import NIOPosix
import Raft
import RaftTransport

/// The methods of the tests.
enum Methods {
    static let echo = Method(id: 1, name: "test/Echo", purpose: .client, roles: [.client, .peer])
    static let never = Method(id: 2, name: "test/Never", purpose: .client, roles: [.client])
    static let adminOnly = Method(id: 3, name: "test/AdminOnly", purpose: .client, roles: [.admin])
    static let fails = Method(id: 4, name: "test/Fails", purpose: .client, roles: [.client])
    static let twice = Method(id: 5, name: "test/Twice", purpose: .client, roles: [.client])
    static let unknown = Method(id: 99, name: "test/Unknown", purpose: .client, roles: [.client])
    static let echoStream = Method(id: 6, name: "test/EchoStream", purpose: .client, roles: [.client])
}

/// Calls that arrived at `never`, for tests to look at and to answer.
final class Arrivals: Sendable {
    let calls = Lock<[ServerCall]>([])
    private let waiters = Lock<[CheckedContinuation<ServerCall, Never>]>([])

    func arrived(_ call: ServerCall) {
        let waiter = waiters.withLock { waiters -> CheckedContinuation<ServerCall, Never>? in
            if waiters.isEmpty {
                calls.withLock { $0.append(call) }
                return nil
            }
            return waiters.removeFirst()
        }
        waiter?.resume(returning: call)
    }

    func next() async -> ServerCall {
        await withCheckedContinuation { continuation in
            let call = waiters.withLock { waiters -> ServerCall? in
                if let call = calls.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return call }
                waiters.append(continuation)
                return nil
            }
            if let call { continuation.resume(returning: call) }
        }
    }
}

/// A server for a test, with one event loop for it and one for its callers.
struct TestServer {
    let authority: TestAuthority
    let server: RPCServer
    let arrivals = Arrivals()
    var endpoint: String { "127.0.0.1:\(server.port)" }
    var group: any EventLoopGroup { MultiThreadedEventLoopGroup.singleton }

    init(_ authority: TestAuthority, limits: TransportLimits = TransportLimits(), tls: TLSContext? = nil) throws {
        self.authority = authority
        server = try RPCServer(
            listen: "127.0.0.1:0", tls: tls ?? authority.context(.peer, "1"),
            group: MultiThreadedEventLoopGroup.singleton,
            limits: limits)
        var table = ServiceTable()
        table.register(Methods.echo) { $0.respond($0.request) }
        table.register(Methods.never) { [arrivals] in arrivals.arrived($0) }
        table.register(Methods.adminOnly) { $0.respond([1]) }
        table.register(Methods.fails) {
            $0.fail(RPCStatus(.failedPrecondition, "not the leader; ask node 3", details: [7, 8, 9]))
        }
        table.register(Methods.twice) {
            $0.respond([1])
            $0.respond([2])
            $0.fail(RPCStatus(.internal, "late"))
        }
        table.registerStream(Methods.echoStream) { _ in StreamEcho() }
        server.serve(.client, table)
        server.start()
    }

    func connect(
        _ role: Role = .client, _ name: String = "alice", purpose: Purpose = .client, tls: TLSContext? = nil,
        limits: TransportLimits = TransportLimits(),
        expecting: @escaping @Sendable (Principal) -> String? = { _ in nil }
    ) async throws -> RPCConnection {
        try await RPCConnection.connect(
            to: endpoint, tls: tls ?? authority.context(role, name), purpose: purpose, expecting: expecting,
            on: group, timeout: .seconds(20), limits: limits)
    }
}

/// Sends back what it receives.
final class StreamEcho: RPCStreamHandler {
    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        stream.consumed(message.count)
        stream.send(message)
    }
    func streamFinished(_ stream: RPCStream) { stream.finish() }
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {}
}

/// What a stream brought, as an async sequence of events.
final class StreamRecorder: RPCStreamHandler {
    enum Event: Equatable, Sendable {
        case message([UInt8])
        case finished
        case ended(RPCStatus.Code?)
    }
    let events: AsyncStream<Event>
    private let feed: AsyncStream<Event>.Continuation
    init() { (events, feed) = AsyncStream.makeStream(of: Event.self) }
    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        stream.consumed(message.count)
        feed.yield(.message(message))
    }
    func streamFinished(_ stream: RPCStream) { feed.yield(.finished) }
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {
        feed.yield(.ended(status?.code))
        feed.finish()
    }
}

/// The status with which `body` fails.
func status<Result>(of body: () async throws -> Result) async -> RPCStatus? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? RPCStatus
    }
}
