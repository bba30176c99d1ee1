internal import Raft

/// A promise that a run broke.
public struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    /// Its number in the article Invariants of `Raft`, such as `I9`.
    public let invariant: String
    public let text: String
    public var description: String { "\(invariant): \(text)" }

    package init(invariant: String, text: String) {
        self.invariant = invariant
        self.text = text
    }
}

/// Watches a simulated cluster from outside, after every event: what is durable, what is sent, what is applied, what
/// each node says of itself. Knows the truth about every committed entry, independent of any node.
final class SafetyChecker: @unchecked Sendable {
    // @unchecked, and unchecked: as the scheduler.

    /// One durable log, as the disk has acknowledged it.
    final class Mirror {
        var hardState: HardState
        /// By index − 1: term, a hash over this entry and every one before it, and how many bytes its command has.
        var entries: [(term: Term, prefix: UInt64, bytes: Int)] = []
        /// The configurations among them, in order.
        var configurations: [LogID] = []
        /// The write under way when the node crashed, which may survive in part.
        var torn: [LogOperation] = []

        init(hardState: HardState = HardState()) { self.hardState = hardState }

        func prefix(at index: LogIndex) -> UInt64? {
            let position = Int(clamping: index.rawValue) - 1
            return entries.indices.contains(position) ? entries[position].prefix : nil
        }
    }

    /// Every node that there is; those that begin the cluster first.
    let nodes: [NodeID]
    /// What each configuration entry says.
    @exclusivity(unchecked) var configurations: [LogID: ClusterConfiguration] = [:]
    @exclusivity(unchecked) private(set) var violation: Violation?
    @exclusivity(unchecked) private(set) var hasFailed = false
    @exclusivity(unchecked) var mirrors = NodeTable<Mirror>()
    /// I3: what each (index, term) is, with all that comes before it.
    @exclusivity(unchecked) var known: [LogID: UInt64] = [:]
    /// I7: what is committed, for ever.
    @exclusivity(unchecked) var committed: [(id: LogID, prefix: UInt64)] = []
    /// For each of them the term of the node that first showed it: no leader of a later one committed it.
    @exclusivity(unchecked) var committedBy: [Term] = []
    /// I1; and how much earlier terms had committed when that leader was first seen.
    @exclusivity(unchecked) private(set) var leaders: [Term: (node: NodeID, committedCount: Int)] = [:]
    /// What each leader was told, in its newest term, that others hold.
    @exclusivity(unchecked) var acks: [NodeID: (term: Term, through: [NodeID: LogIndex])] = [:]
    /// I9: the vote that each node has told somebody of.
    @exclusivity(unchecked) var votesSent = NodeTable<[Term: NodeID]>()
    /// I5.
    @exclusivity(unchecked) var applied: [LogIndex: (serial: UInt64, state: UInt64)] = [:]
    @exclusivity(unchecked) var appliedOn = NodeTable<LogIndex>()
    /// What is durable on each node.
    @exclusivity(unchecked) var snapshots = NodeTable<DurableSnapshots>()
    /// I18.
    @exclusivity(unchecked) var appliedSerials: [UInt64: LogIndex] = [:]
    /// I19.
    @exclusivity(unchecked) var refusedSerials: Set<UInt64> = []
    /// I15: which life of each other node each node has heard first, by its incarnation.
    @exclusivity(unchecked) var incarnations = NodeTable<Incarnation>()
    @exclusivity(unchecked) var met: Set<NodePair> = []
    @exclusivity(unchecked) var withoutMemory: Set<NodeID> = []
    /// What was on disks that are lost: acknowledged truthfully, and counted.
    @exclusivity(unchecked) var lost = NodeTable<Mirror>()
    /// I22.
    let limits: Configuration
    /// I21: where the snapshot ends that was damaged while its node was down.
    @exclusivity(unchecked) var damagedAtStart: [NodeID: LogID] = [:]
    /// I22: of which entry each node has built snapshots, and how often its files have been damaged.
    @exclusivity(unchecked) var builds: [NodeID: [LogIndex: Int]] = [:]
    @exclusivity(unchecked) private(set) var rotCounts: [NodeID: Int] = [:]
    /// Whose files have been damaged.
    @exclusivity(unchecked) private var rotten: Set<NodeID> = []
    /// Who asked for votes in each term.
    @exclusivity(unchecked) private var candidates: [Term: NodeID] = [:]
    @exclusivity(unchecked) var before = NodeTable<Look>()
    @exclusivity(unchecked) private(set) var termHighest: Term = 0

    /// Who begins a term, who leads it, and for how long; nil where a world begins with terms that nobody began.
    @exclusivity(unchecked) var tenures: TenureChecker?
    /// Which reads may be served.
    @exclusivity(unchecked) private(set) var reads = ReadChecker()
    /// What messages claim; nil where nobody says which have arrived.
    @exclusivity(unchecked) var messages: MessageChecker?
    /// The time, as nobody in the simulation has it.
    @exclusivity(unchecked) private(set) var now: () -> Int64 = { 0 }

    let tally: MarkTally
    /// Is told of every entry that a node has made durable.
    weak var guest: (any SimulationGuest)?

    init(voters: [NodeID], spares: [NodeID] = [], limits: Configuration, tally: MarkTally) {
        nodes = voters + spares
        self.limits = limits
        self.tally = tally
        for id in nodes { mirrors[id] = Mirror() }
    }

    func fail(_ invariant: String, _ text: String) {
        take(Violation(invariant: invariant, text: text))
    }

    func watchTime(_ now: @escaping () -> Int64) { self.now = now }

    /// From now on terms and offices are watched, too.
    func watchTenures() { tenures = TenureChecker(limits: limits) }

    func take(_ found: Violation?) {
        guard let found, !hasFailed else { return }
        hasFailed = true
        violation = found
    }

    func reached(_ mark: Mark) { tally.reached(mark) }

    func rotted(_ node: NodeID) {
        rotten.insert(node)
        rotCounts[node, default: 0] += 1
    }
    func isRotten(_ node: NodeID) -> Bool { rotten.contains(node) }

    // MARK: The disk

    func wrote(_ operations: [LogOperation], on node: NodeID) {
        for operation in operations {
            switch operation {
            case .hardState(let state):
                let old = mirrors[node]!.hardState
                if state.currentTerm < old.currentTerm {
                    fail("I8", "node \(node) stored \(state) after \(old)")
                }
                if state.currentTerm == old.currentTerm, let vote = old.votedFor, state.votedFor != vote {
                    fail("I9", "node \(node) changed its vote: \(state) after \(old)")
                }
                mirrors[node]!.hardState = state
                take(tenures?.stored(state, on: node))
            case .truncate(let id): truncate(node, through: id)
            case .append(let batch): append(batch, on: node)
            case .purge(let id): purged(through: id, on: node)
            case .reset(let id):
                mirrors[node]!.entries = reset(to: id, on: node)
                mirrors[node]!.configurations = history(of: configurations, through: id)
            }
        }
    }

    private func truncate(_ node: NodeID, through id: LogID) {
        let keep = Int(id.index.rawValue)
        let state = mirrors[node]!.hardState
        if leaders[state.currentTerm]?.node == node, mirrors[node]!.entries.last?.term == state.currentTerm {
            fail("I2", "node \(node) cut its log behind \(id) in term \(state.currentTerm), which it led")
        }
        // What a leader of an earlier term sent may come late, to a node that had no part in committing it: that leader's
        // log needs no entry that a later term committed.
        if let last = committed.last, id.index < last.id.index, mirrors[node]!.entries.count > keep,
            mirrors[node]!.entries[keep].prefix == committed[keep].prefix, state.currentTerm >= committedBy[keep]
        {
            fail("I7", "node \(node) cut the committed entry \(committed[keep].id)")
        }
        mirrors[node]!.entries.removeLast(max(0, mirrors[node]!.entries.count - keep))
        while let last = mirrors[node]!.configurations.last, Int(last.index.rawValue) > keep {
            mirrors[node]!.configurations.removeLast()
        }
    }

    private func append(_ batch: EntryBatch, on node: NodeID) {
        let mirror = mirrors[node]!
        for position in 0..<batch.count {
            let entry = batch[position]
            guard Int(entry.id.index.rawValue) == mirror.entries.count + 1 else {
                return fail("I3", "node \(node) stored \(entry.id) behind entry \(mirror.entries.count)")
            }
            let prefix = Self.extend(mirror.entries.last?.prefix ?? 0, by: entry)
            if let other = known.updateValue(prefix, forKey: entry.id), other != prefix {
                fail("I3", "two different entries are \(entry.id); node \(node) stored the second")
            }
            mirror.entries.append((entry.id.term, prefix, entry.proposedBytes))
            guest?.appended(entry)
            if entry.kind == .configuration { note(entry, on: node) }
            // I4: a leader's first own entry shows what it was elected with.
            if entry.kind == .blank, let leader = leaders[entry.id.term], leader.node == node {
                checkCompleteness(of: node, committedCount: leader.committedCount)
            }
        }
    }

    /// I12: a leader appends a configuration when the one before it is committed, and an entry of its own term; and the
    /// two have a set of voters in common, a majority of which decides in both.
    private func note(_ entry: Entry, on node: NodeID) {
        let previous = mirrors[node]!.configurations.last
        if let old = previous.flatMap({ configurations[$0] })?.voterSets,
            let new = (try? ClusterConfiguration(decoding: entry.payload))?.voterSets,
            !new.contains(where: old.contains)
        {
            fail("I12", "node \(node) appended configuration \(entry.id): \(old) became \(new) in one step")
        }
        if let previous, leaders[entry.id.term]?.node == node {
            let position = Int(previous.index.rawValue) - 1
            if position >= committed.count || committed[position].id != previous {
                fail("I12", "leader \(node) appended configuration \(entry.id); \(previous) is not committed")
            }
            if (committed.last?.id.term ?? 0) < entry.id.term {
                fail("I12", "leader \(node) appended configuration \(entry.id) and has committed nothing in its term")
            }
        }
        keep(entry, in: mirrors[node]!)
    }

    private func keep(_ entry: Entry, in mirror: Mirror) {
        configurations[entry.id] = try? ClusterConfiguration(decoding: entry.payload)
        mirror.configurations.append(entry.id)
    }

    private func checkCompleteness(of node: NodeID, committedCount: Int) {
        guard committedCount > 0 else { return }
        let last = committed[committedCount - 1]
        if mirrors[node]!.prefix(at: last.id.index) != last.prefix {
            fail("I4", "node \(node) leads without the committed entry \(last.id)")
        }
    }

    static func extend(_ prefix: UInt64, by entry: Entry) -> UInt64 {
        var hash = (prefix ^ entry.id.term.rawValue) &* 0x0000_0100_0000_01B3
        hash = (hash ^ UInt64(entry.kind.rawValue)) &* 0x0000_0100_0000_01B3
        for byte in entry.payload { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash | 1
    }

    /// The node crashed with this write under way.
    func crashed(_ node: NodeID, during operations: [LogOperation]) {
        tenures?.ended(node)
        // A life may end before it has opened the disk that the life before it left behind.
        mirrors[node]!.torn += operations
        before[node] = nil
        appliedOn[node] = nil
    }

    /// I21: what the disk gives back after a crash is everything that was acknowledged, and of the write under way
    /// some prefix.
    func recovered(_ log: RecoveredLog, _ entries: [Entry], on node: NodeID) {
        tenures?.recovered(log.hardState, on: node)
        let old = mirrors[node]!
        var required = old.entries.count
        var states = [old.hardState]
        for operation in old.torn {
            if case .truncate(let id) = operation { required = min(required, Int(id.index.rawValue)) }
            if case .hardState(let state) = operation { states.append(state) }
            // A write that was under way and began the log anew: did it get that far?
            if case .reset(let id) = operation, id.index <= log.purged.index { required = Int(id.index.rawValue) }
        }
        if !states.contains(log.hardState) {
            fail("I21", "node \(node) came back with \(log.hardState), not \(states)")
        }
        let new = Mirror(hardState: log.hardState)
        guard let purged = history(through: log.purged) else {
            return fail(
                "I21", "node \(node) came back with a log that begins behind \(log.purged), which is not committed")
        }
        new.entries = purged
        new.configurations = history(of: configurations, through: log.purged)
        for entry in entries {
            let prefix = Self.extend(new.entries.last?.prefix ?? 0, by: entry)
            if let other = known[entry.id], other != prefix {
                fail("I21", "node \(node) came back with another \(entry.id)")
            }
            new.entries.append((entry.id.term, prefix, entry.proposedBytes))
            // Of a write that nobody saw end.
            guest?.appended(entry)
            if entry.kind == .configuration { keep(entry, in: new) }
        }
        if new.entries.count < required {
            fail("I21", "node \(node) lost entries: \(required) were acknowledged, \(new.entries.count) came back")
        } else if required > log.purged.index.rawValue, required <= old.entries.count,
            new.entries[required - 1].prefix != old.entries[required - 1].prefix
        {
            fail("I21", "node \(node) came back with other entries than it had acknowledged")
        }
        mirrors[node] = new
    }

    // MARK: The network

    func sending(_ request: PeerRequest) {
        let node = request.sender
        guard let mirror = mirrors[node] else { return }
        let durable = mirror.hardState.currentTerm
        if case .heartbeat(let heartbeat) = request { reads.sent(heartbeat, now: now()) }
        switch request {
        case .vote(let vote) where vote.phase == .vote:
            if candidates.updateValue(node, forKey: vote.term).map({ $0 != node }) == true {
                reached(.twoCandidatesInOneTerm)
            }
            // A question of a term that is over may still leave, when its link opens late: nobody counts the answer.
            let isStored = mirror.hardState == HardState(currentTerm: vote.term, votedFor: node)
            if durable <= vote.term, !isStored {
                fail("I9", "node \(node) asks for votes in term \(vote.term), its disk has \(mirror.hardState)")
            }
        case .vote(let vote):
            if vote.term > durable.next {
                fail("I9", "node \(node) asks for term \(vote.term), its disk has \(durable)")
            }
        case .append, .heartbeat, .timeoutNow, .snapshot, .readIndex:
            if request.term > durable {
                fail("I9", "node \(node) speaks in term \(request.term), its disk has \(durable)")
            }
        case .forward: break
        }
    }

    func replying(_ reply: PeerReply, from node: NodeID, to asker: NodeID) {
        acknowledged(reply, by: node, to: asker)
        if case .heartbeat(let heartbeat) = reply { messages?.sent(heartbeat, by: node) }
        guard let mirror = mirrors[node] else { return }
        let durable = mirror.hardState.currentTerm
        switch reply {
        case .vote(let vote):
            guard vote.isGranted, vote.phase == .vote else {
                if !vote.isGranted, vote.term > durable { fail("I9", "node \(node) told of term \(vote.term) early") }
                return
            }
            if mirror.hardState != HardState(currentTerm: vote.term, votedFor: asker),
                mirror.hardState.currentTerm <= vote.term
            {
                fail("I9", "node \(node) granted \(asker) term \(vote.term), its disk has \(mirror.hardState)")
            }
            if let other = votesSent[node]?[vote.term], other != asker {
                fail("I9", "node \(node) voted for \(other) and for \(asker) in term \(vote.term)")
            }
            votesSent[node, default: [:]][vote.term] = asker
            tenures?.granted(by: node, now: now())
        case .append(let append):
            if append.term > durable { fail("I9", "node \(node) told of term \(append.term) early") }
            guard case .accepted(let through) = append.outcome, through > 0 else { return }
            guard let prefix = snapshotPrefix(at: through, on: node) ?? mirror.prefix(at: through) else {
                return fail(
                    "I9", "node \(node) acknowledged entry \(through), its disk ends at \(mirror.entries.count)")
            }
            // The leader may be behind on its own disk; where both hold the entry they must agree.
            if let theirs = mirrors[asker]?.prefix(at: through), theirs != prefix, leaders[append.term]?.node == asker,
                mirrors[asker]!.hardState.currentTerm == append.term
            {
                fail("I9", "node \(node) acknowledged another entry \(through) than leader \(asker) sent")
            }
        case .heartbeat, .readIndex:
            if reply.term > durable { fail("I9", "node \(node) told of term \(reply.term) early") }
            if case .heartbeat(let heartbeat) = reply { reads.answers(heartbeat, node, to: asker) }
        case .snapshot(let snapshot):
            if snapshot.term > durable { fail("I9", "node \(node) told of term \(snapshot.term) early") }
            guard case .installed(let through) = snapshot.outcome, through > 0 else { return }
            let held = max(LogIndex(UInt64(mirror.entries.count)), snapshotEnd(of: node))
            if held < through { fail("I9", "node \(node) says that it has entry \(through), its disk ends at \(held)") }
        case .forward: break
        }
    }

    // MARK: What a node says of itself

    /// - Parameters:
    ///   - isWriting: its disk has something to do.
    ///   - pausedUntil: the end of its last pause.
    func look(at status: NodeStatus, isWriting: Bool, pausedUntil: Int64) {
        let node = status.id
        take(tenures?.look(at: status, now: now(), isWriting: isWriting, pausedUntil: pausedUntil))
        guard status.role != .stopped || status.stopReason == nil else {
            return fail("I24", "node \(node) stopped: \(status.stopReason!)")
        }
        guard status.role != .stopped else { return }
        termHighest = max(termHighest, status.currentTerm)
        if status.role == .leader {
            checkLeader(status)
            checkBounds(status)
            checkMatches(status)
        }
        checkConfiguration(status)
        if let old = before[node] {
            if old.configurationID != status.configurationID, let configuration = old.configuration {
                reads.changed(node, from: configuration, now: now())
            }
            let (from, to) = (old.commitIndex, status.commitIndex)
            if status.currentTerm < old.currentTerm {
                fail("I8", "node \(node): term \(old.currentTerm) to \(status.currentTerm)")
            }
            if to < from { fail("I8", "node \(node): commitIndex \(from) to \(to)") }
            if status.lastApplied < old.lastApplied { fail("I8", "node \(node): lastApplied went back") }
            if status.role == .leader, old.role == .leader, old.currentTerm == status.currentTerm,
                status.last.index < old.last.index
            {
                fail("I2", "leader \(node) cut its own log from \(old.last) to \(status.last)")
            }
        }
        if status.commitIndex > (before[node]?.commitIndex ?? 0) { checkCommit(status) }
        if status.lastApplied > status.commitIndex { fail("I10", "node \(node) applied above its commitIndex") }
        if status.commitIndex > status.last.index { fail("I10", "node \(node) committed above its log's end") }
        checkSnapshot(status)
        if let look = before[node] { look.take(status) } else { before[node] = Look(status) }
    }

    /// Nothing was written to its status since the last look.
    func lookAgain(at node: NodeID, isWriting: Bool, pausedUntil: Int64) {
        take(tenures?.lookAgain(at: node, now: now(), isWriting: isWriting, pausedUntil: pausedUntil))
    }

    private func checkLeader(_ status: NodeStatus) {
        if status.currentTerm < termHighest, leaders[termHighest] != nil { reached(.twoLeaders) }
        guard let known = leaders[status.currentTerm] else {
            // One that was elected long ago, and learns it only now, need not have what a later term has committed.
            let last = committedBy.lastIndex { $0 < status.currentTerm }
            leaders[status.currentTerm] = (status.id, last.map { $0 + 1 } ?? 0)
            return
        }
        if known.node != status.id {
            fail("I1", "nodes \(known.node) and \(status.id) both lead term \(status.currentTerm)")
        }
    }

    /// The log that this node acknowledged an entry from: of a disk that is gone what was on it, as far as no later life of
    /// the node has come.
    func counted(_ node: NodeID, at index: LogIndex) -> Mirror {
        let mirror = mirrors[node]!
        guard mirror.prefix(at: index) == nil, let lost = lost[node], lost.prefix(at: index) != nil else {
            return mirror
        }
        return lost
    }

    /// I6, I7, I11: whatever a node counts as committed is durable on a majority, and was the leader's to commit.
    private func checkCommit(_ status: NodeStatus) {
        let index = status.commitIndex
        if Int(index.rawValue) <= committed.count { return checkHeld(status) }
        var holders: [UInt64: [NodeID]] = [:]
        for id in nodes {
            if let prefix = counted(id, at: index).prefix(at: index) { holders[prefix, default: []].append(id) }
        }
        guard let nodes = holders.values.first(where: { isQuorum($0, of: index, by: status) }) else {
            return fail("I6", "node \(status.id) committed entry \(index), which no majority has on disk")
        }
        let source = counted(nodes[0], at: index)
        if status.role == .leader, source.entries[Int(index.rawValue) - 1].term != status.currentTerm {
            fail(
                "I11",
                "leader \(status.id) committed entry \(index) of term \(source.entries[Int(index.rawValue) - 1].term) in term \(status.currentTerm)"
            )
        }
        if let last = committed.last, source.prefix(at: last.id.index) != last.prefix {
            return fail("I7", "entry \(index) was committed over another history than \(last.id)")
        }
        for position in committed.count..<Int(index.rawValue) {
            let entry = source.entries[position]
            committed.append((LogID(term: entry.term, index: LogIndex(UInt64(position + 1))), entry.prefix))
            committedBy.append(status.currentTerm)
        }
    }

    // MARK: The state machine

    /// Where the command with this number was applied, if anywhere.
    func appliedIndex(_ serial: UInt64) -> LogIndex? { appliedSerials[serial] }

    /// The client was told that this command certainly has no effect.
    func refused(_ serial: UInt64) {
        refusedSerials.insert(serial)
        if appliedSerials[serial] != nil { fail("I19", "call \(serial) was applied, and then refused") }
    }

    func applied(_ serial: UInt64, at id: LogID, on node: NodeID, state: UInt64) {
        if let other = applied[id.index] {
            if other.serial != serial {
                fail("I5", "node \(node) applied \(serial) at \(id), another node \(other.serial)")
            } else if other.state != state {
                fail("I20", "after entry \(id) node \(node) is in another state than the others were")
            }
        } else {
            applied[id.index] = (serial, state)
            if appliedSerials.updateValue(id.index, forKey: serial) != nil {
                fail("I18", "serial \(serial) was applied twice; the second time at \(id) on node \(node)")
            }
            if refusedSerials.contains(serial) { fail("I19", "call \(serial) was refused, and applied at \(id)") }
        }
        if let last = appliedOn[node], id.index <= last { fail("I5", "node \(node) applied \(id) after entry \(last)") }
        appliedOn[node] = id.index
        if Int(id.index.rawValue) > committed.count { fail("I5", "node \(node) applied \(id), which is not committed") }
    }
}
