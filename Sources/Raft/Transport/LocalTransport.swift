/// Nodes of one process that call each other directly: for tests, for trying things out, and for measuring the core
/// without a network.
///
/// Every message is delivered by a function call into the other node's mailbox. Links can be cut and mended.
public final class LocalNetwork: Sendable {
    private struct State: Sendable {
        var nodes: [NodeID: any PeerReceiver] = [:]
        var links: [LocalLink] = []
        var cut: Set<Pair> = []
    }
    private struct Pair: Hashable, Sendable {
        var from: NodeID
        var to: NodeID
    }
    private let state = Lock(State())

    public init() {}

    /// The transport of one node. Its callbacks come on `loop`, which should be the node's.
    public func transport(for node: NodeID, on loop: any Loop) -> any Transport {
        LocalTransport(network: self, node: node, loop: loop)
    }

    /// Cuts or mends the way from one node to another, in that direction only.
    public func setCut(_ isCut: Bool, from: NodeID, to: NodeID) {
        let broken = state.withLock { state -> [LocalLink] in
            if isCut {
                state.cut.insert(Pair(from: from, to: to))
            } else {
                state.cut.remove(Pair(from: from, to: to))
            }
            guard isCut else { return [] }
            return state.links.filter { ($0.from, $0.to) == (from, to) || ($0.from, $0.to) == (to, from) }
        }
        for link in broken { link.sever("the way between \(from) and \(to) was cut") }
    }

    fileprivate func add(_ receiver: any PeerReceiver, as node: NodeID) {
        state.withLock { $0.nodes[node] = receiver }
    }

    fileprivate func remove(_ node: NodeID) {
        let broken = state.withLock { state -> [LocalLink] in
            state.nodes[node] = nil
            return state.links.filter { $0.from == node || $0.to == node }
        }
        for link in broken { link.sever("node \(node) has stopped") }
    }

    fileprivate func add(_ link: LocalLink) { state.withLock { $0.links.append(link) } }
    fileprivate func forget(_ link: LocalLink) { state.withLock { $0.links.removeAll { $0 === link } } }

    fileprivate func receiver(_ node: NodeID, from: NodeID) -> (any PeerReceiver)? {
        state.withLock { state in
            state.cut.contains(Pair(from: from, to: node)) ? nil : state.nodes[node]
        }
    }
}

private final class LocalTransport: Transport {
    private let network: LocalNetwork
    private let node: NodeID
    private let loop: any Loop
    private let own = Lock<(any PeerReceiver)?>(nil)

    init(network: LocalNetwork, node: NodeID, loop: any Loop) {
        self.network = network
        self.node = node
        self.loop = loop
    }

    func start(_ receiver: any PeerReceiver) throws {
        own.withLock { $0 = receiver }
        network.add(receiver, as: node)
    }

    func connect(to peer: NodeID, at address: String, observer: any PeerLinkObserver) -> any PeerLink {
        let link = LocalLink(network: network, from: node, to: peer, observer: observer)
        network.add(link)
        let own = own.withLock { $0 }
        loop.post(
            Block { [network, node] in
                guard let own, let receiver = network.receiver(peer, from: node),
                    network.receiver(node, from: peer) != nil
                else { return link.sever("node \(peer) cannot be reached") }
                switch (receiver.admit(own.hello), own.admit(receiver.hello)) {
                case (.accepted, .accepted): link.opened(receiver.hello.incarnation)
                case (.removed(let reason), _): link.sever(reason, isRemoval: true)
                case (.refused(let reason), _), (_, .refused(let reason)), (_, .removed(let reason)):
                    link.sever(reason)
                }
            })
        return link
    }

    func stop() {
        network.remove(node)
        own.withLock { $0 = nil }
    }
}

private final class LocalLink: PeerLink, ReplyPath {
    let from: NodeID
    let to: NodeID
    private let network: LocalNetwork
    private let observer: Lock<(any PeerLinkObserver)?>

    init(network: LocalNetwork, from: NodeID, to: NodeID, observer: any PeerLinkObserver) {
        self.network = network
        self.from = from
        self.to = to
        self.observer = Lock(observer)
    }

    func opened(_ incarnation: Incarnation) { observer.withLock { $0 }?.linkOpened(incarnation) }

    func sever(_ reason: String, isRemoval: Bool = false) {
        let told = observer.withLock { $0.take() }
        network.forget(self)
        told?.linkClosed(LinkFailure(reason, isRemoval: isRemoval))
    }

    func send(_ request: PeerRequest) {
        guard observer.withLock({ $0 }) != nil else { return }
        network.receiver(to, from: from)?.receive(request, reply: self)
    }

    func close() {
        observer.withLock { $0 = nil }
        network.forget(self)
    }

    /// The reply to a request that came on this link.
    func send(_ reply: PeerReply) {
        guard network.receiver(from, from: to) != nil else { return }
        observer.withLock { $0 }?.linkReceived(reply)
    }
}
