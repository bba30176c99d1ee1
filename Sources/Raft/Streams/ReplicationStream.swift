internal import DequeModule

// One replication stream: the way from a leader to one peer, for one life of it.
// Owns the link to the peer, and the order of the appends on it; reads from the disk what the leader no longer has.
// Takes appends and heartbeats from the leader's turn; the peer's replies go straight to the node's mailbox.
// Never decides what to send, never sends anything twice, never lets a heartbeat wait behind a read.
// Started, and after a failure started again under a new id, by the Supervisor; ends with its link or its leader.

actor ReplicationStream: PeerLinkObserver {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    nonisolated let id: StreamID
    nonisolated let peer: NodeID
    private nonisolated let loop: any Loop
    private nonisolated let mailbox: Mailbox<Message>
    private nonisolated let onOpen: @Sendable (Incarnation) -> Void
    private nonisolated let onFailure: @Sendable (String) -> Void
    private let reader: LogReader
    private let maximumBytes: Int

    // Unchecked by the runtime: as in LogWriter.
    @exclusivity(unchecked) private var link: (any PeerLink)?
    @exclusivity(unchecked) private var queue: Deque<AppendOrder> = []
    @exclusivity(unchecked) private var isReading = false
    @exclusivity(unchecked) private var isEnded = false

    /// - Parameter onOpen: called on the loop when the peer is reached.
    /// - Parameter onFailure: called on the loop when the stream cannot go on, once.
    init(
        id: StreamID, peer: NodeID, loop: any Loop, mailbox: Mailbox<Message>, reader: LogReader, maximumBytes: Int,
        onOpen: @escaping @Sendable (Incarnation) -> Void, onFailure: @escaping @Sendable (String) -> Void
    ) {
        self.id = id
        self.peer = peer
        self.loop = loop
        self.mailbox = mailbox
        self.reader = reader
        self.maximumBytes = maximumBytes
        self.onOpen = onOpen
        self.onFailure = onFailure
        unownedExecutor = loop.asUnownedSerialExecutor()
    }

    func begin(_ transport: any Transport, address: String) {
        link = transport.connect(to: peer, at: address, observer: self)
    }

    func append(_ order: AppendOrder) {
        guard !isEnded else { return }
        queue.append(order)
        drain()
    }

    /// Sends what no read stands behind: heartbeats, and the end of a leadership.
    func send(_ request: PeerRequest) {
        if !isEnded { link?.send(request) }
    }

    private func drain() {
        while !isReading, !isEnded, let order = queue.popFirst() {
            guard let through = order.readThrough else {
                link?.send(.append(order.request))
                continue
            }
            isReading = true
            let first = order.request.previous.index.next
            reader.read(from: first, through: through, maximumBytes: maximumBytes) { [self] result in
                loop.post(Block { self.onLoop { $0.read(result, for: order) } })
            }
        }
    }

    private func read(_ result: Result<EntryBatch, RaftError>, for order: AppendOrder) {
        isReading = false
        guard !isEnded else { return }
        switch result {
        case .success(let batch):
            var request = order.request
            request.entries = [batch]
            link?.send(.append(request))
            drain()
        case .failure(let error):
            // An append without its entries would say something else (R51).
            end()
            onFailure("entries from \(order.request.previous.index.next) on could not be read: \(error)")
        }
    }

    /// Ends the stream from this side. Nothing is reported.
    func end() {
        guard !isEnded else { return }
        isEnded = true
        queue.removeAll()
        link?.close()
        link = nil
    }

    private func failed(_ reason: String) {
        guard !isEnded else { return }
        end()
        onFailure(reason)
    }

    // MARK: The link, from any thread

    nonisolated func linkOpened(_ incarnation: Incarnation) {
        loop.post(Block { [self] in onLoop { if !$0.isEnded { $0.onOpen(incarnation) } } })
    }
    nonisolated func linkReceived(_ reply: PeerReply) { mailbox.post(.reply(reply, from: peer)) }
    nonisolated func linkClosed(_ reason: LinkFailure) {
        loop.post(Block { [self] in onLoop { $0.failed(reason.reason) } })
    }
}
