internal import Raft
internal import RaftKeyValue
internal import RaftKeyValueModel
internal import RaftSimulation

/// What is so, whatever any node or client says: the committed commands, what they mean, and what clients were told.
final class Truth: @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    let world: SimulationWorld
    let tally: KeyValueTally
    private(set) var store: ReferenceStore
    /// Every entry that some node has made durable, and when the first did.
    private var entries: [LogID: (entry: Entry, at: Int64)] = [:]
    /// Where each command stands that no other one is equal to, or may be equal to.
    private(set) var places: [KeyValueCommand: [UInt64]] = [:]
    private var unique: Set<KeyValueCommand> = []
    private var denied: Set<KeyValueCommand> = []
    /// Every write and every linearizable read that ended is at this revision or before it.
    private(set) var acknowledged: UInt64 = 0
    var leases = LeaseTruth()
    /// Of the last command.
    private(set) var term: Term = 0

    init(_ world: SimulationWorld, tally: KeyValueTally, lie: Lie?) {
        store = ReferenceStore(lie: lie)
        self.world = world
        self.tally = tally
    }

    var now: Int64 { world.scheduler.nanoseconds }

    func fail(_ invariant: String, _ text: String) { world.fail(invariant, text) }

    // MARK: The log

    func appended(_ entry: Entry) { if entries[entry.id] == nil { entries[entry.id] = (entry, now) } }

    /// Takes what has been committed since.
    func advance() {
        while store.last < UInt64(world.committedCount) {
            let id = world.committed(at: Int(store.last))
            let index = id.index.rawValue
            guard let (entry, appendedAt) = entries[id] else {
                return fail("I5", "entry \(id) is committed, and no node has made it durable")
            }
            guard entry.kind == .command else {
                store.pass(index)
                continue
            }
            guard let command = try? KeyValueCommand(decoding: entry.payload[...]) else {
                return fail("I5", "entry \(id) is committed, and no command of the key-value state")
            }
            store.apply(command, at: index)
            term = id.term
            note(command, at: index, appendedAt)
        }
    }

    private func note(_ command: KeyValueCommand, at index: UInt64, _ appendedAt: Int64) {
        places[command, default: []].append(index)
        if unique.contains(command) {
            if places[command]!.count > 1 {
                fail("I18", "one write stands at entry \(places[command]![0]) and at \(index): \(Self.text(command))")
            }
            if denied.contains(command) {
                fail("I19", "a write was refused, and is committed at \(index): \(Self.text(command))")
            }
        }
        switch command {
        case .grant(let milliseconds): leases.granted(index, milliseconds: milliseconds, in: term)
        case .revoke(let lease):
            guard case .revoked(wasThere: true, let keyCount) = store.applied[index]?.output else { return }
            if keyCount > 0 { tally.met(.keysWentWithLease) }
            if let text = leases.ended(lease, at: index, appendedAt: appendedAt) { fail("I29", text) }
            if leases.term(lease).map({ $0 < term }) ?? false { tally.met(.leaseEndedInLaterTerm) }
            tally.met(leases.wasRevoked(lease) ? .leaseRevoked : .leaseExpired)
        case .compact:
            if store.compactions.last?.at == index { tally.met(.historyCompacted) }
        default: break
        }
    }

    // MARK: Nodes

    /// I28: what a node's state machine says that it has changed, behind `after`.
    func check(_ changes: [UInt8], after: UInt64, through: UInt64, on node: NodeID) {
        advance()
        guard let told = try? KeyChange.all(decoding: changes[...]) else {
            return fail("I28", "node \(node) changed something that cannot be read, through \(through)")
        }
        let first = store.firstChange(after: ChangePosition(revision: after))
        let end = store.firstChange(after: ChangePosition(revision: through))
        guard store.last >= through else {
            return fail("I5", "node \(node) applied \(through), and \(store.last) is committed")
        }
        let expected = store.changes[first..<end]
        guard !told.elementsEqual(expected) else { return }
        let place = zip(told, expected).first { $0 != $1 }
        fail(
            "I28",
            "node \(node) made \(told.count) changes from \(after) through \(through), the log means \(expected.count); the first that differs: \(place.map { "\(Self.text($0.0)), not \(Self.text($0.1))" } ?? "one is missing")"
        )
    }

    /// I28: the whole state of a node is the one that the log means, as far as the node has applied it.
    func check(_ machine: borrowing KeyValueMachine, on node: NodeID) throws {
        advance()
        let index = machine.lastApplied?.index.rawValue ?? 0
        guard index <= store.last else {
            return fail("I5", "node \(node) shows entry \(index), and \(store.last) is committed")
        }
        func differ(_ what: String, _ has: some Equatable, _ means: some Equatable) {
            fail("I28", "node \(node) at entry \(index) has other \(what) than the log means: \(has), not \(means)")
        }
        let entries = try machine.range(KeyRange(), limit: KeyValueLimits.maximumRangeCount).entries
        let expected = store.entries(at: index)
        if entries != expected {
            differ("keys", entries.map { Self.text($0) }, expected.map { Self.text($0) })
        }
        let leases = try machine.leases()
        let live = store.leases(at: index)
        if leases != live { differ("leases", leases, live) }
        let compacted = store.compacted(at: index)
        guard machine.compacted == compacted else {
            return differ("ends of its history", machine.compacted, compacted)
        }
        let history = try machine.changes(after: ChangePosition(revision: compacted), maximumBytes: 1 << 30).changes
        let first = store.firstChange(after: ChangePosition(revision: compacted))
        let end = store.firstChange(after: ChangePosition(revision: index))
        if !history.elementsEqual(store.changes[first..<end]) {
            differ("changes", history.map { Self.text($0) }, store.changes[first..<end].map { Self.text($0) })
        }
    }

    // MARK: What clients are told

    /// A write that no other is equal to is about to be made.
    func makesOnce(_ command: KeyValueCommand) { unique.insert(command) }

    /// I19: the caller was told that nothing happened.
    func denied(_ command: KeyValueCommand) {
        advance()
        guard unique.contains(command) else { return }
        denied.insert(command)
        guard let place = places[command]?.first else { return }
        if case .refused? = store.applied[place]?.output { return }
        fail("I19", "a write was refused, and is committed at \(place): \(Self.text(command))")
    }

    /// I27, I16: the answer to a write is what the command at some place behind `floor` gave.
    ///
    /// - Parameter isAnswer: whether this output is what the caller was told.
    func answered(
        _ command: KeyValueCommand, after floor: UInt64, told: @autoclosure () -> String,
        _ isAnswer: (KeyValueOutput) -> Bool
    ) {
        advance()
        let places = places[command] ?? []
        guard let place = places.first(where: { $0 > floor && isAnswer(store.applied[$0]!.output) }) else {
            let outputs = places.map { "\($0): \(store.applied[$0]!.output)" }
            return fail(
                "I27",
                "a write was answered with \(told()), and gave \(outputs.isEmpty ? "nothing: it is not committed" : outputs.joined(separator: "; ")); everything through \(floor) was acknowledged before: \(Self.text(command))"
            )
        }
        acknowledged = max(acknowledged, place)
    }

    /// I27, I16: the answer to a read is what the state showed at some moment behind `floor`.
    ///
    /// - Parameter isLinearizable: false for one that need not show what was acknowledged before.
    func answered(
        readAfter floor: UInt64, isLinearizable: Bool, what: @autoclosure () -> String, _ isAnswer: (UInt64) -> Bool
    ) {
        advance()
        // Only commands change anything.
        var moment = isLinearizable ? floor : 0
        while moment <= store.last {
            if isAnswer(moment) {
                if isLinearizable { acknowledged = max(acknowledged, moment) }
                return
            }
            moment += 1
            while moment <= store.last, store.applied[moment] == nil { moment += 1 }
        }
        fail("I27", "no moment from \(floor) to \(store.last) shows what was read: \(what())")
    }

    // MARK: Words

    static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
    static func text(_ entry: KeyValue) -> String {
        "\(text(entry.key)) = \(text(entry.value)) @\(entry.revision) (from \(entry.created), \(entry.version) times\(entry.lease.map { ", lease \($0)" } ?? ""))"
    }
    static func text(_ change: KeyChange) -> String {
        "\(change.position): \(change.entry.map { text($0) } ?? "\(text(change.key)) gone")"
    }
    static func text(_ range: KeyRange) -> String { "\(text(range.from))..<\(range.upTo.map { text($0) } ?? "")" }
    static func text(_ command: KeyValueCommand) -> String {
        switch command {
        case .put(let key, let value): "put \(text(key)) \(text(value))"
        case .delete(let key): "delete \(text(key))"
        case .compareAndSwap(let key, _, let value): "swap \(text(key)) \(text(value))"
        case .transaction(let transaction):
            "transaction of \(transaction.comparisons.count), \(transaction.then.count), \(transaction.otherwise.count)"
        case .compact(let through): "compact \(through)"
        case .grant(let milliseconds): "grant \(milliseconds)"
        case .revoke(let lease): "revoke \(lease)"
        }
    }
}
