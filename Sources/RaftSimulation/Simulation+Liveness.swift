internal import Raft

/// What a cluster owes once nothing goes wrong any more (L1 to L9).
extension Simulation {
    /// The longest election timeout.
    private var timeout: Duration { profile.configuration.electionTimeout.upperBound }

    func conclude() throws(Violation) {
        if profile.isQuietAtEnd {
            // Only what is under way goes on, and what goes wrong.
            rest()
            try run(for: .seconds(2))
        }
        endFaults()
        rest()
        if profile.faults.contains(.rotEverywhere) { return try checkHistory() }

        var core = heal()
        say("healed: \(core.map(\.id))")
        if profile.faults.contains(.churn) { core = try members() }
        let healed = scheduler.now
        try wait(until: healed + timeout * 10 * patience(core) + .seconds(1), "L1", "no leader") { [self] in
            leader(of: core) != nil
        }
        if profile.isQuietAtEnd { try converge(core, "L9", "the logs do not come together while nobody writes") }

        guest?.beginAudit(writes: 10, through: core.map(\.id))
        if guest == nil { workload.beginAudit(writes: 10, through: core) }
        try wait(until: scheduler.now + timeout * 50 + .seconds(10), "L2", "ten writes and reads do not succeed") {
            [self] in guest?.auditIsDone ?? workload.auditIsDone
        }
        if let guest { try come(of: guest, on: core) }
        try converge(core, "L4", "the nodes do not come together")
        try settle(core)
        try stayQuiet(core)
        if profile.hasReturn { try comeBack(core) }
        try checkHistory()
    }

    /// Nobody makes a call any more.
    private func rest() {
        workload.isActive = false
        guest?.rest()
    }

    /// Waits until everything is as the guest wants it.
    private func come(of guest: any SimulationGuest, on core: [SimulatedNode]) throws(Violation) {
        let deadline = scheduler.now + timeout * 50 + .seconds(30)
        let ids = core.map(\.id)
        while let missing = guest.remaining(on: ids) {
            guard scheduler.now <= deadline else { throw failed(missing.invariant, missing.text) }
            try run(for: .milliseconds(100))
        }
    }

    /// Sets everything right: for all nodes whose data is whole, or only for a quorum of them. Returns whom.
    private func heal() -> [SimulatedNode] {
        network.profile.lossPerMille = 0
        network.profile.duplicatePerMille = 0
        network.profile.strayPerMille = 0
        network.profile.delay = 50_000...1_000_000
        network.unclog()
        network.setCut([])
        for node in nodes { node.heal() }
        var core = nodes.filter { !$0.isRotten }
        let others = nodes.filter(\.isRotten)
        for node in others { node.crash(losingPower: false) }
        if profile.healsCoreOnly {
            // Which of them depends on the seed alone.
            var random = RandomSource(seed: seed ^ 0xC0DE)
            var outside: [SimulatedNode] = []
            while core.count > nodes.count / 2 + 1 {
                outside.append(core.remove(at: Int(random.next() % UInt64(core.count))))
            }
            var cut: Set<NodePair> = []
            for node in outside {
                if random.next() % 2 == 0 {
                    node.crash(losingPower: false)
                } else {
                    for other in nodes where other.id != node.id {
                        cut.insert(NodePair(from: node.id, to: other.id))
                        cut.insert(NodePair(from: other.id, to: node.id))
                    }
                }
            }
            network.setCut(cut)
        }
        for node in core { node.start() }
        return core
    }

    /// Who belongs to the cluster in the end: the members that a leader has committed, once what was asked for is
    /// through. No joint configuration is left (L4).
    private func members() throws(Violation) -> [SimulatedNode] {
        // Until every caller has been answered: each waits three seconds at most.
        try run(for: .seconds(4))
        var members: [SimulatedNode] = []
        try wait(until: scheduler.now + timeout * 50 + .seconds(10), "L4", "the members do not come together") {
            [self] in
            let statuses = nodes.compactMap { $0.node?.status }
            guard
                let leader = statuses.filter({ $0.role == .leader }).max(by: { $0.currentTerm < $1.currentTerm }),
                let configuration = leader.configuration, !configuration.isJoint,
                configuration.isVoter(leader.id), leader.commitIndex >= leader.configurationID.index
            else { return false }
            members = nodes.filter { configuration.contains($0.id) }
            return members.allSatisfy { $0.node?.status.configurationID == leader.configurationID }
        }
        say("members: \(members.map(\.id))")
        return members
    }

    /// The one leader that all of these follow.
    private func leader(of core: [SimulatedNode]) -> SimulatedNode? {
        let leaders = core.filter { $0.role == .leader }
        guard leaders.count == 1, let status = leaders[0].node?.status else { return nil }
        let isFollowed = core.allSatisfy {
            $0.node?.status.currentTerm == status.currentTerm && $0.node?.status.leader?.id == status.id
        }
        return isFollowed ? leaders[0] : nil
    }

    /// L4: every node ends with the same log, applied to its end, in the same term and configuration.
    private func converge(_ core: [SimulatedNode], _ invariant: String, _ what: String) throws(Violation) {
        try wait(until: scheduler.now + timeout * 50 + .seconds(10), invariant, what) {
            let statuses = core.compactMap { $0.node?.status }
            guard statuses.count == core.count, statuses.filter({ $0.role == .leader }).count == 1,
                let first = statuses.first
            else { return false }
            return statuses.allSatisfy {
                $0.last == first.last && $0.lastApplied == first.last.index && $0.currentTerm == first.currentTerm
                    && $0.configuration == first.configuration && $0.configuration?.isJoint == false
            }
        }
    }

    /// Who is never to lead waits three times as long before it campaigns, and it may be the only one that can win.
    private func patience(_ core: [SimulatedNode]) -> Int {
        let isPatient = core.contains { $0.node?.status.configuration?.preference(of: $0.id) == .never }
        return isPatient ? 3 : 1
    }

    /// L10: nobody leads who is never to, once another has been there for long; and then a preferred member, if one is
    /// there. That it stays is L1.
    private func settle(_ core: [SimulatedNode]) throws(Violation) {
        func rank(_ node: SimulatedNode) -> LeadershipPreference? {
            node.node?.status.configuration?.preference(of: node.id)
        }
        let voters = core.filter { $0.node?.status.configuration?.isVoter($0.id) == true }
        let isMixed = Set(voters.map(rank)).count > 1
        guard isMixed else { return }
        if voters.contains(where: { rank($0) != .never }) {
            try wait(
                until: scheduler.now + timeout * 30 + .seconds(1), "L10", "one that is never to lead leads on"
            ) { [self] in leader(of: core).map { rank($0) != .never } ?? false }
        }
        guard voters.contains(where: { rank($0) == .preferred }) else { return }
        let settings = profile.configuration
        let end = scheduler.now + (settings.steadyInterval + settings.preferenceInterval) * 3 + timeout * 30
        try wait(until: end, "L10", "no preferred member leads") { [self] in
            leader(of: core).map { rank($0) == .preferred } ?? false
        }
        try converge(core, "L4", "the nodes do not come together after leadership has moved")
    }

    /// L1, L5 and L6: the leader stays, no term grows, and nothing is asked but heartbeats.
    private func stayQuiet(_ core: [SimulatedNode]) throws(Violation) {
        // What an earlier trouble left on its way arrives first: an order to campaign, say, that took two seconds.
        let isLate = profile.network.strayPerMille > 0 || profile.faults.contains(.clogs)
        try run(for: isLate ? max(timeout * 4, .milliseconds(2500)) : timeout)
        try wait(until: scheduler.now + timeout * 10, "L1", "no leader") { [self] in leader(of: core) != nil }
        try run(for: timeout)
        guard let before = leader(of: core)?.node?.status else {
            throw failed("L1", "the leader did not stay")
        }
        let sent = network.requestCount
        let window = profile.hasLongWindows ? timeout * 20 : timeout * 3
        try run(for: window)
        guard let after = leader(of: core)?.node?.status, after.id == before.id else {
            throw failed("L1", "node \(before.id) led term \(before.currentTerm) and did not stay")
        }
        guard after.currentTerm == before.currentTerm else {
            throw failed("L5", "term \(before.currentTerm) grew to \(after.currentTerm) while nothing went wrong")
        }
        let beats = Int(window / profile.configuration.heartbeatInterval) + 2
        // Sessions that nobody uses any more end meanwhile.
        let budget = beats * (nodes.count - 1) * 11 / 10 + before.sessions.sessions * (nodes.count - 1) * 3
        // A guest's watchers may still look for another node.
        guard guest != nil || network.requestCount - sent <= budget else {
            throw failed(
                "L6", "\(network.requestCount - sent) requests in \(window) of quiet; heartbeats alone are \(budget)")
        }
    }

    /// L8: a follower that was cut off for a while comes back without unseating a healthy leader.
    private func comeBack(_ core: [SimulatedNode]) throws(Violation) {
        guard core.count > nodes.count / 2 + 1, let leader = leader(of: core),
            let lone = core.first(where: { $0.id != leader.id }), let term = leader.node?.status.currentTerm
        else { return }
        let previous = network.cut
        var cut = previous
        for other in nodes where other.id != lone.id {
            cut.insert(NodePair(from: lone.id, to: other.id))
            cut.insert(NodePair(from: other.id, to: lone.id))
        }
        say("cut off once more: \(lone.id)")
        network.setCut(cut)
        try run(for: timeout * 5)
        network.setCut(previous)
        try converge(core, "L8", "node \(lone.id), cut off for a while, does not come back")
        try wait(until: scheduler.now + timeout * 10 + .seconds(5), "L8", "node \(lone.id) does not come back") {
            [self] in
            self.leader(of: core) != nil
        }
        guard self.leader(of: core)?.id == leader.id, leader.node?.status.currentTerm == term else {
            throw failed("L8", "node \(lone.id), cut off for a while, unseated the leader \(leader.id) of term \(term)")
        }
    }

    /// L3, I7, I18, I19, I23, and I16 for every call that was ever made.
    private func checkHistory() throws(Violation) {
        if let guest {
            guest.judge(isCutShort: profile.faults.contains(.rotEverywhere))
            if let violation = checker.violation { throw violation }
            return
        }
        workload.checkOutcomes(isCutShort: profile.faults.contains(.rotEverywhere))
        if let violation = checker.violation { throw violation }
        // The log's own order is a witness in nearly every run; where it is not, any other order will do.
        if workload.logOrderIsWitness() { return }
        switch LinearizabilityChecker().check(workload.history) {
        case .linearizable: break
        case .notLinearizable(let key, let explanation):
            throw Violation(invariant: "I16", text: "the calls on \(key) are not linearizable:\n\(explanation)")
        case .undecided(let key):
            throw Violation(invariant: "I16", text: "the calls on \(key) are too many to be judged")
        }
    }

    // MARK: Waiting

    func run(for duration: Duration) throws(Violation) {
        let end = scheduler.now + duration
        // Where every node is down, time passes all the same.
        scheduler.schedule(after: duration.nanoseconds) {}
        while scheduler.now < end { try step() }
    }

    private func wait(
        until deadline: Instant, _ invariant: String, _ what: String, for condition: () -> Bool
    ) throws(Violation) {
        while !condition() {
            try step()
            if scheduler.now > deadline { throw failed(invariant, "after healing: \(what)") }
        }
    }

    private func failed(_ invariant: String, _ what: String) -> Violation {
        Violation(invariant: invariant, text: what + nodes.map { "\n  " + $0.line }.joined())
    }
}
