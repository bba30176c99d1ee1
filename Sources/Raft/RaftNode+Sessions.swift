extension RaftNode where Machine.Output: ReplicatedOutput {
    /// As ``propose(_:)``, as a command of a session: applied at most once, however often and at whatever node it is
    /// proposed (dissertation §6.3).
    ///
    /// When the outcome is not known, propose the same command with the same request again, here or at the next
    /// leader: what comes back is what the first one that was applied gave. ``SessionNumbers`` makes the requests.
    ///
    /// - Parameters:
    ///   - forwarding: what becomes of it at a node that does not lead.
    ///   - timeout: how long the caller waits; nil for as long as it takes.
    /// - Throws: as ``propose(_:onlyInTerm:forwarding:within:)``, and ``RaftError/Code/sessionExpired``,
    ///   ``RaftError/Code/replyDropped``: it was not applied now, but an attempt before may have been.
    ///   ``RaftError/Code/overloaded`` also when more than ``Configuration/maximumSessionReplies`` commands of the session
    ///   are not acknowledged.
    public func propose(
        _ command: Machine.Command, in request: SessionRequest, forwarding: Forwarding = .never,
        within timeout: Duration? = nil
    ) async throws(RaftError) -> Machine.Output {
        let slot = TicketSlot()
        return try await waiting(slot) { done in
            let options = WriteOptions(
                request: request, timeout: timeout, forward: forwarding.forward(Machine.Output.self))
            slot.set(self.post(command, options, done))
        }
    }

    /// As ``propose(_:in:forwarding:within:)``, without a task.
    public func propose(
        _ command: Machine.Command, in request: SessionRequest, forwarding: Forwarding = .never,
        within timeout: Duration? = nil,
        completion: @escaping @Sendable (Result<Machine.Output, RaftError>) -> Void
    ) {
        _ = post(
            command,
            WriteOptions(request: request, timeout: timeout, forward: forwarding.forward(Machine.Output.self)),
            completion)
    }

    /// The sessions of clients.
    public var sessions: Sessions { Sessions(node: self) }

    /// Begins and ends sessions. All but ``list(completion:)`` are calls of the leader, and entries of the log.
    public struct Sessions: Sendable {
        let node: RaftNode

        /// Begins a session. A registration whose outcome is unknown may have begun one that nobody uses; it expires.
        ///
        /// - Parameters:
        ///   - forwarding: what becomes of it at a node that does not lead.
        ///   - timeout: how long the caller waits; nil for as long as it takes.
        /// - Throws: as ``RaftNode/propose(_:onlyInTerm:forwarding:within:)``.
        public func register(
            forwarding: Forwarding = .never, within timeout: Duration? = nil
        ) async throws(RaftError) -> SessionID {
            try await perform(.register(limits), forwarding, timeout)
        }

        /// Says that the client is there, and has every reply below `lowestUnanswered`. Every command says so, too.
        ///
        /// - Throws: ``RaftError/Code/sessionExpired``; and as ``register(forwarding:within:)``.
        public func keepAlive(
            _ session: SessionID, lowestUnanswered: UInt64, forwarding: Forwarding = .never,
            within timeout: Duration? = nil
        ) async throws(RaftError) {
            _ = try await perform(.keepAlive(session, lowestUnanswered: lowestUnanswered), forwarding, timeout)
        }

        /// Ends a session; harmless when it has ended.
        public func close(
            _ session: SessionID, forwarding: Forwarding = .never, within timeout: Duration? = nil
        ) async throws(RaftError) { _ = try await perform(.close(session), forwarding, timeout) }

        /// As ``register(forwarding:within:)``, without a task.
        public func register(
            forwarding: Forwarding = .never, within timeout: Duration? = nil,
            completion: @escaping @Sendable (Result<SessionID, RaftError>) -> Void
        ) {
            _ = post(.register(limits), forwarding, timeout, completion)
        }

        /// As ``keepAlive(_:lowestUnanswered:forwarding:within:)``, without a task.
        public func keepAlive(
            _ session: SessionID, lowestUnanswered: UInt64, forwarding: Forwarding = .never,
            within timeout: Duration? = nil,
            completion: @escaping @Sendable (Result<SessionID, RaftError>) -> Void
        ) {
            _ = post(.keepAlive(session, lowestUnanswered: lowestUnanswered), forwarding, timeout, completion)
        }

        /// As ``close(_:forwarding:within:)``, without a task.
        public func close(
            _ session: SessionID, forwarding: Forwarding = .never, within timeout: Duration? = nil,
            completion: @escaping @Sendable (Result<SessionID, RaftError>) -> Void
        ) {
            _ = post(.close(session), forwarding, timeout, completion)
        }

        /// Those that this node has applied, in order of their ids. It may lag behind.
        public func list(completion: @escaping @Sendable ([SessionSummary]) -> Void) {
            node.applier.listSessions(completion)
        }

        private var limits: SessionLimits { SessionLimits(node.settings) }

        private func perform(
            _ order: SessionOrder, _ forwarding: Forwarding, _ timeout: Duration?
        ) async throws(RaftError) -> SessionID {
            let slot = TicketSlot(outcomeIfCancelled: .unknown)
            return try await waiting(slot) { done in slot.set(post(order, forwarding, timeout, done)) }
        }

        private func post(
            _ order: SessionOrder, _ forwarding: Forwarding, _ timeout: Duration?,
            _ completion: @escaping @Sendable (Result<SessionID, RaftError>) -> Void
        ) -> SessionTicket {
            let ticket = SessionTicket(completion)
            let proposal = Proposal(
                kind: .session, payload: order.encoded, ticket: ticket,
                forward: forwarding.forward(ticket, deadline: timeout.map { node.loop.now + $0 }))
            node.offer(.propose(proposal), ticket)
            node.deadlines.add(ticket, within: timeout, "there was no result", outcome: .unknown)
            return ticket
        }
    }
}

extension SessionLimits {
    /// Those that a leader with these settings gives to a session.
    init(_ settings: Configuration) {
        self.init(
            sessions: UInt32(clamping: settings.maximumSessions),
            replies: UInt32(clamping: settings.maximumSessionReplies),
            replyBytes: UInt32(clamping: settings.maximumSessionReplyBytes))
    }
}
