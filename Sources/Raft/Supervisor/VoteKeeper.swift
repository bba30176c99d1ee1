// The vote keeper: the Supervisor's hand for elections.
// Owns one link for questions to each other voter, or to the leader.
// Takes from a candidate's or a follower's turn whom to ask what; the answers go straight to the node's mailbox.
// Never repeats a question: who hears nothing asks again.
// Started by the Supervisor; ends with the node.

actor VoteKeeper {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    private let loop: any Loop
    private let mailbox: Mailbox<Message>
    private let transport: any Transport
    private let address: @Sendable (NodeID) -> String?
    /// Whether this life of a voter is the one whose vote counts by the configuration in force.
    private let isVoter: @Sendable (NodeID, Incarnation) -> Bool
    private var callers: [(peer: NodeID, caller: VoteCaller)] = []

    init(
        loop: any Loop, mailbox: Mailbox<Message>, transport: any Transport,
        address: @escaping @Sendable (NodeID) -> String?,
        isVoter: @escaping @Sendable (NodeID, Incarnation) -> Bool = { _, _ in true }
    ) {
        self.loop = loop
        self.mailbox = mailbox
        self.transport = transport
        self.address = address
        self.isVoter = isVoter
        unownedExecutor = loop.asUnownedSerialExecutor()
    }

    func ask(_ voters: [NodeID], _ request: VoteRequest) {
        for (peer, caller) in callers where !voters.contains(peer) { caller.close() }
        callers.removeAll { !voters.contains($0.peer) }
        for voter in voters {
            guard let address = address(voter) else { continue }
            caller(voter, address).ask(.vote(request))
        }
    }

    /// One question to one member, beside the links to the others.
    func ask(_ member: NodeID, _ request: PeerRequest) {
        guard let address = address(member) else { return }
        caller(member, address).ask(request)
    }

    /// Looks once whether the leader's address refuses a connection; whatever else comes of it says nothing.
    func probe(_ suspicion: Suspicion) {
        guard let address = address(suspicion.leader) else { return }
        transport.probe(suspicion.leader, at: address) { [mailbox] in mailbox.post(.found(suspicion)) }
    }

    private func caller(_ peer: NodeID, _ address: String) -> VoteCaller {
        if let at = callers.firstIndex(where: { $0.peer == peer }) {
            let known = callers[at].caller
            // A link outlives changes of the members: what was admitted when it was opened is looked at again.
            let isCounted = known.incarnation.map { isVoter(peer, $0) } ?? true
            if !known.isClosed, known.address == address, isCounted { return known }
            known.close()
            callers.remove(at: at)
        }
        let caller = VoteCaller(peer: peer, address: address, mailbox: mailbox) { [isVoter] in isVoter(peer, $0) }
        callers.append((peer, caller))
        caller.begin(transport)
        return caller
    }

    func closeAll() {
        for (_, caller) in callers { caller.close() }
        callers = []
    }
}
