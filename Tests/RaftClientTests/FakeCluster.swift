import Raft
import RaftTransport

@testable import RaftClient

/// Nodes made of closures, and a clock that jumps whenever somebody waits.
final class FakeCluster: Connector, ClientClock {
    typealias Serve = @Sendable (FakeStream) -> Void
    typealias Answer = @Sendable (_ method: Method, _ request: [UInt8], _ call: Int) throws(RPCStatus) -> [UInt8]

    private struct State {
        var now: Duration = .zero
        var answers: [String: Answer] = [:]
        var serves: [String: Serve] = [:]
        var unreachable: [String: RPCStatus] = [:]
        var asked: [String] = []
        var connected: [String] = []
        var pauses: [Duration] = []
        var callTimeouts: [Duration] = []
        var open: [FakeChannel] = []
        var stalled: Set<String> = []
        var doubted: Set<String> = []
        var stalledCount = 0
        var waitingOut = 0
    }
    private let state = Lock(State())

    var now: Duration { state.withLock { $0.now } }
    /// The endpoints of all calls, in order.
    var asked: [String] { state.withLock { $0.asked } }
    var connected: [String] { state.withLock { $0.connected } }
    var pauses: [Duration] { state.withLock { $0.pauses } }
    var callTimeouts: [Duration] { state.withLock { $0.callTimeouts } }

    func pause(_ duration: Duration) async throws {
        try Task.checkCancellation()
        state.withLock {
            $0.now += duration
            $0.pauses.append(duration)
        }
    }

    /// Others move this clock; it stands still for as long as they do.
    func waitOut(_ duration: Duration) async throws {
        let end = state.withLock { state in
            state.waitingOut += 1
            return state.now + duration
        }
        defer { state.withLock { $0.waitingOut -= 1 } }
        while now < end { try await Task.sleep(for: .milliseconds(1)) }
    }

    /// How many callers wait for something that others wait for, too.
    var waitingOut: Int { state.withLock { $0.waitingOut } }

    /// From now on nothing comes of connecting to this node, or of this method at any node, until that is over.
    func stall(_ what: String) { state.withLock { _ = $0.stalled.insert(what) } }
    func endStall(_ what: String) { state.withLock { _ = $0.stalled.remove(what) } }

    /// From now on this node owes a sign of life, or no more.
    func doubt(_ endpoint: String, _ isDoubted: Bool = true) {
        state.withLock { if isDoubted { $0.doubted.insert(endpoint) } else { $0.doubted.remove(endpoint) } }
    }
    fileprivate func doubts(_ endpoint: String) -> Bool { state.withLock { $0.doubted.contains(endpoint) } }

    /// How many stand there now.
    var stalledCount: Int { state.withLock { $0.stalledCount } }

    fileprivate func passStall(_ what: String) async {
        guard state.withLock({ $0.stalled.contains(what) }) else { return }
        state.withLock { $0.stalledCount += 1 }
        defer { state.withLock { $0.stalledCount -= 1 } }
        while state.withLock({ $0.stalled.contains(what) }) { try? await Task.sleep(for: .milliseconds(1)) }
    }

    func node(_ endpoint: String, _ answer: @escaping Answer) {
        state.withLock {
            $0.unreachable[endpoint] = nil
            $0.answers[endpoint] = answer
        }
    }

    /// What this node does with a stream, once it has its first message.
    func streams(_ endpoint: String, _ serve: @escaping Serve) { state.withLock { $0.serves[endpoint] = serve } }

    fileprivate func serve(_ endpoint: String) -> Serve? { state.withLock { $0.serves[endpoint] } }

    func unreachable(_ endpoint: String, _ code: RPCStatus.Code = .unavailable, _ message: String = "refused") {
        state.withLock { $0.unreachable[endpoint] = RPCStatus(code, message, wasSent: false) }
    }

    /// Breaks every connection.
    func disconnect() {
        let open = state.withLock { state in
            defer { state.open = [] }
            return state.open
        }
        for channel in open { channel.isBroken.withLock { $0 = true } }
    }

    func connect(to endpoint: String, purpose: Purpose, timeout: Duration) async throws(RPCStatus) -> any Channel {
        await passStall(endpoint)
        let problem: RPCStatus? = state.withLock { state in
            state.connected.append(endpoint)
            // Every attempt takes a moment: a client that never pauses still comes to its deadline.
            state.now += .milliseconds(1)
            return state.unreachable[endpoint]
        }
        if let problem { throw problem }
        let channel = FakeChannel(endpoint: endpoint, cluster: self)
        state.withLock { $0.open.append(channel) }
        return channel
    }

    fileprivate func answer(
        _ endpoint: String, _ method: Method, _ request: [UInt8], _ timeout: Duration
    ) throws(RPCStatus) -> [UInt8] {
        let (answer, count) = state.withLock { state in
            state.now += .milliseconds(1)
            state.asked.append(endpoint)
            state.callTimeouts.append(timeout)
            return (state.answers[endpoint], state.asked.count)
        }
        guard let answer else { throw RPCStatus(.unavailable, "nobody here", wasSent: true) }
        return try answer(method, request, count)
    }

    /// Moves the clock on, as a call that takes its time does.
    func pass(_ duration: Duration) { state.withLock { $0.now += duration } }

    func client(
        _ endpoints: [String] = ["a", "b", "c"], timeout: Duration = .seconds(5), spreadsReads: Bool = false,
        forwardsWrites: Bool = false
    ) -> KeyValueClient {
        var options = KeyValueClient.Options()
        options.spreadsReads = spreadsReads
        options.forwardsWrites = forwardsWrites
        options.timeout = timeout
        return KeyValueClient(endpoints: endpoints, connector: self, options: options, clock: self, random: { 0.5 })
    }
}

final class FakeChannel: Channel {
    let endpoint: String
    let cluster: FakeCluster
    let isBroken = Lock(false)

    init(endpoint: String, cluster: FakeCluster) {
        self.endpoint = endpoint
        self.cluster = cluster
    }

    var isOpen: Bool { isBroken.withLock { !$0 } }
    var isInDoubt: Bool { cluster.doubts(endpoint) }
    func call(_ method: Method, _ request: [UInt8], timeout: Duration) async throws(RPCStatus) -> [UInt8] {
        await cluster.passStall(method.name)
        guard isOpen else { throw RPCStatus(.unavailable, "closed", wasSent: false) }
        return try cluster.answer(endpoint, method, request, timeout)
    }
    func openStream(_ method: Method, _ listener: any ClientStreamListener) -> any ClientStream {
        FakeStream(listener, cluster.serve(endpoint))
    }
    func close() async { isBroken.withLock { $0 = true } }
}

/// A stream at a node made of a closure.
final class FakeStream: ClientStream {
    private struct State {
        var messages: [[UInt8]] = []
        var isCancelled = false
    }
    private let state = Lock(State())
    private let listener: any ClientStreamListener
    private let serve: FakeCluster.Serve?

    init(_ listener: any ClientStreamListener, _ serve: FakeCluster.Serve?) {
        self.listener = listener
        self.serve = serve
    }

    func send(_ message: [UInt8]) {
        let count = state.withLock { state in
            state.messages.append(message)
            return state.messages.count
        }
        guard count == 1 else { return }
        if let serve { serve(self) } else { end(RPCStatus(.unavailable, "nobody here")) }
    }
    func cancel() { state.withLock { $0.isCancelled = true } }

    var isCancelled: Bool { state.withLock { $0.isCancelled } }
    var request: WatchRequest? { state.withLock { $0.messages.first }.flatMap { try? WatchRequest(decoding: $0) } }
    /// What the caller said last that it has dealt with.
    var reported: UInt64 {
        let last = state.withLock { $0.messages.count > 1 ? $0.messages.last : nil }
        return last.flatMap { try? WatchProgress(decoding: $0).takenBytes } ?? 0
    }

    func give(_ message: [UInt8]) { listener.received(message) }
    func end(_ status: RPCStatus?) { listener.ended(status) }
}

/// Lets others run until it is so; a test that waits in vain ends by its time limit.
func until(_ isSo: () -> Bool) async throws {
    while !isSo() { try await Task.sleep(for: .milliseconds(1)) }
}

extension RPCStatus {
    static func notLeader(_ id: UInt64? = nil, at address: String? = nil) -> RPCStatus {
        RPCStatus(
            RaftError(
                .notLeader, "not the leader in term 9",
                leader: id.map { LeaderHint(id: NodeID($0), address: address) }))
    }
}
