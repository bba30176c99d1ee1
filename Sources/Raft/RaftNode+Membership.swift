extension RaftNode {
    /// Who belongs to the cluster, and how to change that.
    public var membership: Membership { Membership(node: self) }

    /// Changes of the membership (§6). Only the leader makes them, one at a time; each is done when it is committed.
    ///
    /// A call that ends without an answer (``RaftError/Code/outcomeUnknown``, ``RaftError/Code/deadlineExceeded``,
    /// ``RaftError/Code/cancelled``) may still take effect: look at ``current`` before asking again.
    public struct Membership: Sendable {
        let node: RaftNode

        /// The configuration in force here, committed or not; nil on a node that belongs to no cluster yet.
        public var current: ClusterConfiguration? { node.status.configuration }
        /// Names it, for a change that is only to be made if nobody else has made one.
        public var currentID: LogID { node.status.configurationID }

        /// Takes a node in as a learner: it gets the log, and does not vote. Adding a member again does nothing.
        ///
        /// The node must be new, or must have been removed and come with an empty data directory.
        ///
        /// - Parameters:
        ///   - blocking: wait until it has caught up to within ``Configuration/maximumReplicationLag`` and can be
        ///     promoted.
        ///   - promotedWhenReady: whether it is given a vote by itself once it has caught up and is steady, by this leader
        ///     or a later one; nil for what ``Configuration/promotesLearners`` of the leader says.
        ///   - seen: only if the configuration is still the one of this entry; see ``currentID``.
        ///   - timeout: how long to wait; nil for as long as it takes.
        /// - Throws: ``RaftError/Code/notLeader``, ``RaftError/Code/changeInProgress``,
        ///   ``RaftError/Code/notCommittedInTerm``, ``RaftError/Code/membershipChanged``,
        ///   ``RaftError/Code/invalidConfiguration``, ``RaftError/Code/overloaded``, ``RaftError/Code/stopped``:
        ///   nothing happened. Those without an answer, see above.
        public func add(
            _ id: NodeID, at address: String, blocking: Bool = false, promotedWhenReady: Bool? = nil,
            ifUnchangedSince seen: LogID? = nil, timeout: Duration? = nil
        ) async throws(RaftError) {
            try await perform(
                .add(id, address: address, promotedWhenReady: promotedWhenReady), blocking: blocking,
                ifUnchangedSince: seen, timeout: timeout)
        }

        /// Lets a learner be given a vote by itself once it has caught up and has been steady for
        /// ``Configuration/steadyInterval``, or no longer. Kept through changes of the leader; over once it votes.
        ///
        /// - Throws: ``RaftError/Code/notALearner``, ``RaftError/Code/unknownNode``; and as
        ///   ``add(_:at:blocking:promotedWhenReady:ifUnchangedSince:timeout:)``.
        public func promoteWhenReady(
            _ id: NodeID, _ isWanted: Bool = true, ifUnchangedSince seen: LogID? = nil, timeout: Duration? = nil
        ) async throws(RaftError) {
            try await perform(.promoteWhenReady(id, isWanted), ifUnchangedSince: seen, timeout: timeout)
        }

        /// Gives a learner a vote.
        ///
        /// - Throws: ``RaftError/Code/learnerLags``, ``RaftError/Code/notALearner``, ``RaftError/Code/unknownNode``;
        ///   and as ``add(_:at:blocking:promotedWhenReady:ifUnchangedSince:timeout:)``.
        public func promote(
            _ id: NodeID, ifUnchangedSince seen: LogID? = nil, timeout: Duration? = nil
        ) async throws(RaftError) {
            try await perform(.promote(id), ifUnchangedSince: seen, timeout: timeout)
        }

        /// Takes a voter's vote; it stays as a learner.
        ///
        /// - Throws: ``RaftError/Code/notAVoter``, ``RaftError/Code/unknownNode``,
        ///   ``RaftError/Code/emptyMembership``; and as ``add(_:at:blocking:promotedWhenReady:ifUnchangedSince:timeout:)``.
        public func demote(
            _ id: NodeID, ifUnchangedSince seen: LogID? = nil, timeout: Duration? = nil
        ) async throws(RaftError) {
            try await perform(.demote(id), ifUnchangedSince: seen, timeout: timeout)
        }

        /// Takes a member out, voter or learner, alive or dead. A leader may take itself out: it leads until that is
        /// committed.
        ///
        /// - Throws: ``RaftError/Code/unknownNode``, ``RaftError/Code/emptyMembership``; and as
        ///   ``add(_:at:blocking:promotedWhenReady:ifUnchangedSince:timeout:)``.
        public func remove(
            _ id: NodeID, ifUnchangedSince seen: LogID? = nil, timeout: Duration? = nil
        ) async throws(RaftError) {
            try await perform(.remove(id), ifUnchangedSince: seen, timeout: timeout)
        }

        /// Makes these members the voters, all at once. Who loses its vote by that goes, or stays as a learner.
        ///
        /// - Throws: ``RaftError/Code/learnerLags``, ``RaftError/Code/unknownNode``,
        ///   ``RaftError/Code/emptyMembership``; and as ``add(_:at:blocking:promotedWhenReady:ifUnchangedSince:timeout:)``.
        public func replaceVoters(
            with voters: [NodeID], keepingOthers: Bool = false, ifUnchangedSince seen: LogID? = nil,
            timeout: Duration? = nil
        ) async throws(RaftError) {
            try await perform(
                .replaceVoters(voters, keepingOthers: keepingOthers), ifUnchangedSince: seen, timeout: timeout)
        }

        /// Says where a member listens from now on.
        ///
        /// - Throws: ``RaftError/Code/unknownNode``; and as ``add(_:at:blocking:promotedWhenReady:ifUnchangedSince:timeout:)``.
        public func changeAddress(
            of id: NodeID, to address: String, ifUnchangedSince seen: LogID? = nil, timeout: Duration? = nil
        ) async throws(RaftError) {
            try await perform(.changeAddress(id, to: address), ifUnchangedSince: seen, timeout: timeout)
        }

        /// Lets leaders serve reads by a lease (``ReadConsistency/lease``), or ends that: voters elect nobody else for
        /// `window`, on their own clocks, after they have heard a leader. A voter that has just started waits so long
        /// before it votes.
        ///
        /// - Parameter window: above zero, and not above the lower bound of any node's
        ///   ``Configuration/electionTimeout``; less what clocks may drift it must be longer than a heartbeat. Nil for no
        ///   leases.
        /// - Throws: ``RaftError/Code/invalidConfiguration``; and as
        ///   ``add(_:at:blocking:ifUnchangedSince:timeout:)``.
        public func allowLeases(
            _ window: Duration?, ifUnchangedSince seen: LogID? = nil, timeout: Duration? = nil
        ) async throws(RaftError) {
            try await perform(.allowLeases(window), ifUnchangedSince: seen, timeout: timeout)
        }

        /// Ends a change of voters that is under way with other voters: the old ones, to take it back, or any others.
        /// Whoever asked for it first is told ``RaftError/Code/changeRedirected``.
        ///
        /// - Throws: ``RaftError/Code/notInProgress``, ``RaftError/Code/learnerLags``,
        ///   ``RaftError/Code/unknownNode``, ``RaftError/Code/emptyMembership``; and as
        ///   ``add(_:at:blocking:promotedWhenReady:ifUnchangedSince:timeout:)``.
        public func redirect(to voters: [NodeID], timeout: Duration? = nil) async throws(RaftError) {
            try await perform(.redirect(to: voters), timeout: timeout)
        }

        /// Any of these changes.
        public func perform(
            _ request: MembershipRequest, blocking: Bool = false, ifUnchangedSince seen: LogID? = nil,
            timeout: Duration? = nil
        ) async throws(RaftError) {
            let slot = TicketSlot(outcomeIfCancelled: .unknown)
            try await waiting(slot) { done in
                let ticket = CompletionTicket(done)
                post(request, blocking, seen, timeout, ticket)
                slot.set(ticket)
            }
        }

        /// As ``perform(_:blocking:ifUnchangedSince:timeout:)``, without a task. `completion` is called once, on any
        /// thread.
        public func perform(
            _ request: MembershipRequest, blocking: Bool = false, ifUnchangedSince seen: LogID? = nil,
            timeout: Duration? = nil, completion: @escaping @Sendable (Result<Void, RaftError>) -> Void
        ) {
            post(request, blocking, seen, timeout, CompletionTicket(completion))
        }

        private func post(
            _ request: MembershipRequest, _ isBlocking: Bool, _ seen: LogID?, _ timeout: Duration?,
            _ ticket: CompletionTicket
        ) {
            let order = MembershipOrder(
                request: request, isBlocking: isBlocking, ifUnchangedSince: seen, timeout: timeout, ticket: ticket)
            node.offer(.changeMembership(order), ticket)
        }
    }
}
