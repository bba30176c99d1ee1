/// Carries a candidate's questions to one other voter. Opens a link when there is something to ask, and keeps it for
/// the next time.
final class VoteCaller: PeerLinkObserver, Sendable {
    private struct State: Sendable {
        var link: (any PeerLink)?
        var isOpen = false
        /// The life of the voter that the link stands to, where the transport tells it.
        var incarnation: Incarnation?
        var isClosed = false
        /// Whether that life is the one whose vote counts: one that is admitted for what it knows may be another.
        var isVoter = true
        /// The newest question, until the link stands; an older one is of no use any more.
        var waiting: PeerRequest?

        func mayAsk(_ request: PeerRequest) -> Bool {
            guard case .vote = request else { return true }
            return isVoter
        }
    }
    private let peer: NodeID
    let address: String
    private let mailbox: Mailbox<Message>
    /// Whether this life of the voter is the one whose vote counts.
    private let isVoter: @Sendable (Incarnation) -> Bool
    private let state = Lock(State())

    init(
        peer: NodeID, address: String, mailbox: Mailbox<Message>,
        isVoter: @escaping @Sendable (Incarnation) -> Bool = { _ in true }
    ) {
        self.peer = peer
        self.address = address
        self.mailbox = mailbox
        self.isVoter = isVoter
    }

    /// Whether the link has broken, or was never to be had: ask through a new one.
    var isClosed: Bool { state.withLock { $0.isClosed } }
    /// The life of the voter that answers; nil before the link stands.
    var incarnation: Incarnation? { state.withLock { $0.incarnation } }

    func begin(_ transport: any Transport) {
        let link = transport.connect(to: peer, at: address, observer: self)
        let (isClosed, request) = state.withLock { state in
            state.link = link
            return (state.isClosed, state.isOpen ? state.waiting.take() : nil)
        }
        if isClosed { link.close() } else if let request { link.send(request) }
    }

    func ask(_ request: PeerRequest) {
        let link = state.withLock { state -> (any PeerLink)? in
            if state.isOpen { return state.mayAsk(request) ? state.link : nil }
            state.waiting = request
            return nil
        }
        link?.send(request)
    }

    func close() {
        let link = state.withLock { state -> (any PeerLink)? in
            state.isClosed = true
            return state.link.take()
        }
        link?.close()
    }

    func linkOpened(_ incarnation: Incarnation) {
        let isVoter = incarnation.rawValue == 0 || isVoter(incarnation)
        let (link, request) = state.withLock { state in
            state.isOpen = true
            state.isVoter = isVoter
            if incarnation.rawValue != 0 { state.incarnation = incarnation }
            if let waiting = state.waiting, !state.mayAsk(waiting) { state.waiting = nil }
            return (state.link, state.link == nil ? nil : state.waiting.take())
        }
        if let link, let request { link.send(request) }
    }

    func linkReceived(_ reply: PeerReply) { mailbox.post(.reply(reply, from: peer)) }

    func linkClosed(_ reason: LinkFailure) {
        if reason.isRemoval { mailbox.post(.removed(by: peer)) }
        state.withLock { state in
            state.isClosed = true
            state.link = nil
        }
    }
}
