// The forward keeper: the Supervisor's hand for writes that came to a node that does not lead.
// Owns one link for them to the leader, and the one to the leader before until what went there is answered.
// Takes from a turn which command is for which leader; results go from the link straight to the callers.
// Never sends a command twice, and none that came from another member.
// Started by the Supervisor; ends with the node.

actor ForwardKeeper {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    private let loop: any Loop
    private let transport: any Transport
    private let settings: Configuration
    private var link: ForwardLink?
    private var earlier: ForwardLink?

    init(loop: any Loop, transport: any Transport, settings: Configuration) {
        self.loop = loop
        self.transport = transport
        self.settings = settings
        unownedExecutor = loop.asUnownedSerialExecutor()
    }

    func forward(_ proposal: Proposal, to leader: LeaderHint) {
        guard let call = proposal.forward, let address = leader.address else {
            return proposal.ticket.fail(
                RaftError(.notLeader, "node \(leader.id) leads, and its address is not known here", leader: leader))
        }
        guard !proposal.ticket.isSettled else { return }
        if let refusal = refusal(of: proposal) { return proposal.ticket.fail(refusal) }
        settings.reached(.writeForwarded)
        link(to: leader, at: address).forward(proposal, call)
    }

    private func refusal(of proposal: Proposal) -> RaftError? {
        var load = ForwardLink.Load()
        for link in [link, earlier].compactMap({ $0 }) { load.add(link.load) }
        if isAbove(load, proposal) {
            // Whose deadline has passed, or who was cancelled, waits no more.
            load = ForwardLink.Load()
            for link in [link, earlier].compactMap({ $0 }) { load.add(link.dropSettled()) }
        }
        guard isAbove(load, proposal) else { return nil }
        settings.reached(.overloaded)
        return RaftError(
            .overloaded,
            "\(load.count) writes of \(load.bytes) bytes wait for the leader's answer; the limits are \(settings.maximumForwardedCalls) (maximumForwardedCalls) and \(settings.maximumForwardedBytes) (maximumForwardedBytes). Try again soon, or ask the leader itself"
        )
    }

    private func isAbove(_ load: ForwardLink.Load, _ proposal: Proposal) -> Bool {
        load.count >= settings.maximumForwardedCalls
            || (load.count > 0 && load.bytes + proposal.payload.count > settings.maximumForwardedBytes)
    }

    private func link(to leader: LeaderHint, at address: String) -> ForwardLink {
        if let link, !link.isClosed, link.leader == leader { return link }
        earlier?.close("another node leads")
        earlier = link
        earlier?.retire()
        let link = ForwardLink(settings, leader: leader, loop: loop)
        self.link = link
        link.begin(transport, at: address)
        return link
    }

    func closeAll() {
        for link in [link, earlier].compactMap({ $0 }) { link.close("node \(settings.id) has stopped") }
        link = nil
        earlier = nil
    }
}
