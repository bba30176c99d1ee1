extension RaftNode where Machine.Output: ReplicatedOutput {
    /// As ``propose(_:)``, as a command of a session: applied at most once, however often and at whatever node it is
    /// proposed (dissertation §6.3).
    ///
    /// When the outcome is not known, propose the same command with the same request again, here or at the next
    /// leader: what comes back is what the first one that was applied gave. ``SessionNumbers`` makes the requests.
    ///
    /// - Throws: as ``propose(_:)``, and ``RaftError/Code/sessionExpired``, ``RaftError/Code/replyDropped``: it was not
    ///   applied now, but an attempt before may have been. ``RaftError/Code/overloaded`` also when more than
    ///   ``Configuration/maximumSessionReplies`` commands of the session are not acknowledged.
    public func propose(
        _ command: Machine.Command, in request: SessionRequest
    ) async throws(RaftError) -> Machine.Output {
        let slot = TicketSlot()
        return try await waiting(slot) { done in
            let ticket = OutputTicket(done)
            self.post(command, in: request, ticket)
            slot.set(ticket)
        }
    }

    /// As ``propose(_:in:)``, without a task.
    public func propose(
        _ command: Machine.Command, in request: SessionRequest,
        completion: @escaping @Sendable (Result<Machine.Output, RaftError>) -> Void
    ) {
        post(command, in: request, OutputTicket(completion))
    }

    /// The sessions of clients.
    public var sessions: Sessions { Sessions(node: self) }

    /// Begins and ends sessions. All but ``list(completion:)`` are calls of the leader, and entries of the log.
    public struct Sessions: Sendable {
        let node: RaftNode

        /// Begins a session. A registration whose outcome is unknown may have begun one that nobody uses; it expires.
        ///
        /// - Throws: as ``RaftNode/propose(_:)``.
        public func register() async throws(RaftError) -> SessionID {
            try await perform(.register(limits))
        }

        /// Says that the client is there, and has every reply below `lowestUnanswered`. Every command says so, too.
        ///
        /// - Throws: ``RaftError/Code/sessionExpired``; and as ``RaftNode/propose(_:)``.
        public func keepAlive(_ session: SessionID, lowestUnanswered: UInt64) async throws(RaftError) {
            _ = try await perform(.keepAlive(session, lowestUnanswered: lowestUnanswered))
        }

        /// Ends a session; harmless when it has ended.
        public func close(_ session: SessionID) async throws(RaftError) { _ = try await perform(.close(session)) }

        /// As ``register()``, without a task.
        public func register(completion: @escaping @Sendable (Result<SessionID, RaftError>) -> Void) {
            _ = post(.register(limits), completion)
        }

        /// As ``keepAlive(_:lowestUnanswered:)``, without a task.
        public func keepAlive(
            _ session: SessionID, lowestUnanswered: UInt64,
            completion: @escaping @Sendable (Result<SessionID, RaftError>) -> Void
        ) {
            _ = post(.keepAlive(session, lowestUnanswered: lowestUnanswered), completion)
        }

        /// As ``close(_:)``, without a task.
        public func close(
            _ session: SessionID, completion: @escaping @Sendable (Result<SessionID, RaftError>) -> Void
        ) {
            _ = post(.close(session), completion)
        }

        /// Those that this node has applied, in order of their ids. It may lag behind.
        public func list(completion: @escaping @Sendable ([SessionSummary]) -> Void) {
            node.applier.listSessions(completion)
        }

        private var limits: SessionLimits {
            SessionLimits(
                sessions: UInt32(clamping: node.settings.maximumSessions),
                replies: UInt32(clamping: node.settings.maximumSessionReplies),
                replyBytes: UInt32(clamping: node.settings.maximumSessionReplyBytes))
        }

        private func perform(_ order: SessionOrder) async throws(RaftError) -> SessionID {
            let slot = TicketSlot(outcomeIfCancelled: .unknown)
            return try await waiting(slot) { done in slot.set(post(order, done)) }
        }

        private func post(
            _ order: SessionOrder, _ completion: @escaping @Sendable (Result<SessionID, RaftError>) -> Void
        ) -> SessionTicket {
            let ticket = SessionTicket(completion)
            node.offer(.propose(Proposal(kind: .session, payload: order.encoded, ticket: ticket)), ticket)
            return ticket
        }
    }
}
