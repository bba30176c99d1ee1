/// Carries callers' writes to one leader, and their results back. Each ends once: with what the leader answers, with its
/// deadline, or with the link.
final class ForwardLink: PeerLinkObserver, Sendable {
    /// What waits for an answer.
    struct Load: Sendable {
        var count = 0
        var bytes = 0
        mutating func add(_ other: Load) {
            count += other.count
            bytes += other.bytes
        }
    }
    private struct Waiting: Sendable {
        let ticket: Ticket
        let call: ForwardCall
        let byteCount: Int
        /// Nil once it was sent: from then on the leader may have it.
        var unsent: Proposal?

        init(_ proposal: Proposal, _ call: ForwardCall) {
            ticket = proposal.ticket
            byteCount = proposal.payload.count
            unsent = proposal
            self.call = call
        }
    }
    private struct State: Sendable {
        var link: (any PeerLink)?
        var isOpen = false
        var isClosed = false
        /// Nothing more is given to it: it closes once everything is answered.
        var isRetired = false
        var lastID: UInt64 = 0
        var waiting: [UInt64: Waiting] = [:]
        /// What came before the link stood, in order.
        var early: [UInt64] = []
        var load = Load()

        mutating func take(_ id: UInt64) -> Waiting? {
            guard let taken = waiting.removeValue(forKey: id) else { return nil }
            load.count -= 1
            load.bytes -= taken.byteCount
            return taken
        }
        var isDone: Bool { isRetired && waiting.isEmpty }
    }
    let leader: LeaderHint
    private let settings: Configuration
    private let loop: any Loop
    private let state = Lock(State())

    init(_ settings: Configuration, leader: LeaderHint, loop: any Loop) {
        self.settings = settings
        self.leader = leader
        self.loop = loop
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }
    var load: Load { state.withLock { $0.load } }

    func begin(_ transport: any Transport, at address: String) {
        let link = transport.connect(to: leader.id, at: address, observer: self)
        let isClosed = state.withLock { state in
            state.link = link
            return state.isClosed
        }
        if isClosed { link.close() } else { sendEarly() }
    }

    func forward(_ proposal: Proposal, _ call: ForwardCall) {
        enum Next {
            case send(any PeerLink, ForwardRequest)
            case wait, refuse
        }
        let next = state.withLock { state -> Next in
            guard !state.isClosed else { return .refuse }
            state.lastID += 1
            let id = state.lastID
            state.load.add(Load(count: 1, bytes: proposal.payload.count))
            state.waiting[id] = Waiting(proposal, call)
            guard state.isOpen, let link = state.link else {
                state.early.append(id)
                return .wait
            }
            return prepare(id, &state).map { .send(link, $0) } ?? .wait
        }
        switch next {
        case .send(let link, let request):
            if Mutant.isOn("forward-sent-twice") { link.send(.forward(request)) }
            link.send(.forward(request))
        case .refuse: proposal.ticket.fail(unreachable("the link was closed"))
        case .wait: break
        }
    }

    /// Marks one as sent. Nil, and forgotten, when nobody waits for it any more: then nothing has happened.
    private func prepare(_ id: UInt64, _ state: inout State) -> ForwardRequest? {
        guard let waiting = state.waiting[id], let proposal = waiting.unsent, !waiting.ticket.isSettled,
            let kind = ForwardRequest.Kind(proposal.kind)
        else {
            _ = state.take(id)
            return nil
        }
        state.waiting[id]?.unsent = nil
        return ForwardRequest(
            sender: settings.id, id: id, kind: kind, onlyInTerm: proposal.term,
            timeout: waiting.call.deadline.map { $0 - loop.now }, caller: waiting.call.caller,
            payload: proposal.payload)
    }

    private func sendEarly() {
        let (link, requests) = state.withLock { state -> ((any PeerLink)?, [ForwardRequest]) in
            guard state.isOpen, let link = state.link else { return (nil, []) }
            defer { state.early = [] }
            return (link, state.early.compactMap { prepare($0, &state) })
        }
        for request in requests { link?.send(.forward(request)) }
    }

    /// Forgets whose callers wait no more, and returns what is left.
    func dropSettled() -> Load {
        state.withLock { state in
            for (id, waiting) in state.waiting where waiting.ticket.isSettled { _ = state.take(id) }
            return state.load
        }
    }

    /// Closes it once what was sent is answered.
    func retire() {
        let (link, isDone) = state.withLock { state in
            state.isRetired = true
            return (state.link, state.isDone)
        }
        if isDone { link?.close() }
    }

    /// Ends it now.
    func close(_ reason: String) {
        let link = state.withLock { $0.link }
        end(reason)
        link?.close()
    }

    // MARK: From the transport

    func linkOpened(_ incarnation: Incarnation) {
        state.withLock { $0.isOpen = true }
        sendEarly()
    }

    func linkReceived(_ reply: PeerReply) {
        guard case .forward(let reply) = reply else { return }
        let (answered, link) = state.withLock { state in
            (state.take(reply.id), state.isDone ? state.link : nil)
        }
        if let answered { settle(answered, reply.result) }
        link?.close()
    }

    private func settle(_ answered: Waiting, _ result: Result<[UInt8], RaftError>) {
        switch result {
        case .failure(let error): answered.ticket.fail(error)
        case .success(let bytes):
            do { try answered.call.succeed(bytes) } catch {
                answered.ticket.fail(
                    RaftError(
                        .outcomeUnknown,
                        "node \(leader.id) has applied the command, and its result of \(bytes.count) bytes cannot be read here: \(error)",
                        outcome: .unknown))
            }
        }
    }

    func linkClosed(_ reason: LinkFailure) { end(reason.reason) }

    private func end(_ reason: String) {
        let ended = state.withLock { state in
            state.isClosed = true
            state.link = nil
            state.early = []
            state.load = Load()
            defer { state.waiting = [:] }
            return state.waiting.sorted { $0.key < $1.key }
        }
        for (_, waiting) in ended {
            guard waiting.unsent == nil, !Mutant.isOn("forward-loss-is-nothing") else {
                waiting.ticket.fail(unreachable(reason))
                continue
            }
            settings.reached(.forwardOutcomeLost)
            waiting.ticket.fail(
                RaftError(
                    .outcomeUnknown,
                    "the command was passed on to node \(leader.id), and the link to it ended before its answer: \(reason). It may be applied, now or later",
                    outcome: .unknown))
        }
    }

    private func unreachable(_ reason: String) -> RaftError {
        RaftError(
            .notLeader,
            "node \(leader.id), which leads, cannot be reached from node \(settings.id): \(reason); ask it\(leader.address.map { " at \($0)" } ?? "")",
            leader: leader)
    }
}

extension ForwardRequest.Kind {
    /// Nil for what a node proposes only of its own.
    init?(_ kind: EntryKind) {
        switch kind {
        case .command: self = .command
        case .sessionCommand: self = .sessionCommand
        case .session: self = .session
        case .blank, .configuration: return nil
        }
    }
}
