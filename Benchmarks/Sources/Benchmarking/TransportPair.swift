internal import Foundation
internal import Glibc
internal import NIOCore
internal import NIOPosix
public import Raft
internal import RaftTransport

/// Two members in this process, each on an event loop of its own, and one connection of the product's transport from the
/// first to the second: mutual TLS over loopback.
public final class TransportPair: Sendable {
    private static let cluster = "benchmark"
    /// Counts what comes, and tells the caller from time to time.
    private static let sink = Method(id: 1, name: "benchmark/Sink", purpose: .client, roles: [.peer])
    /// Sends back what comes.
    private static let echo = Method(id: 2, name: "benchmark/Echo", purpose: .client, roles: [.peer])
    /// Notes when the first and the last of a burst come.
    private static let burst = Method(id: 3, name: "benchmark/Burst", purpose: .client, roles: [.peer])

    /// The first member's certificate: the floor uses the same.
    public let files: BareTLS.Files
    private let groups: [MultiThreadedEventLoopGroup]
    private let servers: [RPCServer]
    private let transports: [TLSTransport]
    private let connection: RPCConnection
    private let arrivals: Arrivals

    /// - Parameter directory: where the certificates go.
    public init(in directory: String) async throws {
        let files = try BareTLS.Files.issue(to: [1, 2], of: Self.cluster, in: directory)
        let tls = try files.map { try TLSContext(certificate: $0.certificate, key: $0.key, ca: $0.authority) }
        let groups = tls.map { _ in MultiThreadedEventLoopGroup(numberOfThreads: 1) }
        let arrivals = Arrivals()
        let servers = try zip(tls, groups).map { try RPCServer(listen: "127.0.0.1:0", tls: $0, group: $1) }
        let transports = (0..<2).map { place in
            TLSTransport(server: servers[place], tls: tls[place], loop: NIOLoop(groups[place].next()))
        }
        var table = ServiceTable()
        table.registerStream(Self.sink) { _ in Sink() }
        table.registerStream(Self.echo) { _ in EchoHandler() }
        table.registerStream(Self.burst) { _ in BurstHandler(arrivals) }
        servers[1].serve(.client, table)
        for (place, transport) in transports.enumerated() {
            try transport.start(Member(NodeID(UInt64(place + 1)), arrivals))
        }
        connection = try await RPCConnection.connect(
            to: "127.0.0.1:\(servers[1].port)", tls: tls[0], purpose: .client, on: groups[0], timeout: .seconds(10))
        self.files = files[0]
        self.groups = groups
        self.arrivals = arrivals
        self.servers = servers
        self.transports = transports
    }

    public func close() async {
        await connection.close()
        for transport in transports { transport.stop() }
        for server in servers { await server.stop() }
        for group in groups { try? await group.shutdownGracefully() }
    }

    // MARK: Streams

    /// Sends so many messages one way, with a few MiB on their way at a time; until the other side has said that it has
    /// the last one.
    public func stream(_ message: [UInt8], count: Int) async throws -> Duration {
        try await drive(StreamDriver(message, count: count), Self.sink)
    }

    /// Sends messages there and back, each when the one before has come back.
    public func roundTrips(_ message: [UInt8], count: Int) async throws -> Times {
        try await drive(EchoDriver(message, count: count), Self.echo)
    }

    private func drive<Result: Sendable>(_ driver: some Driver<Result>, _ method: RaftTransport.Method) async throws
        -> Result
    {
        try await withCheckedThrowingContinuation { continuation in
            groups[0].next().execute { [connection] in
                driver.begin(continuation)
                driver.go(connection.open(method, driver))
            }
        }
    }

    // MARK: Bursts

    /// What one message of a burst takes of the processors.
    public struct Burst: Sendable {
        /// Until it was handed to the connection, on the sender's loop.
        public var sendNanoseconds: Double
        /// On the receiver's loop, from one message to the next: reading, deciphering, and all until it is given to
        /// whoever it is for.
        public var receiveNanoseconds: Double
    }

    /// Hands so many messages over at once as bytes, and waits until they have come.
    public func burst(_ message: [UInt8], isUrgent: Bool, count: Int) async throws -> Burst {
        let stream = connection.open(Self.burst, QuietHandler(arrivals))
        let burst = try await burst(count) { stream.send(message, isUrgent: isUrgent) }
        stream.finish()
        return burst
    }

    /// As ``burst(_:isUrgent:count:)``, through a link between members: what the transport does beyond carrying bytes is
    /// to encode and to decode.
    public func burst(_ request: PeerRequest, on link: any PeerLink, count: Int) async throws -> Burst {
        try await burst(count) {
            link.send(request)
            return true
        }
    }

    private func burst(_ count: Int, _ send: @escaping @Sendable () -> Bool) async throws -> Burst {
        arrivals.expect(count)
        let spent = try await groups[0].next().submit { () throws -> Int64 in
            let start = processorTimeOfThread()
            for _ in 0..<count where !send() { throw BenchmarkError("the connection did not take a message") }
            return processorTimeOfThread() - start
        }.get()
        return Burst(
            sendNanoseconds: Double(spent) / Double(count),
            receiveNanoseconds: Double(try await arrivals.untilArrived()) / Double(count - 1))
    }

    /// A link between the two, once it stands.
    public func link() async throws -> any PeerLink {
        let observer = Observer(arrivals)
        let link = transports[0].connect(to: 2, at: "127.0.0.1:\(servers[1].port)", observer: observer)
        try await observer.untilOpen()
        return link
    }
}

/// What the calling thread has used of a processor, in nanoseconds.
private func processorTimeOfThread() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// Counts the messages of one burst where they come.
private final class Arrivals: Sendable {
    private struct State: Sendable {
        var expected = 0
        var count = 0
        var start: Int64 = 0
        /// The processor time of the receiving loop from the first to the last.
        var outcome: Result<Int64, BenchmarkError>?
        var waiter: CheckedContinuation<Int64, any Error>?
    }
    private let state = Lock(State())

    func expect(_ count: Int) { state.withLock { $0 = State(expected: count) } }

    func untilArrived() async throws -> Int64 {
        try await withCheckedThrowingContinuation { waiter in
            let outcome = state.withLock { state in
                if state.outcome == nil { state.waiter = waiter }
                return state.outcome
            }
            if let outcome { waiter.resume(with: outcome) }
        }
    }

    /// On the receiver's loop.
    func received() {
        let isLast = state.withLock { state in
            state.count += 1
            if state.count == 1 { state.start = processorTimeOfThread() }
            return state.count == state.expected
        }
        guard isLast else { return }
        let now = processorTimeOfThread()
        settle { .success(now - $0.start) }
    }

    func fail(_ reason: String) { settle { _ in .failure(BenchmarkError("a burst did not arrive: \(reason)")) } }

    private func settle(_ outcome: (State) -> Result<Int64, BenchmarkError>) {
        let (waiter, result) = state.withLock { state in
            let result = outcome(state)
            if state.outcome == nil { state.outcome = result }
            return (state.waiter.take(), result)
        }
        waiter?.resume(with: result)
    }
}

// MARK: - The second member

/// Takes requests, answers none.
private final class Member: PeerReceiver {
    let hello: Hello
    private let arrivals: Arrivals

    init(_ id: NodeID, _ arrivals: Arrivals) {
        hello = Hello(
            cluster: "benchmark", node: id, incarnation: Incarnation(rawValue: id.rawValue), bootstrap: nil,
            configuration: .zero)
        self.arrivals = arrivals
    }

    func admit(_ hello: Hello) -> Admission { .accepted }
    func receive(_ request: PeerRequest, reply: any ReplyPath) { arrivals.received() }
}

private final class BurstHandler: RPCStreamHandler {
    private let arrivals: Arrivals
    init(_ arrivals: Arrivals) { self.arrivals = arrivals }

    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        stream.consumed(message.count)
        arrivals.received()
    }
    func streamFinished(_ stream: RPCStream) { stream.finish() }
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {}
}

private final class EchoHandler: RPCStreamHandler {
    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        stream.consumed(message.count)
        stream.send(message)
    }
    func streamFinished(_ stream: RPCStream) { stream.finish() }
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {}
}

/// Says how many messages have come, now and then and at the end.
private final class Sink: RPCStreamHandler, @unchecked Sendable {
    // @unchecked: everything is touched on the connection's event loop only.
    private static let step = 256 << 10
    private var count = 0
    private var untold = 0

    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        stream.consumed(message.count)
        count += 1
        untold += message.count
        if untold >= Self.step { tell(stream) }
    }

    private func tell(_ stream: RPCStream) {
        untold = 0
        stream.send(withUnsafeBytes(of: UInt64(count).littleEndian) { Array($0) }, isUrgent: true)
    }

    func streamFinished(_ stream: RPCStream) {
        tell(stream)
        stream.finish()
    }
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {}
}

// MARK: - The first member

/// Hears nothing, except when the stream breaks.
private final class QuietHandler: RPCStreamHandler {
    private let arrivals: Arrivals
    init(_ arrivals: Arrivals) { self.arrivals = arrivals }
    func streamReceived(_ message: [UInt8], on stream: RPCStream) { stream.consumed(message.count) }
    func streamFinished(_ stream: RPCStream) {}
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {
        if let status { arrivals.fail("\(status)") }
    }
}

private final class Observer: PeerLinkObserver {
    private struct State: Sendable {
        var outcome: Result<Void, BenchmarkError>?
        var waiter: CheckedContinuation<Void, any Error>?
    }
    private let arrivals: Arrivals
    private let state = Lock(State())
    init(_ arrivals: Arrivals) { self.arrivals = arrivals }

    func untilOpen() async throws {
        try await withCheckedThrowingContinuation { (waiter: CheckedContinuation<Void, any Error>) in
            let outcome = state.withLock { state in
                if state.outcome == nil { state.waiter = waiter }
                return state.outcome
            }
            if let outcome { waiter.resume(with: outcome) }
        }
    }

    private func settle(_ outcome: Result<Void, BenchmarkError>) {
        let waiter = state.withLock { state in
            state.outcome = outcome
            return state.waiter.take()
        }
        waiter?.resume(with: outcome)
    }

    func linkOpened(_ incarnation: Incarnation) { settle(.success(())) }
    func linkReceived(_ reply: PeerReply) {}
    func linkClosed(_ reason: LinkFailure) {
        settle(.failure(BenchmarkError("the link between members: \(reason)")))
        arrivals.fail("\(reason)")
    }
}

/// The caller's end of one measurement, on its event loop.
private protocol Driver<Outcome>: RPCStreamHandler {
    associatedtype Outcome: Sendable
    func begin(_ continuation: CheckedContinuation<Outcome, any Error>)
    func go(_ stream: RPCStream)
}

private final class StreamDriver: Driver, @unchecked Sendable {
    // @unchecked: everything is touched on the connection's event loop only.
    /// As a replication stream has: enough for the other side never to wait, and for memory not to grow.
    private static let window = 4 << 20
    private let message: [UInt8]
    private let count: Int
    private var sent = 0
    private var received = 0
    private var start = ContinuousClock.now
    private var continuation: CheckedContinuation<Duration, any Error>?

    init(_ message: [UInt8], count: Int) {
        self.message = message
        self.count = count
    }

    func begin(_ continuation: CheckedContinuation<Duration, any Error>) {
        self.continuation = continuation
        start = .now
    }

    func go(_ stream: RPCStream) {
        while sent < count, (sent - received) * message.count < Self.window {
            guard stream.send(message) else { return fail("the connection did not take a message") }
            sent += 1
            if sent == count { stream.finish() }
        }
    }

    private func fail(_ reason: String) { continuation.take()?.resume(throwing: BenchmarkError("a stream: \(reason)")) }

    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        stream.consumed(message.count)
        guard message.count == 8 else { return fail("an answer of \(message.count) bytes") }
        received = Int(message.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) })
        if received == count {
            continuation.take()?.resume(returning: .now - start)
        } else {
            go(stream)
        }
    }
    func streamFinished(_ stream: RPCStream) {}
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) { fail(status.map { "\($0)" } ?? "it ended early") }
}

private final class EchoDriver: Driver, @unchecked Sendable {
    // @unchecked: everything is touched on the connection's event loop only.
    private let message: [UInt8]
    private let count: Int
    private var times: [Int64] = []
    private var start = ContinuousClock.now
    private var continuation: CheckedContinuation<Times, any Error>?

    init(_ message: [UInt8], count: Int) {
        self.message = message
        self.count = count
        times.reserveCapacity(count)
    }

    func begin(_ continuation: CheckedContinuation<Times, any Error>) { self.continuation = continuation }

    func go(_ stream: RPCStream) {
        start = .now
        if !stream.send(message) { fail("the connection did not take a message") }
    }

    private func fail(_ reason: String) { continuation.take()?.resume(throwing: BenchmarkError("an echo: \(reason)")) }

    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        times.append((ContinuousClock.now - start).nanoseconds)
        stream.consumed(message.count)
        guard message.count == self.message.count else { return fail("\(message.count) bytes came back") }
        guard times.count == count else { return go(stream) }
        stream.finish()
        continuation.take()?.resume(returning: Times(times))
    }
    func streamFinished(_ stream: RPCStream) {}
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) { fail(status.map { "\($0)" } ?? "it ended early") }
}
