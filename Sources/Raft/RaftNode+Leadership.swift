extension RaftNode {
    /// Who leads, who should, and how to pass leadership on.
    public var leadership: Leadership { Leadership(node: self) }

    /// The office of the leader (dissertation §3.10). Only the leader passes it on.
    public struct Leadership: Sendable {
        let node: RaftNode

        /// Who leads, as far as this node knows.
        public var current: LeaderHint? { node.status.leader }

        /// Who should lead, may, or must not: of every member, as the configuration in force here says.
        public func preference(of id: NodeID) -> LeadershipPreference {
            node.status.configuration?.preference(of: id) ?? .ordinary
        }

        /// Passes leadership to `target`, or to the fittest other voter. Returns once this node no longer leads, because
        /// the other was told to campaign and a later term has begun.
        ///
        /// Takes at most the least election timeout (``Configuration/electionTimeout``): writes are refused and reads
        /// wait for as long. Then this node leads on, and says why; the other may still campaign later, when the order
        /// was held up on its way.
        ///
        /// - Throws: ``RaftError/Code/alreadyLeader``, ``RaftError/Code/unknownNode``, ``RaftError/Code/notAVoter``,
        ///   ``RaftError/Code/mayNotLead``, ``RaftError/Code/targetSilent``, ``RaftError/Code/targetLags``,
        ///   ``RaftError/Code/noSuccessor``, ``RaftError/Code/transferInProgress``,
        ///   ``RaftError/Code/changeInProgress``, ``RaftError/Code/transferTimedOut``: this node leads on.
        ///   ``RaftError/Code/notLeader``, ``RaftError/Code/overloaded``, ``RaftError/Code/stopped``: nothing happened.
        ///   ``RaftError/Code/transferFailed``: it was lost meanwhile, and not by this.
        public func transfer(to target: NodeID? = nil) async throws(RaftError) {
            try await waiting { done in transfer(to: target, completion: done) }
        }

        /// As ``transfer(to:)``, without a task. `completion` is called once, on any thread.
        public func transfer(
            to target: NodeID? = nil, completion: @escaping @Sendable (Result<Void, RaftError>) -> Void
        ) {
            let ticket = CompletionTicket(completion)
            node.offer(.transfer(to: target, ticket), ticket)
        }

        /// Says whether a member should lead, may lead, or must not. Returns once that is committed; leadership moves
        /// later, if at all: see ``LeadershipPreference``.
        ///
        /// Every member must run a version that knows of preferences: an older one cannot read the entry.
        ///
        /// - Throws: ``RaftError/Code/invalidConfiguration`` when no voter would be left that may lead; and as
        ///   ``RaftNode/Membership/changeAddress(of:to:ifUnchangedSince:timeout:)``.
        public func prefer(
            _ id: NodeID, _ preference: LeadershipPreference = .preferred, timeout: Duration? = nil
        ) async throws(RaftError) {
            try await node.membership.perform(.prefer(id, preference), timeout: timeout)
        }
    }
}
