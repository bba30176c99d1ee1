internal import Logging

/// Takes the writes that other members pass on to this node, and makes proposals of them: the same as those of its own
/// callers, but for who is told what became of them. Where this node does not lead they are refused: there is one hop.
///
/// Nothing of them is believed because a member says so. Who the caller is the member has seen to, but what that caller
/// may do is decided here; and the bytes must be what this node's own machine takes, or each member would have to stop
/// at them once they are committed.
struct ForwardReceiver: Sendable {
    let settings: Configuration
    let mailbox: Mailbox<Message>
    let applier: any ApplierPort
    let deadlines: Deadlines
    /// Why a write that this member passes on for this caller is not taken; nil to take it.
    let refusal: @Sendable (NodeID, ForwardedCaller?) -> String?
    let logger: Logger
    let note: @Sendable (Note) -> Void
    /// For whom which member has passed something on: each is in the log once.
    private let known = Lock<Set<Way>>([])

    private struct Way: Hashable, Sendable {
        var sender: NodeID
        var identity: String?
    }
    private static let maximumKnown = 256

    init(
        settings: Configuration, mailbox: Mailbox<Message>, applier: any ApplierPort, deadlines: Deadlines,
        refusal: @escaping @Sendable (NodeID, ForwardedCaller?) -> String?, logger: Logger,
        note: @escaping @Sendable (Note) -> Void
    ) {
        self.settings = settings
        self.mailbox = mailbox
        self.applier = applier
        self.deadlines = deadlines
        self.refusal = refusal
        self.logger = logger
        self.note = note
    }

    /// Every write for those who look closely; one line for each caller and each member for everybody.
    private func log(_ sender: NodeID, _ caller: ForwardedCaller?) {
        logger.debug("a write of \(caller?.description ?? "its program") passed on by node \(sender)")
        let isNew = known.withLock { known in
            if known.count >= Self.maximumKnown { known = [] }
            return known.insert(Way(sender: sender, identity: caller?.identity)).inserted
        }
        guard isNew else { return }
        note(Note(weight: .info, text: "node \(sender) passes on writes of \(caller?.identity ?? "its program")"))
    }

    func receive(_ request: ForwardRequest, isMember: Bool, reply path: any ReplyPath) {
        let (id, sender, caller) = (request.id, request.sender, request.caller)
        @Sendable func answer(_ result: Result<[UInt8], RaftError>) {
            switch result {
            case .success: settings.reached(.forwardedWriteApplied)
            case .failure(let error): if error.code == .notLeader { settings.reached(.forwardedToOldLeader) }
            }
            path.send(.forward(ForwardReply(id: id, result: result)))
        }
        func refuse(_ code: RaftError.Code, _ message: String) { answer(.failure(RaftError(code, message))) }

        guard isMember else {
            // The caller has done nothing wrong: it may ask somebody else.
            return refuse(.notLeader, "node \(sender) is no member here, and passes on no writes; ask another node")
        }
        if let reason = refusal(sender, caller) {
            note(
                Note(
                    weight: .warning,
                    text:
                        "refused a write that node \(sender) passed on for \(caller?.description ?? "nobody"): \(reason)"
                ))
            return refuse(.notAuthorized, reason)
        }
        if let timeout = request.timeout, timeout <= .zero {
            return refuse(.deadlineExceeded, "the time was over before the command came to node \(settings.id)")
        }
        let proposal: Proposal
        do throws(RaftError) {
            proposal = try applier.proposal(request, answer)
        } catch {
            note(
                Note(
                    weight: .warning,
                    text:
                        "refused a write that node \(sender) passed on for \(caller?.description ?? "nobody"): \(error)"
                ))
            return refuse(.corrupt, error.message)
        }
        log(sender, caller)
        mailbox.offer(.propose(proposal), proposal.ticket, settings)
        deadlines.add(proposal.ticket, within: request.timeout, "there was no result", outcome: .unknown)
    }
}

extension Mailbox<Raft.Message> {
    /// Adds a caller's message, or tells the caller why not.
    func offer(_ message: Message, _ ticket: Ticket, _ settings: Configuration) {
        switch offer(message) {
        case .accepted: break
        case .full:
            ticket.fail(
                RaftError(
                    .overloaded,
                    "\(settings.maximumWaitingCalls) calls wait already (maximumWaitingCalls); try again soon"))
        case .closed: ticket.fail(RaftError(.stopped, "node \(settings.id) has stopped"))
        }
    }
}
