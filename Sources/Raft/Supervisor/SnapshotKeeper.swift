// The snapshot keeper: the Supervisor's hand for snapshots.
// Owns the snapshot that is being received, and the streams on which snapshots are sent.
// Takes pieces, and what to send to whom, from the turn; reads and writes beside the node's loop; what became of a
// piece, and a snapshot that cannot be read, goes to the node's mailbox.
// Never answers a leader itself, and never makes a snapshot durable that is not whole.
// Started by the Supervisor; ends with the node.

actor SnapshotKeeper {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    private let loop: any Loop
    private let store: (any SnapshotStore)?
    private let reads: any Loop
    private let mailbox: Mailbox<Message>
    private let transport: any Transport
    private let settings: Configuration
    private let address: @Sendable (NodeID) -> String?
    private let note: @Sendable (Note) -> Void
    private let receipt: SnapshotReceipt
    private var streams: [(peer: NodeID, stream: SnapshotStream)] = []
    private var random: RandomSource

    /// - Parameter reads: where snapshots are read and received ones written.
    init(
        loop: any Loop, reads: any Loop, store: (any SnapshotStore)?, mailbox: Mailbox<Message>,
        transport: any Transport, settings: Configuration, random: RandomSource,
        address: @escaping @Sendable (NodeID) -> String?, note: @escaping @Sendable (Note) -> Void
    ) {
        self.loop = loop
        self.reads = reads
        self.store = store
        self.mailbox = mailbox
        self.transport = transport
        self.settings = settings
        self.random = random
        self.address = address
        self.note = note
        receipt = SnapshotReceipt()
        unownedExecutor = loop.asUnownedSerialExecutor()
    }

    // MARK: Sending

    func send(_ order: SnapshotOrder, to peer: NodeID) {
        guard let store else { return }
        if let known = streams.first(where: { $0.peer == peer })?.stream {
            let goesOn = known.onLoop { known in
                guard known.manifest.id == order.manifest.id, !known.isEnded else { return false }
                known.go(on: order)
                return true
            }
            if goesOn { return }
            end(peer)
        }
        let stream = SnapshotStream(
            order, to: peer, loop: loop, reads: reads, store: store, mailbox: mailbox, transport: transport,
            settings: settings, random: RandomSource(seed: random.next()), address: address, note: note)
        streams.append((peer, stream))
        stream.onLoop { $0.begin() }
    }

    func end(_ peer: NodeID) {
        for (known, stream) in streams where known == peer { stream.onLoop { $0.end() } }
        streams.removeAll { $0.peer == peer }
    }

    /// Ends every stream to somebody else.
    func keep(_ peers: [NodeID]) {
        for (peer, _) in streams where !peers.contains(peer) { end(peer) }
    }

    // MARK: Receiving

    func receive(_ piece: SnapshotPiece) {
        guard let store else { return }
        reads.post(
            Block { [receipt, mailbox] in
                let request = piece.request
                mailbox.post(
                    .snapshotPiece(
                        SnapshotPieceResult(
                            manifest: request.manifest,
                            outcome: receipt.write(request, begins: piece.begins, to: store),
                            stream: request.stream, path: piece.path)))
            })
    }

    func endReceipt(_ id: SnapshotID) { reads.post(Block { [receipt] in receipt.end(id) }) }

    func discard(_ id: SnapshotID) { tidy("remove snapshot \(id)") { try $0.setAside(id) } }

    func prune(endingBefore index: LogIndex) { tidy("remove old snapshots") { try $0.prune(endingBefore: index) } }

    /// What need not succeed: a file too many is in nobody's way.
    private func tidy(_ what: String, _ body: @escaping @Sendable (any SnapshotStore) throws -> Void) {
        guard let store else { return }
        reads.post(
            Block { [note] in
                do { try body(store) } catch { note(Note(weight: .warning, text: "could not \(what): \(error)")) }
            })
    }

    /// Ends everything. What is on its way to the reading loop is over once that has come to it.
    func close() {
        keep([])
        reads.post(Block { [receipt] in receipt.end(nil) })
    }
}

/// The snapshot that is being received, on the reading loop.
private final class SnapshotReceipt: @unchecked Sendable {
    // @unchecked: touched on the reading loop only.
    private var current: (manifest: SnapshotManifest, writer: any SnapshotWriter)?

    func write(
        _ request: SnapshotRequest, begins: Bool, to store: any SnapshotStore
    ) -> SnapshotPieceResult.Outcome {
        do {
            if begins {
                end(nil)
                current = (request.manifest, try store.begin(.leader))
            }
            guard let (manifest, writer) = current, manifest == request.manifest,
                writer.byteCount == request.offset
            else {
                throw RaftError(.storage, "a piece at \(request.offset) of a snapshot that is not being received")
            }
            try writer.write(request.bytes[...])
            guard writer.byteCount == manifest.byteCount else { return .written(through: writer.byteCount) }
            try writer.commit(manifest)
            current = nil
            return .durable
        } catch {
            end(nil)
            return .failed(RaftError(error, or: .storage))
        }
    }

    func end(_ id: SnapshotID?) {
        guard let (manifest, writer) = current, id == nil || manifest.id == id else { return }
        writer.abandon()
        current = nil
    }
}
