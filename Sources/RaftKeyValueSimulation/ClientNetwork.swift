internal import Raft
internal import RaftClient
internal import RaftSimulation
internal import RaftTransport

/// The network between clients and nodes: connections that delay, stall and break.
///
/// What is sent on a connection arrives in order, or the connection breaks: it is what TLS over TCP gives. Between one
/// client and one node a way may be dead for a while; what is sent then arrives after it, unless the connection has been
/// given up by then.
final class ClientNetwork: @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    let world: SimulationWorld
    let truth: Truth
    let profile: KeyValueProfile
    let lie: Lie?
    let crew: Crew
    private let hosts: [KeyValueHost]
    private var random: RandomSource
    private var open: [SimulatedChannel] = []
    /// When each way carries something again.
    private var deadUntil: [Way: Int64] = [:]
    private var isHealed = false
    private(set) var isClosed = false
    /// What waits for the end of the world, in the order in which it began.
    private var waiting: [UInt64: Waiting] = [:]
    private var waitCount: UInt64 = 0

    private struct Way: Hashable {
        var client: Int
        var node: NodeID
    }
    /// After so long without an answer of the network a connection is given up.
    static let keepalive: Int64 = 2_000_000_000

    init(
        _ world: SimulationWorld, truth: Truth, profile: KeyValueProfile, hosts: [KeyValueHost], crew: Crew,
        lie: Lie?, seed: UInt64
    ) {
        self.world = world
        self.truth = truth
        self.profile = profile
        self.hosts = hosts
        self.lie = lie
        self.crew = crew
        random = RandomSource(seed: seed)
    }

    var now: Int64 { world.scheduler.nanoseconds }
    func draw(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(random.next() % UInt64(range.upperBound - range.lowerBound + 1))
    }
    func chance(_ perMille: Int) -> Bool { perMille > 0 && random.next() % 1000 < UInt64(perMille) }
    func later(_ nanoseconds: Int64, _ body: @escaping () -> Void) {
        world.scheduler.schedule(after: nanoseconds, body)
    }

    // MARK: Faults

    /// Lets ways die and come back for as long as nothing is healed.
    func begin(clientCount: Int) {
        guard let pause = profile.outagePause else { return }
        later(draw(1...pause)) { [self] in
            guard !isHealed, !isClosed else { return }
            let client = Int(random.next() % UInt64(clientCount))
            let node = hosts[Int(random.next() % UInt64(hosts.count))].id
            let end = now + draw(profile.outage)
            deadUntil[Way(client: client, node: node)] = end
            for channel in open where channel.client == client && channel.host.id == node {
                later(Self.keepalive) { [self] in
                    // Dead all the time since?
                    if let until = deadUntil[Way(client: client, node: node)], until >= now, channel.isOpen {
                        sever(channel, "no answer from node \(node)")
                    }
                }
            }
            begin(clientCount: clientCount)
        }
    }

    func heal() {
        isHealed = true
        deadUntil = [:]
    }

    func breaks() -> Bool { !isHealed && chance(profile.breaksPerMille) }

    /// How long something sent now is on its way.
    func delay(_ client: Int, _ node: NodeID) -> Int64 {
        let delay = draw(world.delay)
        guard let end = deadUntil[Way(client: client, node: node)], end > now else { return delay }
        return end - now + delay
    }

    /// The node's process has ended.
    func ended(_ life: Life) {
        for channel in open where channel.running.life === life {
            later(delay(channel.client, life.node)) { [self] in sever(channel, "connection reset by node \(life.node)")
            }
        }
    }

    func sever(_ channel: SimulatedChannel, _ reason: String) {
        guard channel.isOpen else { return }
        truth.tally.met(.connectionBroken)
        open.removeAll { $0 === channel }
        channel.broke(RPCStatus(.unavailable, reason))
    }

    // MARK: Connections

    func connect(_ client: Int, to endpoint: String, within timeout: Duration) async throws(RPCStatus) -> any Channel {
        let result: Result<any Channel, RPCStatus> = await wait { [self] done in
            guard let node = UInt64(endpoint.drop { !$0.isNumber }), node > 0, node <= UInt64(hosts.count) else {
                return done(.failure(RPCStatus(.unavailable, "\(endpoint): no such host", wasSent: false)))
            }
            let host = hosts[Int(node) - 1]
            later(timeout.nanoseconds) {
                done(.failure(RPCStatus(.deadlineExceeded, "\(endpoint): cannot connect in time", wasSent: false)))
            }
            later(delay(client, host.id)) { [self] in
                guard let running = host.running else {
                    return done(.failure(RPCStatus(.unavailable, "\(endpoint): refused", wasSent: false)))
                }
                // Shaking hands takes the process at the other end, too.
                running.loop.post(
                    Block { [self] in
                        later(delay(client, host.id)) { [self] in
                            guard running.life.isAlive else {
                                return done(.failure(RPCStatus(.unavailable, "\(endpoint): reset", wasSent: false)))
                            }
                            let channel = SimulatedChannel(self, client: client, host: host, running: running)
                            open.append(channel)
                            done(.success(channel))
                        }
                    })
            }
        } cancelled: {
            .failure(RPCStatus(.cancelled, "the simulation has ended", wasSent: false))
        }
        return try result.get()
    }

    func closed(_ channel: SimulatedChannel) { open.removeAll { $0 === channel } }

    // MARK: Waiting

    private struct Waiting {
        var giveUp: () -> Void
    }

    /// Waits until `body`'s closure is called, for the first time, or the world ends.
    func wait<Value: Sendable>(
        _ body: (@escaping @Sendable (Value) -> Void) -> Void, cancelled: @escaping @Sendable () -> Value
    ) async -> Value {
        waitCount += 1
        let number = waitCount
        return await withCheckedContinuation { continuation in
            guard !isClosed else { return continuation.resume(returning: cancelled()) }
            let done = { @Sendable [self] (value: Value) in
                guard waiting.removeValue(forKey: number) != nil else { return }
                continuation.resume(returning: value)
            }
            waiting[number] = Waiting(giveUp: { done(cancelled()) })
            body(done)
        }
    }

    /// The world ends: nobody waits any more.
    func close() {
        isClosed = true
        for number in waiting.keys.sorted() { waiting[number]?.giveUp() }
        for channel in open { channel.broke(RPCStatus(.cancelled, "the simulation has ended")) }
        open = []
    }
}

/// A client's way into the network, and its clock.
final class ClientPort: Connector, ClientClock, @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    private let network: ClientNetwork
    private let client: Int

    init(_ network: ClientNetwork, client: Int) {
        self.network = network
        self.client = client
    }

    func connect(to endpoint: String, purpose: Purpose, timeout: Duration) async throws(RPCStatus) -> any Channel {
        try await network.connect(client, to: endpoint, within: timeout)
    }

    var now: Duration { .nanoseconds(network.now) }

    func pause(_ duration: Duration) async throws {
        let hasPassed = await network.wait { done in
            network.later(duration.nanoseconds) { done(true) }
        } cancelled: {
            false
        }
        try Task.checkCancellation()
        if !hasPassed { throw CancellationError() }
    }

    // Given up or not, it ends by itself, and nobody minds.
    func waitOut(_ duration: Duration) async throws { try await pause(duration) }
}
