internal import NIOCore
internal import Raft

/// One link to a peer: a stream on the connection that all links to this peer share.
final class TLSPeerLink: PeerLink, RPCStreamHandler, Sendable {
    private struct State {
        /// nil before the link has opened.
        var stream: RPCStream?
        var isClosed = false
        /// What was sent before the link had opened.
        var early: [PeerRequest] = []
    }

    /// How many requests may wait for the link to open; the first ones are kept. Writes that are passed on do not count:
    /// their callers wait, and who sends them bounds how many there are.
    private static let maximumEarly = 64

    let peer: NodeID
    let purpose: Purpose
    private let eventLoop: any EventLoop
    private let observer: any PeerLinkObserver
    /// Tells the connection's owner that this link is over.
    private let onEnd: @Sendable (TLSPeerLink) -> Void
    private let state = Lock(State())

    init(
        to peer: NodeID, _ purpose: Purpose, on eventLoop: any EventLoop, _ observer: any PeerLinkObserver,
        onEnd: @escaping @Sendable (TLSPeerLink) -> Void
    ) {
        self.peer = peer
        self.purpose = purpose
        self.eventLoop = eventLoop
        self.observer = observer
        self.onEnd = onEnd
    }

    // MARK: From the node

    func send(_ request: PeerRequest) {
        // What is large is not encoded on the node's loop, either.
        guard purpose == .snapshot else { return sendNow(request) }
        eventLoop.execute { self.sendNow(request) }
    }

    private func sendNow(_ request: PeerRequest) {
        let stream = state.withLock { state -> RPCStream? in
            let isKept = if case .forward = request { true } else { state.early.count < Self.maximumEarly }
            if state.stream == nil, !state.isClosed, isKept { state.early.append(request) }
            return state.isClosed ? nil : state.stream
        }
        if let stream { put(request, on: stream) }
    }

    private func put(_ request: PeerRequest, on stream: RPCStream) {
        let isUrgent =
            switch request {
            case .append, .snapshot, .forward: false
            case .vote, .heartbeat, .timeoutNow, .readIndex: true
            }
        let bytes = PeerCodec.encode(request)
        guard !stream.send(bytes, isUrgent: isUrgent), !stream.isEnded else { return }
        // A request lost in silence would be waited for; a link that ends is started again.
        stream.end(
            RPCStatus(
                .resourceExhausted,
                "a request of \(bytes.count) bytes was not taken: it is above 4 MiB, or the peer is too slow"))
    }

    func close() {
        let stream = state.withLock { state in
            state.isClosed = true
            state.early = []
            defer { state.stream = nil }
            return state.stream
        }
        stream?.end(RPCStatus(.cancelled, "the link was closed"))
        onEnd(self)
    }

    // MARK: From the connection, on the loop

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Both sides have accepted each other.
    func opened(on connection: RPCConnection, _ incarnation: Incarnation) {
        guard !isClosed else { return }
        let stream = connection.open(PeerService.link(purpose), self)
        observer.linkOpened(incarnation)
        // Sent in their order, before anything that comes later: only then others see the stream.
        while true {
            let early = state.withLock { state -> [PeerRequest] in
                defer { state.early = [] }
                if state.early.isEmpty || state.isClosed { state.stream = stream }
                return state.early
            }
            if early.isEmpty { break }
            for request in early { put(request, on: stream) }
        }
        if isClosed { stream.end(RPCStatus(.cancelled, "the link was closed")) }
    }

    /// The link could not be opened, or has broken.
    func failed(_ reason: String, isRemoval: Bool = false) {
        let wasClosed = state.withLock { state in
            defer {
                state.isClosed = true
                state.stream = nil
                state.early = []
            }
            return state.isClosed
        }
        guard !wasClosed else { return }
        observer.linkClosed(LinkFailure(reason, isRemoval: isRemoval))
        onEnd(self)
    }

    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        stream.consumed(message.count)
        guard !isClosed else { return }
        do throws(RPCStatus) {
            observer.linkReceived(try PeerCodec.decodeReply(message))
        } catch {
            stream.end(RPCStatus(.invalidArgument, "node \(peer) replied: \(error.message)"))
        }
    }

    func streamFinished(_ stream: RPCStream) {}

    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {
        failed(status?.message ?? "node \(peer) ended the link")
    }
}
