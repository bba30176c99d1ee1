// The vote keeper: the Supervisor's hand for elections.
// Owns one link for questions to each other voter.
// Takes from the candidate's turn whom to ask what; the answers go straight to the node's mailbox.
// Never repeats a question: a candidate that hears nothing begins a new round.
// Started by the Supervisor; ends with the node.

actor VoteKeeper {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    private let loop: any Loop
    private let mailbox: Mailbox<Message>
    private let transport: any Transport
    private let address: @Sendable (NodeID) -> String?
    private var callers: [(peer: NodeID, caller: VoteCaller)] = []

    init(
        loop: any Loop, mailbox: Mailbox<Message>, transport: any Transport,
        address: @escaping @Sendable (NodeID) -> String?
    ) {
        self.loop = loop
        self.mailbox = mailbox
        self.transport = transport
        self.address = address
        unownedExecutor = loop.asUnownedSerialExecutor()
    }

    func ask(_ voters: [NodeID], _ request: VoteRequest) {
        for voter in voters {
            guard let address = address(voter) else { continue }
            caller(voter, address).ask(.vote(request))
        }
    }

    private func caller(_ peer: NodeID, _ address: String) -> VoteCaller {
        if let at = callers.firstIndex(where: { $0.peer == peer }) {
            let known = callers[at].caller
            if !known.isClosed, known.address == address { return known }
            known.close()
            callers.remove(at: at)
        }
        let caller = VoteCaller(peer: peer, address: address, mailbox: mailbox)
        callers.append((peer, caller))
        caller.begin(transport)
        return caller
    }

    func closeAll() {
        for (_, caller) in callers { caller.close() }
        callers = []
    }
}
