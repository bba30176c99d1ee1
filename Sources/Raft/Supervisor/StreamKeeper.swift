// The stream keeper: the Supervisor's hand for replication streams.
// Owns the streams of the present leadership, one for each peer, and when each is to be started again.
// Takes from the leader's turn which peers to keep streams to, and what to send on them.
// Never gives up a peer while it is wanted: a stream that fails is started again, one for one, after a growing pause.
// Started by the Supervisor; ends with the node.

actor StreamKeeper {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    private let loop: any Loop
    private let mailbox: Mailbox<Message>
    private let transport: any Transport
    private let reader: LogReader
    private let settings: Configuration
    private let address: @Sendable (NodeID) -> String?
    private var random: RandomSource
    /// Stream ids rise from a random number on: no id of an earlier process comes again.
    private var nextID: UInt64

    private struct Slot {
        var stream: ReplicationStream?
        /// Where the stream was started to.
        var address: String?
        var backoff: Backoff
        /// When the present stream reached the peer.
        var openedAt: Instant?
        /// Names this keeping: a restart that was ordered for an earlier one is void.
        var keeping: UInt64
    }
    // Unchecked by the runtime: as in LogWriter.
    @exclusivity(unchecked) private var slots: [(peer: NodeID, slot: Slot)] = []
    private var keepings: UInt64 = 0

    init(
        loop: any Loop, mailbox: Mailbox<Message>, transport: any Transport, reader: LogReader,
        settings: Configuration, random: RandomSource, address: @escaping @Sendable (NodeID) -> String?
    ) {
        self.loop = loop
        self.mailbox = mailbox
        self.transport = transport
        self.reader = reader
        self.settings = settings
        self.random = random
        self.address = address
        nextID = self.random.next() >> 1
        unownedExecutor = loop.asUnownedSerialExecutor()
    }

    /// Opens a stream to each of `peers` that has none, and ends every other. A peer that is to be found at another
    /// address now is called there.
    func keep(_ peers: [NodeID]) {
        for (peer, slot) in slots where !peers.contains(peer) { slot.stream?.onLoop { $0.end() } }
        slots.removeAll { !peers.contains($0.peer) }
        for at in slots.indices where slots[at].slot.stream != nil {
            guard let new = address(slots[at].peer), let old = slots[at].slot.address, new != old else { continue }
            let peer = slots[at].peer
            if let stream = slots[at].slot.stream.take() {
                stream.onLoop { $0.end() }
                mailbox.post(.streamEnded(peer, stream.id, reason: "node \(peer) moved from \(old) to \(new)"))
            }
            start(peer)
        }
        for peer in peers where !slots.contains(where: { $0.peer == peer }) {
            keepings += 1
            let backoff = Backoff(minimum: settings.minimumBackoff, maximum: settings.maximumBackoff)
            slots.append((peer, Slot(backoff: backoff, keeping: keepings)))
            start(peer)
        }
    }

    func append(_ order: AppendOrder, to peer: NodeID, on id: StreamID) {
        guard let stream = stream(peer, id) else { return }
        if settings.disturbs(.brokenStream) {
            stream.onLoop { $0.end() }
            return failed(peer, id, "ended by the simulation")
        }
        stream.onLoop(order) { $0.append($1) }
    }

    func send(_ request: PeerRequest, to peer: NodeID, on id: StreamID) {
        stream(peer, id)?.onLoop(request) { $0.send($1) }
    }

    private func stream(_ peer: NodeID, _ id: StreamID) -> ReplicationStream? {
        slots.first { $0.peer == peer && $0.slot.stream?.id == id }?.slot.stream
    }

    private func start(_ peer: NodeID) {
        guard let at = slots.firstIndex(where: { $0.peer == peer }) else { return }
        guard let address = address(peer) else { return restartLater(at) }
        nextID += 1
        let id = StreamID(rawValue: nextID)
        let stream = ReplicationStream(
            id: id, peer: peer, loop: loop, mailbox: mailbox, reader: reader,
            maximumBytes: settings.maximumAppendBytes,
            onOpen: { [self] life in onLoop { $0.opened(peer, id, life) } },
            onFailure: { [self] reason in onLoop { $0.failed(peer, id, reason) } })
        slots[at].slot.stream = stream
        slots[at].slot.address = address
        stream.onLoop { $0.begin(transport, address: address) }
    }

    private func opened(_ peer: NodeID, _ id: StreamID, _ incarnation: Incarnation) {
        guard let at = slots.firstIndex(where: { $0.peer == peer && $0.slot.stream?.id == id }) else { return }
        slots[at].slot.openedAt = loop.now
        mailbox.post(.streamStarted(peer, id, incarnation: incarnation))
    }

    private func failed(_ peer: NodeID, _ id: StreamID, _ reason: String) {
        guard let at = slots.firstIndex(where: { $0.peer == peer && $0.slot.stream?.id == id }) else { return }
        slots[at].slot.stream = nil
        // A peer that accepts and closes at once is tried more and more slowly, like one that cannot be reached.
        if let openedAt = slots[at].slot.openedAt.take(), loop.now - openedAt >= settings.maximumBackoff {
            slots[at].slot.backoff.reset()
        }
        mailbox.post(.streamEnded(peer, id, reason: reason))
        restartLater(at)
    }

    private func restartLater(_ at: Int) {
        let pause = slots[at].slot.backoff.pause(&random)
        let (peer, keeping) = (slots[at].peer, slots[at].slot.keeping)
        loop.after(pause, Block { [self] in onLoop { $0.restart(peer, keeping) } })
    }

    private func restart(_ peer: NodeID, _ keeping: UInt64) {
        guard let slot = slots.first(where: { $0.peer == peer })?.slot, slot.keeping == keeping, slot.stream == nil
        else { return }
        start(peer)
    }
}
