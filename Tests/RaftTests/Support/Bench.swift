import Logging

@testable import Raft

/// A node of real actors on a loop that the test turns by hand, with peers that the test plays.
final class Bench {
    let loop = ManualLoop()
    let store: WatchedStore
    let transport = StageTransport()
    private(set) var node: RaftNode<Counter>?
    let started = Caller()

    init(
        _ id: NodeID = 1, members: [NodeID]? = [1, 2, 3], store: WatchedStore = WatchedStore(),
        configure: (inout Configuration) -> Void = { _ in }
    ) throws {
        var settings = Configuration(id: id, cluster: "test")
        configure(&settings)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        logger.handler = SwiftLogNoOpLogHandler()
        self.store = store
        node = try RaftNode(
            configuration: settings, machine: Counter(), store: store, transport: transport,
            loops: NodeLoops(loop: loop, disk: loop, apply: loop, reads: loop) { [loop] in loop.halt() },
            bootstrap: members.map { Desk<FollowerRules>.configuration($0) }, seed: 5, logger: logger)
    }

    func start() {
        node?.start { [started] in started.note($0) }
        loop.run()
    }

    func drop() { node = nil }

    /// Gives the node the pre-votes and votes of node 2, until it leads.
    func elect() {
        for _ in 0..<50 where node?.status.role != .leader {
            loop.advance(.ms(100))
            for case .vote(let request) in transport.takeSent(to: 2) {
                transport.reply(
                    .vote(
                        VoteReply(phase: request.phase, round: request.round, term: request.term, isGranted: true)),
                    from: 2)
            }
            loop.run()
        }
    }

    /// Node 2 answers everything that it was sent, as a follower whose log is the leader's.
    func answer(from peer: NodeID = 2) {
        for request in transport.takeSent(to: peer) {
            switch request {
            case .append(let request):
                transport.reply(
                    .append(
                        AppendReply(
                            term: request.term, stream: request.stream,
                            sequence: request.sequence, outcome: .accepted(through: request.last.index))), from: peer)
            case .heartbeat(let request):
                transport.reply(
                    .heartbeat(
                        HeartbeatReply(
                            term: request.term, stream: request.stream, round: request.round, isRejected: false)),
                    from: peer)
            case .vote, .timeoutNow, .snapshot, .readIndex, .forward: break
            }
        }
        loop.run()
    }
}

/// A log in memory that notes whether it was closed, and in what order it was used.
final class WatchedStore: LogStore {
    private let inner = MemoryLogStore(incarnation: Incarnation(rawValue: 1))
    private let state = Lock<(isOpen: Bool, isClosed: Bool, usesAfterClose: Int, failsWrites: Bool)>(
        (false, false, 0, false))
    private let space = Lock<(isFull: Bool, isShort: Bool, waiting: [LogOperation])>((false, false, []))

    var isClosed: Bool { state.withLock { $0.isClosed } }
    var usesAfterClose: Int { state.withLock { $0.usesAfterClose } }
    func failWrites() { state.withLock { $0.failsWrites = true } }
    /// There is no room for anything, or there is again.
    func fill(_ isFull: Bool) { space.withLock { $0.isFull = isFull } }
    /// There is none ahead.
    func runShort(_ isShort: Bool) { space.withLock { $0.isShort = isShort } }

    private func used() {
        state.withLock { if $0.isClosed { $0.usesAfterClose += 1 } }
    }

    func open() throws -> RecoveredLog { try inner.open() }
    func write(_ operations: [LogOperation]) throws {
        used()
        if state.withLock({ $0.failsWrites }) { throw RaftError(.storage, "the disk is gone") }
        let ready: [LogOperation]? = space.withLock { space in
            space.waiting += operations
            guard !space.isFull else { return nil }
            defer { space.waiting = [] }
            return space.waiting
        }
        guard let ready else { throw RaftError(.outOfSpace, "the disk is full") }
        try inner.write(ready)
    }
    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        used()
        return try inner.read(from: first, through: last, maximumBytes: maximumBytes)
    }
    var shortage: RaftError? { space.withLock { $0.isShort ? RaftError(.outOfSpace, "the disk is full") : nil } }
    func close() { state.withLock { $0.isClosed = true } }
}

/// A transport whose far ends are played by the test.
final class StageTransport: Transport {
    final class Link: PeerLink {
        let peer: NodeID
        let observer: any PeerLinkObserver
        fileprivate let state = Lock<(sent: [PeerRequest], isClosed: Bool)>(([], false))
        init(_ peer: NodeID, _ observer: any PeerLinkObserver) {
            self.peer = peer
            self.observer = observer
        }
        var isClosed: Bool { state.withLock { $0.isClosed } }
        func send(_ request: PeerRequest) { state.withLock { if !$0.isClosed { $0.sent.append(request) } } }
        func close() { state.withLock { $0.isClosed = true } }
    }
    /// The life that each far end says it is; zero says nothing, so that nobody is bound.
    private let incarnation: Incarnation
    init(incarnation: Incarnation = Incarnation(rawValue: 0)) { self.incarnation = incarnation }

    private let state = Lock<(receiver: (any PeerReceiver)?, links: [Link], isStopped: Bool, opens: Bool)>(
        (nil, [], false, true))

    /// Where a leader was looked for; it was not there.
    let probed = Lock<[String]>([])
    func probe(_ peer: NodeID, at address: String, refused: @escaping @Sendable () -> Void) {
        probed.withLock { $0.append(address) }
        refused()
    }

    var receiver: (any PeerReceiver)? { state.withLock { $0.receiver } }
    var links: [Link] { state.withLock { $0.links } }
    var isStopped: Bool { state.withLock { $0.isStopped } }
    /// Whether links open by themselves.
    func setOpens(_ opens: Bool) { state.withLock { $0.opens = opens } }

    func start(_ receiver: any PeerReceiver) throws { state.withLock { $0.receiver = receiver } }
    func connect(to peer: NodeID, at address: String, observer: any PeerLinkObserver) -> any PeerLink {
        let link = Link(peer, observer)
        let opens = state.withLock { state in
            state.links.append(link)
            return state.opens
        }
        if opens { observer.linkOpened(incarnation) }
        return link
    }
    func stop() { state.withLock { $0.isStopped = true } }

    /// What was sent to `peer` on any link since the last call.
    func takeSent(to peer: NodeID) -> [PeerRequest] {
        links.filter { $0.peer == peer }.flatMap { link in
            link.state.withLock { state in
                defer { state.sent = [] }
                return state.sent
            }
        }
    }

    func reply(_ reply: PeerReply, from peer: NodeID) {
        links.last { $0.peer == peer && !$0.isClosed }?.observer.linkReceived(reply)
    }
}
