internal import Raft
internal import RaftClient
internal import RaftSimulation
internal import RaftTransport

/// One connection between a client and one life of a node.
final class SimulatedChannel: Channel, @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    let client: Int
    let host: KeyValueHost
    let running: KeyValueHost.Running
    private let network: ClientNetwork
    private(set) var isOpen = true
    /// When the newest message of each direction arrives.
    private var arrivals = (there: Int64(0), back: Int64(0))
    /// Since when each call waits, in the order in which they began.
    private var calls: [(number: Int, since: Int64, end: (RPCStatus) -> Void)] = []
    private var callCount = 0
    private var streams: [SimulatedStream] = []
    /// For a lie.
    private var lastRead: (request: [UInt8], answer: [UInt8])?

    init(_ network: ClientNetwork, client: Int, host: KeyValueHost, running: KeyValueHost.Running) {
        self.network = network
        self.client = client
        self.host = host
        self.running = running
    }

    /// As a connection whose node owes a sign of life for a second.
    var isInDoubt: Bool { calls.first.map { network.now - $0.since > 1_000_000_000 } ?? false }

    /// Lets something happen at the node, in order with all that is sent there.
    func send(_ body: @escaping @Sendable () -> Void) {
        guard isOpen else { return }
        if network.breaks() { return network.sever(self, "connection lost") }
        arrivals.there = max(arrivals.there + 1, network.now + network.delay(client, host.id))
        network.later(arrivals.there - network.now) { [self] in
            guard isOpen, running.life.isAlive else { return }
            running.loop.post(Block(body))
        }
    }

    /// Lets something happen at the client, in order with all that is sent here.
    func sendBack(_ body: @escaping @Sendable () -> Void) {
        guard isOpen, running.life.isAlive else { return }
        if network.breaks() {
            // Not here and now: whoever sends may be in the middle of something.
            return network.later(0) { [self] in network.sever(self, "connection lost on the way back") }
        }
        arrivals.back = max(arrivals.back + 1, network.now + network.delay(client, host.id))
        network.later(arrivals.back - network.now) { [self] in if isOpen { body() } }
    }

    func call(_ method: Method, _ request: [UInt8], timeout: Duration) async throws(RPCStatus) -> [UInt8] {
        guard isOpen else { throw RPCStatus(.unavailable, "the connection is closed", wasSent: false) }
        callCount += 1
        let number = callCount
        defer { calls.removeAll { $0.number == number } }
        let result: Result<[UInt8], RPCStatus> = await network.wait { [self] done in
            calls.append((number, network.now, { done(.failure($0)) }))
            network.later(timeout.nanoseconds) {
                done(.failure(RPCStatus(.deadlineExceeded, "no answer within \(timeout)")))
            }
            send { [self] in
                running.service.call(method, request, timeout: timeout) { [self] answer in
                    let told = Lying.answer(answer, to: method, request, network.lie, last: &lastRead)
                    sendBack { done(told) }
                }
            }
        } cancelled: {
            .failure(RPCStatus(.cancelled, "the simulation has ended"))
        }
        return try result.get()
    }

    func openStream(_ method: Method, _ listener: any ClientStreamListener) -> any ClientStream {
        let stream = SimulatedStream(self, network, method, listener)
        // Before anything is sent: that may break the connection.
        streams.append(stream)
        stream.begin()
        return stream
    }

    func left(_ stream: SimulatedStream) { streams.removeAll { $0 === stream } }

    func close() async {
        guard isOpen else { return }
        network.closed(self)
        broke(RPCStatus(.cancelled, "the client is closed"))
    }

    /// Nothing comes through any more, at either end.
    func broke(_ status: RPCStatus) {
        guard isOpen else { return }
        isOpen = false
        for call in calls { call.end(status) }
        let gone = streams
        streams = []
        for stream in gone { stream.broke(status) }
    }
}

/// One stream on it.
final class SimulatedStream: ClientStream, @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    private let channel: SimulatedChannel
    private let network: ClientNetwork
    private let method: Method
    private var listener: (any ClientStreamListener)?
    /// The serving end, once it is open.
    private var server: DirectStream?
    private var lying = Lying.Stream()
    /// Messages on their way in either direction, and when the last one came to its end.
    private var underWay = 0
    private var lastArrival: Int64 = 0
    private var hasBegun = false
    private var hasSent = false
    /// An answer takes no longer at either end, unless that end stands still.
    private static let turn: Int64 = 100_000_000

    init(
        _ channel: SimulatedChannel, _ network: ClientNetwork, _ method: Method, _ listener: any ClientStreamListener
    ) {
        self.channel = channel
        self.network = network
        self.method = method
        self.listener = listener
    }

    func begin() {
        guard channel.isOpen else {
            network.later(0) { [self] in broke(RPCStatus(.unavailable, "the connection is closed", wasSent: false)) }
            return
        }
        channel.send { [self] in open() }
    }

    private func open() {
        network.truth.tally.met(.streamOpened)
        server = channel.running.service.open(method) { [self] message in
            for message in lying.messages(message, network.lie) {
                underWay += 1
                channel.sendBack { [self] in
                    arrived()
                    listener?.received(message)
                }
            }
        } end: { [self] status in
            if status?.message.contains("too slow") == true { endedAsSlow() }
            channel.sendBack { [self] in
                channel.left(self)
                listener.take()?.ended(status)
            }
        }
    }

    private func arrived() {
        underWay -= 1
        lastArrival = network.now
    }

    private func endedAsSlow() {
        network.truth.tally.met(.watchEndedAsSlow)
        // Who has given it up, or was sent something that has not come, may be slow.
        guard listener != nil, underWay == 0, network.now - lastArrival > Self.turn,
            let since = network.crew.watching[channel.client + 1]?.waitsSince, network.now - since > Self.turn
        else { return }
        network.truth.fail(
            "L11",
            "watch \(channel.client + 1) was ended as slow by node \(channel.host.id), and has dealt with everything since \(LeaseTruth.text(since))"
        )
    }

    /// The watch's first message has come to this node.
    private func begins(_ message: [UInt8]) {
        guard !hasBegun, let request = try? WatchRequest(decoding: message) else { return }
        hasBegun = true
        let number = channel.client + 1
        guard let watching = network.crew.watching[number] else { return }
        if request.position != nil, watching.hasTold, watching.node.map({ $0 != channel.host.id }) ?? false {
            network.truth.tally.met(.watchResumedElsewhere)
        }
        network.crew.watching[number]?.node = channel.host.id
    }

    func send(_ message: [UInt8]) {
        let isLost = hasSent && network.lie == .losesReports
        hasSent = true
        if isLost { return }
        underWay += 1
        channel.send { [self] in
            arrived()
            begins(message)
            server?.deliver(lying.asked(message, network.lie, compacted: channel.running.compacted))
        }
    }

    func cancel() {
        guard listener.take() != nil else { return }
        channel.left(self)
        channel.send { [self] in server?.leave(RPCStatus(.cancelled, "the caller cancelled")) }
    }

    func broke(_ status: RPCStatus) {
        listener.take()?.ended(status)
        // The node notices, too, if it lives.
        guard channel.running.life.isAlive, let server else { return }
        channel.running.loop.post(Block { server.leave(status) })
    }
}
