internal import Raft

/// A member that only says what the script says. Its log, term and vote are what it has claimed, and when it wakes it
/// goes on from there as a real node.
final class Ghost: PeerReceiver, @unchecked Sendable {
    // @unchecked: as the scheduler.
    struct Question {
        let request: PeerRequest
        let path: any ReplyPath
        var isAnswered = false
    }

    /// What it does of itself.
    enum Manner {
        case silent
        /// Answers heartbeats.
        case confirms
        /// Answers heartbeats and appends, as a follower does.
        case follows
    }

    let id: NodeID
    let hello: Hello
    let life: Life
    private let checker: SafetyChecker
    private var transport: (any Transport)?
    private var links: [NodeID: GhostLink] = [:]
    private(set) var state: HardState
    /// From entry 1 on.
    private(set) var log: [Entry]
    var manner = Manner.silent {
        didSet {
            // What has come already is answered first.
            for at in questions.indices where !questions[at].isAnswered { answerByItself(at) }
        }
    }
    private(set) var questions: [Question] = []
    /// What came back to its own questions, oldest first.
    private(set) var answers: [PeerReply] = []
    private var lastAnswer: (path: any ReplyPath, reply: PeerReply)?
    private var numbers: UInt64 = 0

    init(hello: Hello, state: HardState, log: [Entry], network: SimulatedNetwork, checker: SafetyChecker) throws {
        id = hello.node
        self.hello = hello
        self.state = state
        self.log = log
        self.checker = checker
        life = Life(node: hello.node)
        checker.wrote([.hardState(state)] + log.batches.map { .append($0) }, on: id)
        let transport = network.transport(for: life)
        self.transport = transport
        try transport.start(self)
    }

    /// It is a ghost no longer.
    func end() {
        life.isAlive = false
        transport?.stop()
        transport = nil
    }

    func admit(_ hello: Hello) -> Admission { .accepted }

    // MARK: Asking

    /// A number that it has not used before.
    func nextNumber() -> UInt64 {
        numbers += 1
        return numbers
    }

    var stream: StreamID { StreamID(rawValue: 0xABC0_0000 + id.rawValue) }

    func send(_ request: PeerRequest, to peer: NodeID) {
        claim(request)
        guard let transport else { return }
        if let link = links[peer], !link.isClosed { return link.send(request) }
        let link = GhostLink(ghost: self)
        links[peer] = link
        link.link = transport.connect(to: peer, at: "simulated:\(peer)", observer: link)
        link.send(request)
    }

    func heard(_ reply: PeerReply) { answers.append(reply) }

    /// What asking this claims of the one who asks.
    private func claim(_ request: PeerRequest) {
        switch request {
        case .vote(let vote) where vote.phase == .vote: vow(HardState(currentTerm: vote.term, votedFor: id))
        case .vote, .readIndex, .forward: break
        case .append(let append):
            vow(HardState(currentTerm: append.term, votedFor: id))
            take(append)
        case .heartbeat, .timeoutNow, .snapshot: vow(HardState(currentTerm: request.term, votedFor: id))
        }
    }

    // MARK: Answering

    func receive(_ request: PeerRequest, reply: any ReplyPath) {
        questions.append(Question(request: request, path: reply))
        answerByItself(questions.count - 1)
    }

    private func answerByItself(_ at: Int) {
        switch (questions[at].request, manner) {
        case (.heartbeat, .confirms), (.heartbeat, .follows): confirm(at)
        case (.append, .follows): accept(at)
        default: break
        }
    }

    /// The newest question like this without an answer; with `isOldest` the oldest.
    func question(isOldest: Bool = false, _ isWanted: (PeerRequest) -> Bool) -> Int? {
        let open = questions.indices.filter { !questions[$0].isAnswered && isWanted(questions[$0].request) }
        return isOldest ? open.first : open.last
    }

    func answer(_ at: Int, _ reply: PeerReply) {
        questions[at].isAnswered = true
        lastAnswer = (questions[at].path, reply)
        questions[at].path.send(reply)
    }

    func repeatAnswer() -> Bool {
        lastAnswer.map { $0.path.send($0.reply) } != nil
    }

    func confirm(_ at: Int) {
        guard case .heartbeat(let beat) = questions[at].request else { return }
        let isOver = beat.term < state.currentTerm
        if !isOver { vow(HardState(currentTerm: beat.term)) }
        answer(
            at,
            .heartbeat(
                HeartbeatReply(
                    term: max(beat.term, state.currentTerm), stream: beat.stream, round: beat.round, isRejected: isOver)
            ))
    }

    /// Answers an append as a follower whose log is the claimed one.
    func accept(_ at: Int) {
        guard case .append(let append) = questions[at].request else { return }
        func reply(_ outcome: AppendReply.Outcome) -> PeerReply {
            .append(
                AppendReply(
                    term: max(append.term, state.currentTerm), stream: append.stream, sequence: append.sequence,
                    outcome: outcome))
        }
        guard append.term >= state.currentTerm else { return answer(at, reply(.rejected)) }
        vow(HardState(currentTerm: append.term))
        let previous = append.previous
        guard previous == .zero || log.contains(where: { $0.id == previous }) else {
            let hint = log.map(\.id).last { $0.index <= previous.index && $0.term <= previous.term } ?? .zero
            return answer(at, reply(.conflict(previous: previous.index, hint: hint)))
        }
        take(append)
        answer(at, reply(.accepted(through: append.last.index)))
    }

    /// Votes, if its claimed state allows; says so in any case.
    func grant(_ at: Int) {
        guard case .vote(let vote) = questions[at].request else { return }
        if vote.phase == .vote { vow(HardState(currentTerm: vote.term, votedFor: vote.candidate)) }
        answer(
            at, .vote(VoteReply(phase: vote.phase, round: vote.round, term: vote.term, isGranted: true)))
    }

    // MARK: What it has claimed

    /// Takes over a later term, or gives a vote that is still free. Never takes anything back.
    func vow(_ new: HardState) {
        var next = new
        if new.currentTerm < state.currentTerm { return }
        if new.currentTerm == state.currentTerm {
            next.votedFor = state.votedFor ?? new.votedFor
            guard next != state else { return }
        }
        state = next
        checker.wrote([.hardState(next)], on: id)
    }

    /// Its log agrees with this append from now on; what it cannot hold, it does not hold.
    private func take(_ append: AppendRequest) {
        guard append.previous == .zero || log.contains(where: { $0.id == append.previous }) else { return }
        let entries = append.entries.flatMap { batch in (0..<batch.count).map { batch[$0] } }
        guard let first = entries.first(where: { entry in !log.contains { $0.id == entry.id } }) else { return }
        let keep = first.id.index.previous
        var operations: [LogOperation] = []
        if let last = log.last, last.id.index > keep {
            log.removeAll { $0.id.index > keep }
            operations.append(.truncate(through: log.last?.id ?? .zero))
        }
        let new = entries.filter { $0.id.index > keep }
        log += new
        checker.wrote(operations + new.batches.map { .append($0) }, on: id)
    }
}

/// A ghost's way to one node.
private final class GhostLink: PeerLinkObserver, @unchecked Sendable {
    // @unchecked: as the scheduler.
    private unowned let ghost: Ghost
    var link: (any PeerLink)?
    private var isOpen = false
    private(set) var isClosed = false
    private var waiting: [PeerRequest] = []

    init(ghost: Ghost) { self.ghost = ghost }

    func send(_ request: PeerRequest) {
        if isOpen { link?.send(request) } else { waiting.append(request) }
    }

    func linkOpened(_ incarnation: Incarnation) {
        isOpen = true
        for request in waiting { link?.send(request) }
        waiting = []
    }

    func linkReceived(_ reply: PeerReply) { ghost.heard(reply) }
    func linkClosed(_ reason: LinkFailure) { isClosed = true }
}

extension [Entry] {
    /// The same entries, in one batch for each run of equal terms.
    var batches: [EntryBatch] {
        var batches: [EntryBatch] = []
        var position = startIndex
        while position < endIndex {
            let id = self[position].id
            var builder = EntryBatch.Builder(first: id.index, term: id.term)
            while position < endIndex, self[position].id.term == id.term {
                builder.append(self[position].kind, [UInt8](self[position].payload))
                position += 1
            }
            if let batch = builder.finish() { batches.append(batch) }
        }
        return batches
    }
}
