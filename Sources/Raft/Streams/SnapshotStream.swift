// One snapshot on its way to one peer.
// Owns a link of its own to the peer, and how far the peer has come; reads the pieces beside the node's loop.
// Takes its peer's replies, and hands each on to the node's mailbox; opens its link again, and goes on where it was,
// for as long as the leader wants it.
// Never has more than a few pieces on their way, never sends faster than it may.
// Started by the SnapshotKeeper; ends when the leader says so, or with the leadership.

actor SnapshotStream {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    nonisolated let peer: NodeID
    nonisolated let manifest: SnapshotManifest
    private nonisolated let loop: any Loop
    private nonisolated let mailbox: Mailbox<Message>
    private let reads: any Loop
    private let store: any SnapshotStore
    private let transport: any Transport
    private let settings: Configuration
    private let address: @Sendable (NodeID) -> String?
    private let note: @Sendable (Note) -> Void
    private var random: RandomSource

    private var order: SnapshotOrder
    private var link: (any PeerLink)?
    private var isOpen = false
    /// It does nothing any more: it was told so, or the snapshot cannot be read.
    private(set) var isEnded = false
    /// Names the present link, the present read and the present pause: what belonged to an earlier one is void.
    private var life: UInt64 = 0
    private var backoff: Backoff
    private var lastFailure: String?
    private var reader: (any SnapshotReader)?

    /// The peer has everything before this.
    private var acknowledged: UInt64 = 0
    /// Where the next piece begins.
    private var next: UInt64 = 0
    /// Where pieces were last sent again from, until the peer has come further.
    private var rewoundTo: UInt64?
    private var hasSentEmpty = false
    /// How many pieces may be on their way now: one after anything was lost or came out of order, twice as many after
    /// each answer that moves on.
    private var window = 1
    private var isReading = false
    /// Nothing is sent before this moment, so that the rate is kept.
    private var mayGoOnAt: Instant
    private var heardAt: Instant

    init(
        _ order: SnapshotOrder, to peer: NodeID, loop: any Loop, reads: any Loop, store: any SnapshotStore,
        mailbox: Mailbox<Message>, transport: any Transport, settings: Configuration, random: RandomSource,
        address: @escaping @Sendable (NodeID) -> String?, note: @escaping @Sendable (Note) -> Void
    ) {
        self.order = order
        self.peer = peer
        manifest = order.manifest
        self.loop = loop
        self.reads = reads
        self.store = store
        self.mailbox = mailbox
        self.transport = transport
        self.settings = settings
        self.random = random
        self.address = address
        self.note = note
        backoff = Backoff(minimum: settings.minimumBackoff, maximum: settings.maximumBackoff)
        mayGoOnAt = loop.now
        heardAt = loop.now
        unownedExecutor = loop.asUnownedSerialExecutor()
    }

    /// Opens the file, before anything can remove it, and the link.
    func begin() {
        let body: @Sendable () -> Void = { [self, store, id = manifest.id] in
            let result: Result<any SnapshotReader, RaftError>
            do { result = .success(try store.reader(of: id)) } catch {
                result = .failure(RaftError(error, or: .storage))
            }
            loop.post(Block { self.onLoop { $0.opened(result) } })
        }
        reads.post(Block(body))
        dial()
    }

    private func opened(_ result: Result<any SnapshotReader, RaftError>) {
        guard !isEnded else { return }
        switch result {
        case .success(let opened):
            reader = opened
            sendMore()
        case .failure(let error): fail(error)
        }
    }

    private func fail(_ error: RaftError) {
        end()
        mailbox.post(.snapshotUnreadable(manifest.id, error))
    }

    private func dial() {
        guard !isEnded else { return }
        life += 1
        guard let address = address(peer) else { return retry("its address is not known") }
        link = transport.connectForSnapshot(
            to: peer, at: address, observer: SnapshotLinkObserver(stream: self, life: life))
    }

    /// The same snapshot on behalf of another stream.
    func go(on order: SnapshotOrder) {
        self.order = order
        rewind(to: acknowledged)
        sendMore()
    }

    func end() {
        isEnded = true
        life += 1
        link?.close()
        link = nil
        reader = nil
    }

    /// What is under way is not counted on any more.
    private func rewind(to offset: UInt64) {
        next = offset
        hasSentEmpty = false
    }

    private func retry(_ reason: String) {
        if reason != lastFailure {
            note(Note(weight: .warning, text: "snapshot \(manifest.id) to node \(peer) is held up: \(reason)"))
        }
        lastFailure = reason
        life += 1
        link?.close()
        link = nil
        isOpen = false
        isReading = false
        window = 1
        rewind(to: acknowledged)
        after(backoff.pause(&random)) { $0.dial() }
    }

    private func after(_ pause: Duration, _ body: @escaping @Sendable (isolated SnapshotStream) -> Void) {
        let life = life
        loop.after(
            pause,
            Block { [self] in onLoop { if !$0.isEnded, $0.life == life { body($0) } } })
    }

    // MARK: The link

    fileprivate func opened(_ of: UInt64) {
        guard of == life, !isEnded else { return }
        isOpen = true
        heardAt = loop.now
        watch()
        sendMore()
    }

    fileprivate func closed(_ of: UInt64, _ reason: String) {
        guard of == life, !isEnded else { return }
        retry(reason)
    }

    /// A peer that says nothing for so long has lost a piece or its answer.
    private func watch() {
        let patience = settings.electionTimeout.upperBound
        after(patience) { stream in
            if stream.loop.now - stream.heardAt >= patience { stream.repeatLast() }
            stream.watch()
        }
    }

    private func repeatLast() {
        heardAt = loop.now
        // Of a snapshot that the peer has whole, the last piece again: the answer to that says that it has. Never from
        // the middle of a piece that it lacks: it would go on asking for the end of that, and get the whole again.
        if acknowledged == manifest.byteCount, acknowledged > 0 {
            let piece = UInt64(settings.snapshotPieceBytes)
            acknowledged = (acknowledged - 1) / piece * piece
        }
        window = 1
        rewoundTo = nil
        rewind(to: acknowledged)
        sendMore()
    }

    fileprivate func heard(_ reply: SnapshotReply, _ of: UInt64) {
        guard of == life, !isEnded, reply.snapshot == manifest.id else { return }
        heardAt = loop.now
        switch reply.outcome {
        case .received(let offset):
            guard offset <= manifest.byteCount else { return retry("it has \(offset) of \(manifest.byteCount) bytes") }
            if offset > acknowledged {
                backoff.reset()
                lastFailure = nil
                acknowledged = offset
                window = min(window * 2, settings.maximumInflightSnapshotPieces)
                rewoundTo = nil
                if next < offset { rewind(to: offset) }
            } else if offset < acknowledged || (next > offset && rewoundTo != offset) {
                // The peer began anew, or a piece is missing: from there on. Every piece behind the missing one says
                // so; only the first is listened to.
                acknowledged = offset
                window = 1
                rewoundTo = offset
                rewind(to: offset)
            }
            sendMore()
        case .installed, .rejected:
            break  // The turn knows what to do.
        case .unable:
            acknowledged = 0
            retry("it cannot take it now")
        }
    }

    // MARK: Pieces

    private func sendMore() {
        guard let reader, isOpen, !isEnded, !isReading,
            next - acknowledged < UInt64(window) * UInt64(settings.snapshotPieceBytes),
            next < manifest.byteCount || (manifest.byteCount == 0 && !hasSentEmpty)
        else { return }
        let now = loop.now
        guard now >= mayGoOnAt else {
            isReading = true
            return after(mayGoOnAt - now) { stream in
                stream.isReading = false
                stream.sendMore()
            }
        }
        isReading = true
        let (offset, bytes, of) = (next, settings.snapshotPieceBytes, life)
        reads.post(
            Block { [self] in
                let result: Result<(bytes: [UInt8], checksum: UInt32), RaftError>
                do {
                    let bytes = try reader.read(at: offset, maximumBytes: bytes)
                    result = .success((bytes, SnapshotChecksum.of(bytes[...])))
                } catch {
                    result = .failure(RaftError(error, or: .storage))
                }
                loop.post(Block { self.onLoop { $0.read(result, at: offset, of) } })
            })
    }

    private func read(
        _ result: Result<(bytes: [UInt8], checksum: UInt32), RaftError>, at offset: UInt64, _ of: UInt64
    ) {
        guard of == life, !isEnded else { return }
        isReading = false
        switch result {
        case .failure(let error): fail(error)
        case .success((let bytes, let checksum)):
            // An answer may have moved the place meanwhile.
            guard offset == next else { return sendMore() }
            let request = SnapshotRequest(
                term: order.term, leader: order.leader, stream: order.stream, manifest: manifest, offset: offset,
                checksum: checksum, bytes: bytes)
            link?.send(.snapshot(request))
            if next == acknowledged { heardAt = loop.now }
            hasSentEmpty = bytes.isEmpty
            next += UInt64(bytes.count)
            if let rate = settings.maximumSnapshotBytesPerSecond {
                let cost = Duration.nanoseconds(Int64(bytes.count) * 1_000_000_000 / Int64(rate))
                mayGoOnAt = max(mayGoOnAt, loop.now) + cost
            }
            sendMore()
        }
    }

    // From any thread.
    fileprivate nonisolated func post(_ body: @escaping @Sendable (isolated SnapshotStream) -> Void) {
        loop.post(Block { [self] in onLoop { body($0) } })
    }
    fileprivate nonisolated func tell(_ reply: PeerReply) { mailbox.post(.reply(reply, from: peer)) }
}

/// One link of a snapshot stream: what it says counts only while it is the present one.
private final class SnapshotLinkObserver: PeerLinkObserver {
    private let stream: SnapshotStream
    private let life: UInt64

    init(stream: SnapshotStream, life: UInt64) {
        self.stream = stream
        self.life = life
    }

    func linkOpened(_: Incarnation) { stream.post { [life] in $0.opened(life) } }
    func linkReceived(_ reply: PeerReply) {
        stream.tell(reply)
        if case .snapshot(let reply) = reply { stream.post { [life] in $0.heard(reply, life) } }
    }
    func linkClosed(_ reason: LinkFailure) { stream.post { [life] in $0.closed(life, reason.reason) } }
}
