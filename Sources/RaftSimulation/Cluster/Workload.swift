internal import Raft

/// Clients that change and read a few keys, and what became of each of their calls.
final class Workload: @unchecked Sendable {
    // @unchecked: as the scheduler.
    let scheduler: Scheduler
    let nodes: [SimulatedNode]
    let checker: SafetyChecker
    let profile: WorkloadProfile
    private var random: RandomSource
    /// Of reads: what they ask for must not change who calls what when.
    private var readRandom: RandomSource
    /// Of writes: which of them a node that does not lead passes on.
    private var forwardRandom: RandomSource
    /// What was known to be acknowledged, and since when.
    private var acknowledgements: [(time: Int64, through: LogIndex)] = []
    /// Of clients with sessions: the others draw as if there were none.
    var sessionRandom: RandomSource
    private var clientCount = 0
    var calls: [Call] = []
    /// The end of what is known to be acknowledged.
    var acknowledgedThrough: LogIndex = 0
    var acknowledgedCount = 0
    private(set) var readCount = 0
    var unknownCount = 0
    var isActive = true

    /// One call and what became of it. Its serial number is one above its position.
    struct Call {
        enum End { case open, done, refused, unknown }
        var operation: HistoryOperation
        /// The life of the node that took it; nil when several may have.
        let life: Life?
        var end = End.open
        /// A read: the last entry that the machine had applied when it looked.
        var seenThrough: LogIndex = 0
        /// A read that promises less than the order of all calls.
        var isWeak = false
    }

    init(
        scheduler: Scheduler, nodes: [SimulatedNode], checker: SafetyChecker, profile: WorkloadProfile, seed: UInt64
    ) {
        self.scheduler = scheduler
        self.nodes = nodes
        self.checker = checker
        self.profile = profile
        random = RandomSource(seed: seed)
        readRandom = RandomSource(seed: seed ^ 0x7265_6164)
        forwardRandom = RandomSource(seed: seed ^ 0x666F_7277)
        sessionRandom = RandomSource(seed: seed ^ 0x7365_7373)
    }

    /// Every call that had, or may have had, an effect, and every read that was answered.
    var history: [HistoryOperation] {
        calls.compactMap { call in
            switch call.end {
            case .refused: nil
            case .done: call.isWeak ? nil : call.operation
            case .open, .unknown: call.operation.kind == .get ? nil : call.operation
            }
        }
    }

    // MARK: Clients

    private final class Client: @unchecked Sendable {
        // @unchecked: as the scheduler.
        let id: UInt64
        /// How many of ten calls are reads.
        let readsOfTen: UInt64
        var hint: NodeID?
        /// The value that each key had when this client last saw it: what it expects in a compare-and-swap.
        var seen: [String: String] = [:]
        init(id: UInt64, readsOfTen: UInt64) {
            self.id = id
            self.readsOfTen = readsOfTen
        }
    }

    /// Every second client mostly reads: one that writes soon waits at a leader that was cut off, and would never see
    /// a stale read there.
    func addClient() {
        clientCount += 1
        think(Client(id: UInt64(clientCount), readsOfTen: clientCount % 2 == 0 ? 9 : 2))
    }

    private func draw(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(random.next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    private func think(_ client: Client) {
        var pause = draw(profile.pause)
        if random.next() % 64 == 0 { pause *= 30 }  // Now and then nothing for a while, and then all at once.
        scheduler.schedule(after: pause) { [self] in
            guard isActive else { return }
            let up = nodes.filter(\.isUp)
            guard !up.isEmpty else { return think(client) }
            // Now and then somewhere else: whoever only follows hints never meets a second leader.
            let hinted = random.next() % 10 < 7 ? up.first { $0.id == client.hint } : nil
            if hinted != nil { checker.reached(.hintFollowed) }
            let node = hinted ?? up[Int(random.next() % UInt64(up.count))]
            let key = drawKey()
            let kind = random.next() % 10 < client.readsOfTen ? .get : drawChange(client, key)
            let once = Once()
            scheduler.schedule(after: profile.patience) { [self] in
                guard once.claim() else { return }
                checker.reached(.callerGaveUp)
                client.hint = nil
                think(client)
            }
            call(kind, key: key, client: client.id, at: node) { [self] result in
                switch result {
                case .success(let found):
                    if case .get = kind {
                        client.seen[key] = found
                    } else if case .put(let value) = kind {
                        client.seen[key] = value
                    }
                    client.hint = node.id
                case .failure(let error): client.hint = error.leader?.id
                }
                if once.claim() { think(client) }
            }
        }
    }

    private func drawKey() -> String {
        random.next() % 2 == 0 ? "hot\(random.next() % 2)" : "cold\(random.next() % UInt64(profile.keyCount))"
    }

    private func drawChange(_ client: Client, _ key: String) -> HistoryOperation.Kind {
        let value = "\(calls.count + 1)"
        switch random.next() % 10 {
        case 0..<5: return .put(value)
        case 5..<8: return .compareAndSwap(expected: client.seen[key], new: value)
        default: return .append("+\(value)")
        }
    }

    // MARK: Calls

    /// Makes one call. `done` is told what was found, with a read; it may never be called.
    private func call(
        _ kind: HistoryOperation.Kind, key: String, client: UInt64, at target: SimulatedNode,
        asking consistency: ReadConsistency? = nil,
        done: @escaping @Sendable (Result<String?, RaftError>) -> Void
    ) {
        guard let node = target.storeNode, let life = target.life else {
            return done(.failure(RaftError(.stopped, "node \(target.id) is down")))
        }
        let position = calls.count
        calls.append(
            Call(
                operation: HistoryOperation(
                    client: client, key: key, kind: kind, callNanoseconds: scheduler.nanoseconds), life: life))
        let serial = UInt64(position + 1)
        let change: SimulatedStore.Command.Change
        switch kind {
        case .get: return read(position, target, node, asking: consistency, done)
        case .put(let value): change = .put(value)
        case .append(let value): change = .append(value)
        case .compareAndSwap(let expected, let new): change = .compareAndSwap(expected: expected, new: new)
        }
        let padding = profile.padding > 0 ? Int(random.next() % UInt64(profile.padding)) : 0
        let (forwarding, timeout) = client == 0 ? (.never, nil) : drawForwarding(of: client)
        let command = SimulatedStore.Command(serial: serial, key: key, change, padding: padding)
        node.propose(command, forwarding: forwarding, within: timeout) { [self] result in
            switch result {
            case .success(let output):
                // Even if the client has given up: the node has promised.
                acknowledge(output.index)
                acknowledgedCount += 1
                if checker.applied[output.index]?.serial != serial {
                    checker.fail(
                        "I5", "serial \(serial) was acknowledged at entry \(output.index), which holds another")
                }
                if case .compareAndSwap = kind {
                    checker.reached(output.isDone ? .swapped : .notSwapped)
                    finish(position, .swapped(output.isDone))
                } else {
                    finish(position, .done)
                }
                done(.success(nil))
            case .failure(let error):
                fail(position, error)
                done(.failure(error))
            }
        }
    }

    /// A third of the writes go on from whatever node they come to; a third of those have no deadline.
    private func drawForwarding(of client: UInt64) -> (Forwarding, Duration?) {
        let drawn = forwardRandom.next()
        guard drawn % 3 == 0 else { return (.never, nil) }
        let timeout: Duration? = drawn % 9 == 0 ? nil : .nanoseconds(Int64(drawn >> 8) % profile.patience)
        return (.toLeader(for: ForwardedCaller(identity: "client \(client)", method: "write")), timeout)
    }

    private func acknowledge(_ index: LogIndex) {
        guard index > acknowledgedThrough else { return }
        acknowledgedThrough = index
        checker.messages?.acknowledged(through: index)
        acknowledgements.append((scheduler.nanoseconds, index))
    }

    /// What was acknowledged this long ago.
    private func acknowledged(before nanoseconds: Int64) -> LogIndex {
        let moment = scheduler.nanoseconds - nanoseconds
        return acknowledgements.last { $0.time <= moment }?.through ?? 0
    }

    /// What a read asks for, and from which entry on it must see everything.
    private func drawConsistency() -> (ReadConsistency, floor: LogIndex) {
        func draw(_ below: UInt64) -> Int64 { Int64(readRandom.next() % below) }
        switch draw(16) {
        case 0..<6: return (.linearizable, acknowledgedThrough)
        case 6..<11: return (.lease, acknowledgedThrough)
        case 11, 12, 13:
            let age = draw(4) == 0 ? draw(20_000_000) : draw(2_000_000_000)
            return (.noOlderThan(.nanoseconds(age)), acknowledged(before: age))
        case 14:
            let wish = LogIndex(acknowledgedThrough.rawValue + UInt64(draw(3) == 0 ? draw(20) : 0))
            // The machine counts only commands.
            var floor = wish
            while floor > 0, checker.applied[floor] == nil { floor = floor.previous }
            return (.atLeast(wish), floor)
        default: return (.local, 0)
        }
    }

    private func read(
        _ position: Int, _ target: SimulatedNode, _ node: RaftNode<SimulatedStore>, asking given: ReadConsistency?,
        _ done: @escaping @Sendable (Result<String?, RaftError>) -> Void
    ) {
        let (consistency, floor) = given.map { ($0, acknowledgedThrough) } ?? drawConsistency()
        calls[position].isWeak = consistency != .linearizable && consistency != .lease
        let key = calls[position].operation.key
        // Of a read that came to a follower another leader's rounds tell, even if this node leads when it is served.
        let term = target.role == .leader ? target.term : nil
        let settle = { @Sendable [self] (result: Result<Result<Sight, any Error>, RaftError>) in
            switch result {
            case .success(let seen):
                guard let seen = try? seen.get() else { return }
                // Cheap, and at once; whether the value is right shows at the end.
                if seen.last < floor {
                    checker.fail(
                        "I16",
                        "node \(target.id) read entry \(seen.last) as its last; a read of \(consistency) owed \(floor)")
                }
                if case .atLeast = consistency { checker.reached(.indexReadServed) }
                if consistency == .linearizable, target.role == .leader, term == target.term {
                    checker.served(
                        by: target.id, askedAt: calls[position].operation.callNanoseconds, target.node?.status)
                }
                readCount += 1
                calls[position].seenThrough = seen.last
                finish(position, .value(seen.value))
                done(.success(seen.value))
            case .failure(let error):
                if case .atLeast = consistency, error.code == .deadlineExceeded { checker.reached(.indexReadGivenUp) }
                fail(position, error)
                done(.failure(error))
            }
        }
        node.read(
            consistency, timeout: .nanoseconds(min(profile.patience, 400_000_000)),
            { Sight(value: $0.values[key], last: $0.last) },
            completion: settle)
    }

    private struct Sight: Sendable {
        var value: String?
        var last: LogIndex
    }

    func finish(_ position: Int, _ result: HistoryOperation.Result) {
        settle(position, .done)
        calls[position].operation.finish(result, at: scheduler.nanoseconds)
    }

    func fail(_ position: Int, _ error: RaftError) {
        settle(position, error.outcome == .nothingHappened ? .refused : .unknown)
        if error.outcome == .nothingHappened, calls[position].operation.kind != .get {
            checker.refused(UInt64(position + 1))
        } else {
            unknownCount += 1
        }
    }

    private func settle(_ position: Int, _ end: Call.End) {
        if calls[position].end != .open {
            checker.fail("I23", "call \(position + 1) was answered twice: \(calls[position].end), then \(end)")
        }
        calls[position].end = end
    }

    // MARK: The end

    /// What is left for the auditor to do: writes and reads that must succeed once nothing is wrong any more.
    private var audit: [(kind: HistoryOperation.Kind?, key: String)] = []
    private var auditAttempts = 0
    var auditIsDone: Bool { audit.isEmpty }

    /// Makes `writes` writes, and reads every key that there is, through any of these nodes (L2, L3).
    func beginAudit(writes: Int, through nodes: [SimulatedNode]) {
        var keys: [String] = []
        for call in calls where !keys.contains(call.operation.key) { keys.append(call.operation.key) }
        audit = (0..<writes).map { _ in (nil, "audit") } + keys.sorted().map { (.get, $0) }
        while audit.count < 2 * writes { audit.append((.get, "audit")) }
        nextAudit(through: nodes)
    }

    private func nextAudit(through nodes: [SimulatedNode], hint: NodeID? = nil) {
        guard let next = audit.first else { return }
        auditAttempts += 1
        let target = nodes.first { $0.id == hint } ?? nodes[auditAttempts % nodes.count]
        let kind = next.kind ?? .put("\(calls.count + 1)")
        let once = Once()
        let again = { @Sendable [self] (hint: NodeID?, pause: Int64) in
            guard once.claim() else { return }
            scheduler.schedule(after: pause) { [self] in nextAudit(through: nodes, hint: hint) }
        }
        scheduler.schedule(after: profile.patience) { again(nil, 0) }
        call(kind, key: next.key, client: 0, at: target, asking: .linearizable) { [self] result in
            switch result {
            case .success:
                audit.removeFirst()
                again(target.id, 100_000)
            case .failure(let error): again(error.leader?.id, 10_000_000)
            }
        }
    }

    /// Whether the calls, taken in the order of the log (a read behind the last entry that it saw), explain every answer
    /// and keep every call that ended before another began before it. Then the history is linearizable.
    func logOrderIsWitness() -> Bool {
        struct Placed {
            var call: Int
            var isWeak = false
            /// Twice the log's index, and one more for a read.
            var place: UInt64
        }
        var placed: [Placed] = []
        for (position, call) in calls.enumerated() {
            if call.operation.kind == .get {
                guard call.end == .done else { continue }
                let place = call.seenThrough.rawValue * 2 + 1
                placed.append(Placed(call: position, isWeak: call.isWeak, place: place))
            } else if let index = checker.appliedIndex(UInt64(position + 1)) {
                placed.append(Placed(call: position, place: index.rawValue * 2))
            }
        }
        placed.sort { ($0.place, $0.call) < ($1.place, $1.call) }
        var values: [String: String] = [:]
        for item in placed {
            let operation = calls[item.call].operation
            switch operation.kind {
            case .get: if operation.result != .value(values[operation.key]) { return false }
            case .put(let value): values[operation.key] = value
            case .append(let value): values[operation.key, default: ""] += value
            case .compareAndSwap(let expected, let new):
                let isSwapped = values[operation.key] == expected
                if case .swapped(let told) = operation.result, told != isSwapped { return false }
                if isSwapped { values[operation.key] = new }
            }
        }
        // Whose value is right, and who promised no more.
        placed.removeAll(where: \.isWeak)
        // In order of beginning: nothing that begins later than a call has ended comes before it.
        let ends = placed.compactMap { item in
            calls[item.call].operation.returnNanoseconds.map { (time: $0, place: item.place) }
        }.sorted { $0.time < $1.time }
        var highest: UInt64 = 0
        var next = 0
        for item in placed.sorted(by: { $0.call < $1.call }) {
            let begin = calls[item.call].operation.callNanoseconds
            while next < ends.count, ends[next].time < begin {
                highest = max(highest, ends[next].place)
                next += 1
            }
            if item.place < highest { return false }
        }
        return true
    }

    /// At the end: nothing that was asked is without an answer, everything acknowledged is there once, and nothing that
    /// was refused (I18, I19, I23).
    ///
    /// - Parameter isCutShort: the run ends in the middle of its faults; calls may still be without an answer.
    func checkOutcomes(isCutShort: Bool = false) {
        for (position, call) in calls.enumerated() {
            let serial = UInt64(position + 1)
            let isApplied = checker.appliedIndex(serial) != nil
            switch call.end {
            case .open where call.life?.isAlive == true && !isCutShort:
                checker.fail("I23", "call \(serial), \(call.operation.kind), was never answered")
            case .open, .unknown:
                if call.operation.kind != .get { checker.reached(isApplied ? .unknownApplied : .unknownNeverApplied) }
            case .done:
                if call.operation.kind != .get, !isApplied { checker.fail("I7", "acknowledged call \(serial) is lost") }
            case .refused:
                if isApplied { checker.fail("I19", "call \(serial) was refused, and applied all the same") }
            }
        }
    }
}

/// How the clients of one run behave.
public struct WorkloadProfile: Sendable {
    public var clientCount = 4
    /// Clients beside them that use sessions, and make a call again until they know what became of it.
    public var sessionClientCount = 0
    /// Nanoseconds after which the sessions of silent clients end; clients are silent for about as long then. 0 where
    /// they take no notice.
    public var silence: Int64 = 0
    /// Nanoseconds between an answer and a client's next call.
    public var pause: ClosedRange<Int64> = 1_000_000...40_000_000
    /// Nanoseconds that a client waits for an answer.
    public var patience: Int64 = 3_000_000_000
    public var keyCount = 6
    /// Up to so many bytes are added to a command.
    public var padding = 0
}

/// Whoever comes first.
final class Once: @unchecked Sendable {
    // @unchecked: as the scheduler.
    private var isClaimed = false
    func claim() -> Bool {
        defer { isClaimed = true }
        return !isClaimed
    }
}
