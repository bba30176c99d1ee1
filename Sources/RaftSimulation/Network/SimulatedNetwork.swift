internal import Raft

/// How a network behaves in one run.
public struct NetworkProfile: Sendable {
    /// One way, in nanoseconds.
    public var delay: ClosedRange<Int64> = 50_000...2_000_000
    /// How many messages in 1000 are lost, and how many arrive twice.
    public var lossPerMille = 0
    public var duplicatePerMille = 0
    /// How many messages in 1000 take ``strayDelay`` instead; a second copy always does half of the time.
    public var strayPerMille = 0
    public var strayDelay: ClosedRange<Int64> = 200_000_000...2_400_000_000
    /// Messages of one direction arrive in the order sent.
    public var isOrdered = true
    /// A reply that is being handed over when its link is closed still arrives: the two may meet.
    public var letsRepliesSlip = false
    /// How long after a cut its links break, in nanoseconds.
    public var keepalive: Int64 = 400_000_000
}

/// The network between simulated nodes, for each ordered pair: delay, loss, duplication, reordering, cuts.
final class SimulatedNetwork: @unchecked Sendable {
    // @unchecked: as the scheduler.
    typealias Pair = NodePair

    let scheduler: Scheduler
    var profile: NetworkProfile
    @exclusivity(unchecked) private var random: RandomSource
    /// Of broken connections and refused ones.
    @exclusivity(unchecked) private var breaks: RandomSource
    @exclusivity(unchecked) private var receivers: [NodeID: (receiver: any PeerReceiver, life: Life)] = [:]
    @exclusivity(unchecked) private var links: [SimulatedLink] = []
    @exclusivity(unchecked) private(set) var cut: Set<Pair> = []
    /// Whether what cuts ways off may reset and refuse connections there, as firewalls do; and whether it does now.
    var mayRefuse = false
    private var cutsRefuse = false
    /// Until when connections to a node that lives are refused.
    @exclusivity(unchecked) private var denied: [NodeID: Int64] = [:]
    /// Whose machines are off.
    @exclusivity(unchecked) private var unreachable: Set<NodeID> = []
    /// Whether who opens a link is told which life of the peer it stands to. Where nobody is, leaders bind nobody, and
    /// logs hold what callers put there alone.
    var tellsLives = true
    /// When the newest message of each direction arrives.
    @exclusivity(unchecked) private var newest: [Pair: Int64] = [:]
    /// When each clogged way carries something again.
    @exclusivity(unchecked) private var clogged: [Pair: Int64] = [:]
    /// How many requests were sent so far.
    @exclusivity(unchecked) private(set) var requestCount = 0
    /// Looks at everything sent.
    var onRequest: (PeerRequest, NodeID) -> Void = { _, _ in }
    var onReply: (PeerReply, NodeID, NodeID) -> Void = { _, _, _ in }
    /// Asked about everything sent: false keeps it back, and calling the closure sends it on later.
    var gate: ((Traffic, _ pass: @escaping () -> Void) -> Bool)?
    /// Looks at what arrives: from whom, to whom.
    var onArrival: (Life, Life) -> Void = { _, _ in }
    /// What arrives, and where, before its receiver has it.
    var onRequestArrival: (PeerRequest, NodeID) -> Void = { _, _ in }
    var onMark: (Mark) -> Void = { _ in }

    init(scheduler: Scheduler, profile: NetworkProfile, seed: UInt64) {
        self.scheduler = scheduler
        self.profile = profile
        random = RandomSource(seed: seed)
        breaks = RandomSource(seed: seed ^ 0xB4EA)
    }

    func transport(for life: Life) -> any Transport { SimulatedTransport(network: self, life: life) }

    // MARK: Faults

    func setCut(_ pairs: Set<Pair>) {
        cut = pairs
        cutsRefuse = !pairs.isEmpty && mayRefuse && breaks.next() % 4 == 0
        if cutsRefuse {
            for pair in pairs.sorted() {
                guard let (_, life) = receivers[pair.to] else { continue }
                tellBreak(of: pair.from, to: life)
            }
        }
        scheduler.schedule(after: profile.keepalive) { [self] in
            for link in links where isCut(link.from.node, link.to) {
                sever(link, "no answer from node \(link.to)")
            }
        }
    }

    /// What is sent on these ways in the meantime arrives after it, all at once.
    func clog(_ pairs: [Pair], nanoseconds: Int64) {
        for pair in pairs { clogged[pair] = max(clogged[pair] ?? 0, scheduler.nanoseconds + nanoseconds) }
    }

    func unclog() { clogged = [:] }

    private func isCut(_ a: NodeID, _ b: NodeID) -> Bool {
        cut.contains(Pair(from: a, to: b)) || cut.contains(Pair(from: b, to: a))
    }

    /// How a process ended, as others see it.
    enum End {
        /// In order, with a goodbye.
        case stopped
        /// By the system, which ends its connections.
        case killed
        /// With its machine: nobody is left to say anything, nor to refuse a connection.
        case machineLost
    }

    /// The node's process is gone: its links break at the other end.
    func remove(_ life: Life, _ end: End = .stopped) {
        if receivers[life.node]?.life === life {
            receivers[life.node] = nil
            if end == .machineLost { unreachable.insert(life.node) }
        }
        if end == .killed {
            var told: [Life] = []
            for link in links where link.from === life {
                guard let other = link.toLife, !told.contains(where: { $0 === other }) else { continue }
                told.append(other)
                tellBreak(of: life.node, to: other)
            }
        }
        for link in links where link.from === life || link.toLife === life {
            scheduler.schedule(after: delay(between: life.node, link.from.node)) { [self] in
                sever(link, "connection reset by node \(link.to)")
            }
        }
    }

    /// A connection of `peer` has ended, as far as its other end can see.
    private func tellBreak(of peer: NodeID, to life: Life) {
        guard cutsRefuse || !isCut(peer, life.node) else { return }
        let pause = draw(profile.delay, &breaks)
        scheduler.schedule(after: pause, life: life) { [self] in
            guard let receiver = receivers[life.node], receiver.life === life else { return }
            receiver.receiver.connectionBroke(from: peer)
        }
    }

    /// What was lost took every connection of its sender with it; new ones are there at once. Something in between may
    /// refuse others in that node's name for a while, though it lives.
    private func breakConnections(of node: NodeID) {
        if breaks.next() % 64 == 0 {
            denied[node] = scheduler.nanoseconds + draw(profile.delay, &breaks) + 2 * profile.delay.upperBound
        }
        for (_, life) in receivers.values.sorted(by: { $0.life.node < $1.life.node }) where life.node != node {
            tellBreak(of: node, to: life)
        }
    }

    /// An attempt to connect.
    func probe(_ peer: NodeID, from life: Life, refused: @escaping @Sendable () -> Void) {
        let pause = 2 * draw(profile.delay, &breaks)
        let isDenied = denied[peer].map { $0 > scheduler.nanoseconds } ?? false
        scheduler.schedule(after: pause, life: life) { [self] in
            guard !unreachable.contains(peer) else { return }
            if isCut(life.node, peer) {
                guard cutsRefuse else { return }
            } else {
                guard receivers[peer] == nil || isDenied else { return }
            }
            if receivers[peer] != nil { onMark(.refusedForTheLiving) }
            refused()
        }
    }

    private func sever(_ link: SimulatedLink, _ reason: String, isRemoval: Bool = false) {
        links.removeAll { $0 === link }
        onMark(link.toLife == nil ? .linkRefused : .linkBroken)
        link.closed(reason, isRemoval: isRemoval)
    }

    // MARK: For transports

    func add(_ receiver: any PeerReceiver, _ life: Life) {
        receivers[life.node] = (receiver, life)
        unreachable.remove(life.node)
    }

    func open(_ link: SimulatedLink) {
        links.append(link)
        let pause = delay(between: link.from.node, link.to)
        scheduler.schedule(after: pause, life: link.from) { [self] in
            guard !isCut(link.from.node, link.to) else {
                scheduler.schedule(after: profile.keepalive, life: link.from) { [self] in
                    if !link.isOpen { sever(link, "node \(link.to) does not answer") }
                }
                return
            }
            guard let peer = receivers[link.to], let own = receivers[link.from.node] else {
                return sever(link, "connection refused by node \(link.to)")
            }
            switch peer.receiver.admit(own.receiver.hello) {
            case .accepted: break
            case .refused(let reason): return sever(link, reason)
            case .removed(let reason): return sever(link, reason, isRemoval: true)
            }
            switch own.receiver.admit(peer.receiver.hello) {
            case .accepted: break
            case .refused(let reason), .removed(let reason): return sever(link, reason)
            }
            link.toLife = peer.life
            link.opened(tellsLives ? peer.receiver.hello.incarnation : Incarnation(rawValue: 0))
        }
    }

    func close(_ link: SimulatedLink) { links.removeAll { $0 === link } }

    func send(_ request: PeerRequest, on link: SimulatedLink) {
        onRequest(request, link.to)
        requestCount += 1
        guard let peer = link.toLife else { return }
        let isCall = if case .forward = request { true } else { false }
        pass(Traffic(request, to: link.to)) { [self] in
            deliver(from: link.from.node, to: link.to, life: peer, callOn: isCall ? link : nil) { [self] in
                guard let (receiver, life) = receivers[link.to], life === peer else { return }
                onArrival(link.from, life)
                onRequestArrival(request, link.to)
                receiver.receive(request, reply: SimulatedReply(network: self, link: link, life: life))
            }
        }
    }

    func reply(_ reply: PeerReply, on link: SimulatedLink) {
        onReply(reply, link.to, link.from.node)
        let isCall = if case .forward = reply { true } else { false }
        pass(Traffic(reply, from: link.to, to: link.from.node)) { [self] in
            deliver(from: link.to, to: link.from.node, life: link.from, callOn: isCall ? link : nil) { [self] in
                if let peer = link.toLife, link.hears { onArrival(peer, link.from) }
                link.received(reply)
            }
        }
    }

    private func pass(_ traffic: @autoclosure () -> Traffic, _ body: @escaping () -> Void) {
        if gate?(traffic(), body) ?? true { body() }
    }

    /// - Parameter link: of a call of a client, or its answer: it comes once, or the link breaks.
    private func deliver(
        from: NodeID, to: NodeID, life: Life, callOn link: SimulatedLink?, _ arrive: @escaping () -> Void
    ) {
        let pair = Pair(from: from, to: to)
        let body = { [self] in if cut.contains(pair) { lost(link) } else { arrive() } }
        if cut.contains(pair) || chance(profile.lossPerMille) {
            lost(link)
            if !cut.contains(pair), breaks.next() % 4 == 0 { breakConnections(of: from) }
            return onMark(.messageLost)
        }
        let isTwice = chance(profile.duplicatePerMille) && link == nil
        if isTwice { onMark(.messageRepeated) }
        for copy in 0..<(isTwice ? 2 : 1) {
            var arrival = scheduler.nanoseconds + delay(between: from, to)
            if profile.strayPerMille > 0, chance(copy == 0 ? profile.strayPerMille : 500), link == nil {
                onMark(.messageVeryLate)
                arrival += draw(profile.strayDelay)
                scheduler.schedule(after: arrival - scheduler.nanoseconds, life: life, body)
                continue
            }
            if let end = clogged[pair], end > arrival {
                onMark(.messageClogged)
                arrival = end
            }
            if profile.isOrdered { arrival = max(arrival, (newest[pair] ?? 0) + 1) }
            newest[pair] = max(newest[pair] ?? 0, arrival)
            scheduler.schedule(after: arrival - scheduler.nanoseconds, life: life, body)
        }
    }

    private func lost(_ call: SimulatedLink?) {
        guard let call else { return }
        scheduler.schedule(after: profile.keepalive) { [self] in
            if call.isOpen { sever(call, "no answer from node \(call.to)") }
        }
    }

    private func chance(_ perMille: Int) -> Bool { perMille > 0 && random.next() % 1000 < UInt64(perMille) }

    private func delay(between: NodeID, _: NodeID) -> Int64 {
        draw(profile.delay)
    }

    private func draw(_ range: ClosedRange<Int64>) -> Int64 { draw(range, &random) }

    private func draw(_ range: ClosedRange<Int64>, _ random: inout RandomSource) -> Int64 {
        range.lowerBound + Int64(random.next() % UInt64(range.upperBound - range.lowerBound + 1))
    }
}

private final class SimulatedTransport: Transport, @unchecked Sendable {
    // @unchecked: as the scheduler.
    private let network: SimulatedNetwork
    private let life: Life

    init(network: SimulatedNetwork, life: Life) {
        self.network = network
        self.life = life
    }

    func start(_ receiver: any PeerReceiver) throws { network.add(receiver, life) }

    func connect(to peer: NodeID, at address: String, observer: any PeerLinkObserver) -> any PeerLink {
        let link = SimulatedLink(network: network, from: life, to: peer, observer: observer)
        network.open(link)
        return link
    }

    func probe(_ peer: NodeID, at address: String, refused: @escaping @Sendable () -> Void) {
        network.probe(peer, from: life, refused: refused)
    }

    func stop() { network.remove(life) }
}

final class SimulatedLink: PeerLink, @unchecked Sendable {
    // @unchecked: as the scheduler.
    let from: Life
    let to: NodeID
    var toLife: Life?
    private(set) var isOpen = false
    /// Who hears replies that slip through while the link is closed.
    private var late: (any PeerLinkObserver)?
    private let network: SimulatedNetwork
    private var observer: (any PeerLinkObserver)?

    init(network: SimulatedNetwork, from: Life, to: NodeID, observer: any PeerLinkObserver) {
        self.network = network
        self.from = from
        self.to = to
        self.observer = observer
    }

    func opened(_ incarnation: Incarnation) {
        isOpen = true
        observer?.linkOpened(incarnation)
    }

    var hears: Bool { isOpen || late != nil }

    func received(_ reply: PeerReply) { if isOpen { observer?.linkReceived(reply) } else { late?.linkReceived(reply) } }

    private func letSlip() {
        guard isOpen, network.profile.letsRepliesSlip else { return }
        late = observer
        // As long as anything is on its way: what strays may come when the same leader is in office once more.
        let profile = network.profile
        let time = profile.strayPerMille > 0 ? profile.strayDelay.upperBound : 100_000_000
        network.scheduler.schedule(after: time) { [self] in late = nil }
    }

    func closed(_ reason: String, isRemoval: Bool = false) {
        letSlip()
        isOpen = false
        let told = observer.take()
        if from.isAlive { told?.linkClosed(LinkFailure(reason, isRemoval: isRemoval)) }
    }

    func send(_ request: PeerRequest) { if isOpen { network.send(request, on: self) } }

    func close() {
        letSlip()
        isOpen = false
        observer = nil
        network.close(self)
    }
}

private final class SimulatedReply: ReplyPath, @unchecked Sendable {
    // @unchecked: as the scheduler.
    private let network: SimulatedNetwork
    private let link: SimulatedLink
    private let life: Life

    init(network: SimulatedNetwork, link: SimulatedLink, life: Life) {
        self.network = network
        self.link = link
        self.life = life
    }

    func send(_ reply: PeerReply) { if life.isAlive { network.reply(reply, on: link) } }
}
