internal import Raft

/// One run of a scenario: does what each line says, in order.
final class ScenarioRun: @unchecked Sendable {
    // @unchecked: as the scheduler.
    let world: ScenarioWorld
    private let name: String
    private var names: [String: NodeID] = [:]
    private var marks: [String: Mark] = [:]
    /// The newest question of a ghost, and how many answers it had had before.
    private var asked: (ghost: Ghost, request: PeerRequest, answerCount: Int)?
    /// For how long a line waits that waits for something that must come.
    private let patience = Duration.seconds(5)

    /// A moment to look back at.
    private struct Mark {
        var sentCount: Int
        var terms: [NodeID: Term]
        var leader: NodeID?
    }

    /// Why a line did not come true.
    struct Untrue: Error {
        var reason: String
    }

    init(name: String, settings: ScenarioSettings) throws {
        self.name = name
        world = try ScenarioWorld(settings)
    }

    func perform(_ lines: [ScenarioLine]) throws(ScenarioFailure) {
        for line in lines {
            if case .repeatBlock(let times, let body) = line.statement {
                for _ in 0..<times { try perform(body) }
                continue
            }
            do { try perform(line.statement) } catch {
                let reason = (error as? Untrue)?.reason ?? "\(error)"
                throw ScenarioFailure(
                    name: name, line: line.number, text: line.text, reason: reason, nodes: world.nodes.map(describe))
            }
        }
    }

    private func describe(_ node: SimulatedNode) -> String {
        let log = node.checker.mirrors[node.id]?.ids.dropFirst() ?? []
        let kept = "on disk: \(node.checker.mirrors[node.id]?.hardState.description ?? ""), log \(log.suffix(12))"
        return "\(world.ghosts[node.id] == nil ? node.line : "node \(node.id): ghost"); \(kept)"
    }

    private func perform(_ statement: Statement) throws {
        switch statement {
        case .setting, .repeatBlock, .endRepeat: break  // Done before anything runs.
        case .start, .crash, .stop, .pause, .resume, .disk, .recover, .campaign, .onlyCampaigns, .allCampaign:
            try process(statement)
        case .cut, .split, .heal, .filter, .letPass, .letAllPass, .release: try network(statement)
        case .session, .close, .retry, .acknowledge: try sessions(statement)
        case .put(.one(let key, let value), let at, let session?, let name):
            guard world.calls.put(key, value, in: session, at: try running(at), name: name) else {
                throw Untrue(reason: "there is no session \(session)")
            }
        case .put(let spec, let at, _, let name):
            let node = try running(at)
            switch spec {
            case .one(let key, let value): world.calls.put(key, value, at: node, name: name)
            case .many(let count):
                for number in 0..<count { world.calls.put("many", "\(number)", at: node, name: name) }
            }
        case .read(let key, let at, let consistency, let name):
            world.calls.read(key, at: try running(at), consistency, name: name)
        case .at(let timed):
            let left = timed.time - world.scheduler.nanoseconds
            guard left >= 0 else {
                throw Untrue(reason: "that moment is over: it is \(Fault.text(world.scheduler.nanoseconds))")
            }
            _ = try world.run(for: .nanoseconds(left))
            timed.fault.happen(to: world.realNodes, on: world.network)
        case .transfer(let from, let to, let name):
            world.calls.transfer(at: try running(from), to: try to.map(resolve), name: name)
        case .now(let fault): fault.happen(to: world.realNodes, on: world.network)
        case .ask(let at, let request, let isGuarded, let name):
            world.calls.ask(request, at: try running(at), isGuarded: isGuarded, name: name)
        case .snapshot(let at, let name): world.calls.snapshot(at: try running(at), name: name)
        case .push(let to, let at, let name):
            world.calls.push(to: try to.map(resolve), at: try running(at), name: name)
        case .ghost(let set, let action):
            for id in try resolve(set) {
                guard let ghost = world.ghosts[id] else { throw Untrue(reason: "node \(id) is no ghost") }
                try perform(action, by: ghost)
            }
        case .wait(let duration): _ = try world.run(for: duration)
        case .mark(let name):
            let terms = world.nodes.map { ($0.id, $0.term) }
            marks[name] = Mark(
                sentCount: world.traffic.sent.count, terms: Dictionary(uniqueKeysWithValues: terms),
                leader: world.leader?.id)
        case .name(let name, let node): names[name] = try resolve(node)
        case .expect, .within, .throughout: try check(statement)
        case .expectAnswer(let answer): try expect(answer)
        case .finally(let without): try converge(without: Set(try without.map { try resolve($0) } ?? []))
        }
    }

    // MARK: Names

    func resolve(_ name: NodeName) throws -> NodeID {
        switch name {
        case .id(let id):
            guard world.settings.ids.contains(id) else { throw Untrue(reason: "there is no node \(id)") }
            return id
        case .leader:
            guard let leader = world.leader else { throw Untrue(reason: "nobody leads") }
            return leader.id
        case .named(let name):
            guard let id = names[name] else { throw Untrue(reason: "no node is called \(name)") }
            return id
        }
    }

    func resolve(_ set: NodeSet, besides: [NodeID] = []) throws -> [NodeID] {
        switch set {
        case .all: world.settings.ids
        case .others: world.settings.ids.filter { !besides.contains($0) }
        case .names(let names): try names.map(resolve)
        }
    }

    /// Everyone at one end paired with everyone at the other.
    private func pairs(_ from: NodeSet, _ to: NodeSet) throws -> Set<SimulatedNetwork.Pair> {
        var ends = (try resolve(from), try resolve(to))
        if case .others = from { ends.0 = try resolve(from, besides: ends.1) }
        if case .others = to { ends.1 = try resolve(to, besides: ends.0) }
        return Set(ends.0.flatMap { a in ends.1.filter { $0 != a }.map { .init(from: a, to: $0) } })
    }

    private func running(_ name: NodeName) throws -> RaftNode<SimulatedStore> {
        let id = try resolve(name)
        guard let node = world.node(id).storeNode else { throw Untrue(reason: "node \(id) is down") }
        return node
    }

    private func sessions(_ statement: Statement) throws {
        switch statement {
        case .session(let name, let at): world.calls.register(name, at: try running(at))
        case .close(let session, let at, let name):
            guard world.calls.close(session, at: try running(at), name: name) else {
                throw Untrue(reason: "there is no session \(session)")
            }
        case .retry(let call, let at, let name):
            guard world.calls.retry(call, at: try running(at), name: name) else {
                throw Untrue(reason: "\(call) is no write of a session")
            }
        case .acknowledge(let call):
            guard world.calls.acknowledge(call) else { throw Untrue(reason: "\(call) is no write of a session") }
        default: break
        }
    }

    // MARK: Faults

    private func process(_ statement: Statement) throws {
        switch statement {
        case .start(let set): for id in try resolve(set) { world.start(id) }
        case .crash(let set, let losingPower, let changes):
            for id in try resolve(set) { world.node(id).crash(losingPower: losingPower, afterChanges: changes) }
        case .stop(let set): for id in try resolve(set) { world.stop(id) }
        case .pause(let set): for id in try resolve(set) { for loop in world.node(id).loops { loop.hold() } }
        case .resume(let set): for id in try resolve(set) { for loop in world.node(id).loops { loop.release() } }
        case .disk(let set, let fault):
            for id in try resolve(set) {
                switch fault {
                case .hangs: world.node(id).disk?.hold()
                case .goesOn: world.node(id).disk?.release()
                case .buildsHang: world.node(id).loops.last?.hold()
                case .buildsGoOn: world.node(id).loops.last?.release()
                case .fails: world.node(id).failNext(.sync)
                case .isLost:
                    guard !world.node(id).isUp else { throw Untrue(reason: "node \(id) is up: crash it first") }
                    world.loseDisk(of: id)
                case .takes(let range): world.node(id).disk?.latency = range
                }
            }
        case .recover(let name):
            let id = try resolve(name)
            guard !world.node(id).isUp else { throw Untrue(reason: "node \(id) is up: crash it first") }
            guard world.settings.makesSnapshots else {
                throw Untrue(reason: "a recovered log begins behind a snapshot: say `snapshots by hand` before")
            }
            guard world.ghosts.isEmpty else { throw Untrue(reason: "there are ghosts, and nobody knows their cluster") }
            do { try world.recover(from: id) } catch {
                throw Untrue(reason: (error as? RaftError)?.message ?? "\(error)")
            }
        case .campaign(let name):
            let id = try resolve(name)
            guard try world.campaign(id) else { throw Untrue(reason: "node \(id) does not campaign") }
        case .onlyCampaigns(let name):
            let id = try resolve(name)
            let set = world.settings.ids.filter { $0 != id }
            let pairs = set.flatMap { a in world.settings.ids.map { SimulatedNetwork.Pair(from: a, to: $0) } }
            world.traffic.add(.drop, .init(kinds: [.preVotes, .votes], pairs: Set(pairs)))
        case .allCampaign:
            world.traffic.letPass(.init(kinds: [.preVotes, .votes], pairs: try pairs(.all, .all)))
        default: break
        }
    }

    private func network(_ statement: Statement) throws {
        switch statement {
        case .cut(let from, let to, let isOneWay):
            let way = try pairs(from, to)
            world.cut(isOneWay ? way : way.union(way.map { .init(from: $0.to, to: $0.from) }))
        case .split(let sides):
            for (a, side) in sides.enumerated() {
                for (b, other) in sides.enumerated() where a != b { world.cut(try pairs(side, other)) }
            }
        case .heal: world.heal()
        case .filter(let action, let kinds, let from, let to, let count):
            world.traffic.add(action, .init(kinds: kinds, pairs: try pairs(from, to)), count: count)
        case .letPass(let kinds, let from, let to):
            world.traffic.letPass(.init(kinds: kinds, pairs: try pairs(from, to)))
        case .letAllPass: world.traffic.letAllPass()
        case .release(let order):
            guard world.traffic.heldCount > 0 else { throw Untrue(reason: "nothing is held") }
            world.traffic.release(order)
        default: break
        }
    }

    // MARK: Ghosts

    /// Who leads a term was elected by a majority: by ghosts, as far as they have not claimed otherwise.
    private func elect(_ leader: Ghost, in term: Term) {
        for id in world.settings.ids where id != leader.id {
            if let voter = world.ghosts[id], voter.state.currentTerm < term {
                voter.vow(HardState(currentTerm: term, votedFor: leader.id))
            }
        }
    }

    private func perform(_ action: GhostAction, by ghost: Ghost) throws {
        func ask(_ request: PeerRequest, _ name: NodeName) throws {
            asked = (ghost, request, ghost.answers.count)
            ghost.send(request, to: try resolve(name))
        }
        switch action {
        case .follow: ghost.manner = .follows
        case .confirmOnly: ghost.manner = .confirms
        case .fallSilent: ghost.manner = .silent
        case .askVote(let voter, let phase, let term, let last, let isTransfer):
            let request = VoteRequest(
                phase: phase, term: term, candidate: ghost.id, lastLog: last, round: ghost.nextNumber(),
                isTransfer: isTransfer)
            try ask(.vote(request), voter)
        case .append(let name, let term, let previous, let ids, let commit):
            let request = AppendRequest(
                term: term, leader: ghost.id, stream: ghost.stream, sequence: ghost.nextNumber(), previous: previous,
                leaderCommit: commit, entries: ScenarioWorld.commands(ids).batches)
            elect(ghost, in: term)
            try ask(.append(request), name)
        case .heartbeat(let name, let term, let commit):
            let request = HeartbeatRequest(
                term: term, leader: ghost.id, stream: ghost.stream, round: ghost.nextNumber(), commit: commit,
                leaderCommit: commit)
            elect(ghost, in: term)
            try ask(.heartbeat(request), name)
        case .timeoutNow(let name, let term, let last):
            ghost.send(
                .timeoutNow(TimeoutNowRequest(term: term, leader: ghost.id, lastLog: last)), to: try resolve(name))
        case .repeatAnswer:
            guard ghost.repeatAnswer() else { throw Untrue(reason: "ghost \(ghost.id) has answered nothing yet") }
        case .grant, .refuse, .accept, .conflict, .confirm, .rejectAppend, .rejectHeartbeat:
            try answer(action, by: ghost)
        }
    }

    private func answer(_ action: GhostAction, by ghost: Ghost) throws {
        switch action {
        case .grant(let asker, let phase, let term):
            ghost.grant(try vote(phase, of: asker, term, at: ghost).at)
        case .refuse(let asker, let phase, let term, let being):
            let (at, vote) = try vote(phase, of: asker, term, at: ghost)
            if let being { ghost.vow(HardState(currentTerm: being)) }
            let own = being ?? max(ghost.state.currentTerm, phase == .vote ? vote.term : 0)
            ghost.answer(at, .vote(VoteReply(phase: phase, round: vote.round, term: own, isGranted: false)))
        case .accept(let asker, let end): ghost.accept(try append(of: asker, endingAt: end, at: ghost).at)
        case .conflict(let asker, let end, let hint):
            let (at, append) = try append(of: asker, endingAt: end, at: ghost)
            let outcome = AppendReply.Outcome.conflict(previous: append.previous.index, hint: hint)
            ghost.answer(
                at,
                .append(
                    AppendReply(term: append.term, stream: append.stream, sequence: append.sequence, outcome: outcome)))
        case .rejectAppend(let asker, let being):
            let (at, append) = try append(of: asker, endingAt: nil, at: ghost)
            ghost.vow(HardState(currentTerm: being))
            ghost.answer(
                at,
                .append(
                    AppendReply(term: being, stream: append.stream, sequence: append.sequence, outcome: .rejected)))
        case .confirm(let asker): ghost.confirm(try heartbeat(of: asker, at: ghost).at)
        case .rejectHeartbeat(let asker, let being):
            let (at, beat) = try heartbeat(of: asker, at: ghost)
            ghost.vow(HardState(currentTerm: being))
            ghost.answer(
                at,
                .heartbeat(HeartbeatReply(term: being, stream: beat.stream, round: beat.round, isRejected: true)))
        default: break
        }
    }

    /// Waits until the ghost has such a question.
    private func question<Found>(
        at ghost: Ghost, _ what: String, isOldest: Bool = false, _ match: (PeerRequest) -> Found?
    ) throws -> (at: Int, Found) {
        var found: (at: Int, Found)?
        let hasCome = try world.run(for: patience) {
            guard let at = ghost.question(isOldest: isOldest, { match($0) != nil }) else { return false }
            found = match(ghost.questions[at].request).map { (at, $0) }
            return true
        }
        guard hasCome, let found else { throw Untrue(reason: "no \(what) has come to ghost \(ghost.id)") }
        return found
    }

    private func vote(
        _ phase: VoteRequest.Phase, of asker: NodeName, _ term: Term?, at ghost: Ghost
    ) throws -> (at: Int, VoteRequest) {
        let asker = try resolve(asker)
        return try question(at: ghost, "\(phase) of node \(asker)\(term.map { " in term \($0)" } ?? "")") {
            guard case .vote(let vote) = $0, vote.candidate == asker, vote.phase == phase,
                term == nil || vote.term == term
            else { return nil }
            return vote
        }
    }

    private func append(
        of asker: NodeName, endingAt end: LogIndex?, at ghost: Ghost
    ) throws -> (at: Int, AppendRequest) {
        let asker = try resolve(asker)
        return try question(
            at: ghost, "append of node \(asker)\(end.map { " ending at \($0)" } ?? "")", isOldest: true
        ) {
            guard case .append(let append) = $0, append.leader == asker, end == nil || append.last.index == end else {
                return nil
            }
            return append
        }
    }

    private func heartbeat(of asker: NodeName, at ghost: Ghost) throws -> (at: Int, HeartbeatRequest) {
        let asker = try resolve(asker)
        return try question(at: ghost, "heartbeat of node \(asker)") {
            guard case .heartbeat(let beat) = $0, beat.leader == asker else { return nil }
            return beat
        }
    }

    // MARK: What must be so

    private func check(_ statement: Statement) throws {
        switch statement {
        case .expect(let condition):
            if let reason = try untrue(condition) { throw Untrue(reason: reason) }
        case .within(let limit, let condition):
            var reason: String?
            var failure: (any Error)?
            let came = try world.run(for: limit) {
                do { reason = try untrue(condition) } catch { failure = error }
                return reason == nil || failure != nil
            }
            if let failure { throw failure }
            if !came { throw Untrue(reason: "not within \(limit): \(reason ?? "")") }
        case .throughout(let duration, let condition):
            var reason: String?
            var failure: (any Error)?
            let ended = try world.run(for: duration) {
                do { reason = try untrue(condition) } catch { failure = error }
                return reason != nil || failure != nil
            }
            if let failure { throw failure }
            if ended, let reason { throw Untrue(reason: reason) }
        default: break
        }
    }

    private func expect(_ expected: ExpectedAnswer) throws {
        guard let asked else { throw Untrue(reason: "no ghost has asked anything") }
        func answer() -> PeerReply? { asked.ghost.answers[asked.answerCount...].first { $0.answers(asked.request) } }
        if case .none(let duration) = expected {
            if try world.run(for: duration, until: { answer() != nil }), let answer = answer() {
                throw Untrue(reason: "the answer is \(answer)")
            }
            return
        }
        guard try world.run(for: patience, until: { answer() != nil }), let reply = answer() else {
            throw Untrue(reason: "no answer has come")
        }
        if !expected.matches(reply) { throw Untrue(reason: "the answer is \(reply)") }
    }

    func mark(_ name: String) throws -> (sentCount: Int, terms: [NodeID: Term], leader: NodeID?) {
        guard let mark = marks[name] else { throw Untrue(reason: "there is no mark \(name)") }
        return (mark.sentCount, mark.terms, mark.leader)
    }

    func count(
        _ kinds: Set<Traffic.Kind>, _ from: NodeSet, _ to: NodeSet, since name: String
    ) throws -> Int {
        world.traffic.count(.init(kinds: kinds, pairs: try pairs(from, to)), since: try mark(name).sentCount)
    }

    // MARK: The end

    /// Faults off: one leader, writes and a read succeed, and every log and state is the same.
    private func converge(without: Set<NodeID>) throws {
        try world.endFaults(without: without)
        let present = world.nodes.filter { !without.contains($0.id) }
        let end = world.scheduler.now + world.settings.configuration.electionTimeout.upperBound * 60 + .seconds(10)
        for _ in 0..<3 { try write(until: end) }
        let left = max(end - world.scheduler.now, .zero)
        guard try world.run(for: left, until: { world.haveConverged(world.members(among: present)) }) else {
            throw Untrue(reason: "the cluster does not come together")
        }
        guard let leader = world.leader?.storeNode else { throw Untrue(reason: "nobody leads") }
        let read = world.calls.read("end", at: leader, .linearizable, name: nil)
        guard try world.run(for: patience, until: { read.state == .ok }) else {
            throw Untrue(reason: "the cluster has come together, and serves no reads")
        }
        world.calls.checkOutcomes()
        if let violation = world.violation { throw violation }
    }

    /// A write that succeeds, at whoever leads then.
    private func write(until end: Instant) throws {
        while world.scheduler.now < end {
            if let leader = world.leader?.storeNode {
                let call = world.calls.put("end", "\(world.scheduler.nanoseconds)", at: leader, name: nil)
                if try world.run(for: patience, until: { call.state != .pending }), call.state == .ok { return }
            }
            _ = try world.run(for: .milliseconds(10))
        }
        throw Untrue(reason: "the cluster does not come together: no write succeeds")
    }
}

extension SafetyChecker.Mirror {
    /// What the disk holds, entry by entry.
    var ids: [LogID] {
        entries.enumerated().map { LogID(term: $1.term, index: LogIndex(UInt64($0 + 1))) }
    }
}

extension PeerReply {
    /// Whether this is the answer to that.
    fileprivate func answers(_ request: PeerRequest) -> Bool {
        switch (self, request) {
        case (.vote(let reply), .vote(let request)): reply.phase == request.phase && reply.round == request.round
        case (.append(let reply), .append(let request)): reply.sequence == request.sequence
        case (.heartbeat(let reply), .heartbeat(let request)): reply.round == request.round
        default: false
        }
    }
}

extension ExpectedAnswer {
    fileprivate func matches(_ reply: PeerReply) -> Bool {
        switch (self, reply) {
        case (.granted, .vote(let vote)): vote.isGranted
        case (.refused(let term), .vote(let vote)): !vote.isGranted && (term == nil || vote.term == term)
        case (.accepted(let index), .append(let append)): append.outcome == .accepted(through: index)
        case (.conflict(let at, let hint), .append(let append)):
            if case .conflict(let previous, let given) = append.outcome {
                (at == nil || previous == at) && (hint == nil || given == hint)
            } else {
                false
            }
        case (.rejected(let term), .append(let append)): append.outcome == .rejected && append.term == term
        case (.rejected(let term), .heartbeat(let beat)): beat.isRejected && beat.term == term
        case (.confirmed, .heartbeat(let beat)): !beat.isRejected
        default: false
        }
    }
}
