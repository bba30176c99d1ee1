internal import Raft

/// One message on its way, as filters and counters see it.
struct Traffic {
    /// What kind of message it is.
    enum Kind: String, CaseIterable {
        case preVotes = "pre-votes"
        case preVoteReplies = "pre-vote replies"
        case votes
        case voteReplies = "vote replies"
        case appends
        case appendReplies = "append replies"
        case heartbeats
        case heartbeatReplies = "heartbeat replies"
        case timeoutNows = "timeout-nows"
        case snapshots
        case snapshotReplies = "snapshot replies"
        case readIndexes = "read-index questions"
        case readIndexReplies = "read-index replies"
        case forwards = "forwarded writes"
        case forwardReplies = "replies to forwarded writes"
    }

    let from: NodeID
    let to: NodeID
    let kind: Kind

    init(_ request: PeerRequest, to: NodeID) {
        from = request.sender
        self.to = to
        kind =
            switch request {
            case .vote(let vote): vote.phase == .preVote ? .preVotes : .votes
            case .append: .appends
            case .heartbeat: .heartbeats
            case .timeoutNow: .timeoutNows
            case .snapshot: .snapshots
            case .readIndex: .readIndexes
            case .forward: .forwards
            }
    }

    init(_ reply: PeerReply, from: NodeID, to: NodeID) {
        self.from = from
        self.to = to
        kind =
            switch reply {
            case .vote(let vote): vote.phase == .preVote ? .preVoteReplies : .voteReplies
            case .append: .appendReplies
            case .heartbeat: .heartbeatReplies
            case .snapshot: .snapshotReplies
            case .readIndex: .readIndexReplies
            case .forward: .forwardReplies
            }
    }
}

/// Lets through, drops or keeps back what is sent, by kind and direction, and counts all of it.
final class TrafficControl: @unchecked Sendable {
    // @unchecked: as the scheduler.
    enum Action { case drop, hold }

    /// Which messages a rule is about.
    struct Filter {
        var kinds: Set<Traffic.Kind>
        var pairs: Set<SimulatedNetwork.Pair>
        func matches(_ traffic: Traffic) -> Bool {
            kinds.contains(traffic.kind) && pairs.contains(.init(from: traffic.from, to: traffic.to))
        }
    }

    private struct Rule {
        var action: Action
        var filter: Filter
        /// How many messages it still applies to; nil for no end.
        var remaining: Int?
    }
    private var rules: [Rule] = []
    private var held: [() -> Void] = []
    private(set) var sent: [Traffic] = []

    init(_ network: SimulatedNetwork) { network.gate = { [unowned self] in admit($0, $1) } }

    var heldCount: Int { held.count }

    private func admit(_ traffic: Traffic, _ pass: @escaping () -> Void) -> Bool {
        sent.append(traffic)
        guard let at = rules.firstIndex(where: { $0.filter.matches(traffic) }) else { return true }
        if rules[at].action == .hold { held.append(pass) }
        if let remaining = rules[at].remaining {
            if remaining > 1 { rules[at].remaining = remaining - 1 } else { rules.remove(at: at) }
        }
        return false
    }

    func add(_ action: Action, _ filter: Filter, count: Int? = nil) {
        rules.append(Rule(action: action, filter: filter, remaining: count))
    }

    /// From now on these pass again.
    func letPass(_ filter: Filter) {
        for at in rules.indices where !rules[at].filter.kinds.isDisjoint(with: filter.kinds) {
            rules[at].filter.pairs.subtract(filter.pairs)
        }
        rules.removeAll { $0.filter.pairs.isEmpty }
    }

    func letAllPass() { rules = [] }

    enum Order { case asSent, reversed, twice }

    /// Sends on what was kept back.
    func release(_ order: Order) {
        let bodies = held
        held = []
        switch order {
        case .asSent: for body in bodies { body() }
        case .reversed: for body in bodies.reversed() { body() }
        case .twice: for body in bodies + bodies { body() }
        }
    }

    /// How many messages like these were sent since `mark`, a former ``sent`` count.
    func count(_ filter: Filter, since mark: Int) -> Int { sent[mark...].count(where: filter.matches) }
}
