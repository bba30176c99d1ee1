/// Whoever wants to know what a node says of itself, whenever that may have changed.
///
/// Told one after another, in the order in which the node speaks, under a lock: a watcher must not come back to the node
/// from within. With nobody here a turn pays for one look at a flag.
final class Watchers: Sendable {
    private let state = Lock<[Watcher]>([])

    /// Tells `watcher` how things are, and from then on each change.
    ///
    /// - Parameter look: how things are. Called while nobody is told anything else.
    func add(_ watcher: Watcher, _ look: () -> (status: NodeStatus, hasEnded: Bool)) {
        state.withLock { watchers in
            let (status, hasEnded) = look()
            watcher.tell(status, hasEnded: hasEnded)
            if !hasEnded, !watcher.isOver { watchers.append(watcher) }
        }
    }

    /// Tells everybody how things are now.
    ///
    /// - Parameter whenEmpty: called when nobody is left, before anybody else can come.
    func tell(_ look: () -> (status: NodeStatus, hasEnded: Bool), whenEmpty: () -> Void) {
        state.withLock { watchers in
            let (status, hasEnded) = look()
            for watcher in watchers where !watcher.isOver { watcher.tell(status, hasEnded: hasEnded) }
            watchers.removeAll { hasEnded || $0.isOver }
            if watchers.isEmpty { whenEmpty() }
        }
    }

    /// Tells something that is no change of the status.
    func tell(_ event: NodeEvent) {
        state.withLock { watchers in
            for watcher in watchers where !watcher.isOver { watcher.tell(event) }
        }
    }
}

/// One who watches. Called by one thread at a time; `end` by any.
class Watcher: @unchecked Sendable {
    // @unchecked: `ended` is behind its lock, and subclasses are touched under that of ``Watchers`` only.
    private let ended = Lock(false)
    init() {}

    final var isOver: Bool { ended.withLock { $0 } }
    /// It is told nothing more, and soon forgotten.
    final func end() { ended.withLock { $0 = true } }

    /// To be overridden.
    func tell(_ status: NodeStatus, hasEnded: Bool) {}
    func tell(_ event: NodeEvent) {}
}

/// Waits until the status is one that somebody waits for.
final class StatusWait: Watcher, @unchecked Sendable {
    // @unchecked: as its superclass.
    private let ticket: StatusTicket
    private let isDue: @Sendable (NodeStatus) throws -> Bool

    init(_ ticket: StatusTicket, _ isDue: @escaping @Sendable (NodeStatus) throws -> Bool) {
        self.ticket = ticket
        self.isDue = isDue
    }

    override func tell(_ status: NodeStatus, hasEnded: Bool) {
        guard !ticket.isSettled else { return end() }
        do {
            if try isDue(status) {
                ticket.succeed(status)
            } else if hasEnded {
                let why = status.stopReason.map { ": \($0.message)" } ?? ""
                ticket.fail(RaftError(.stopped, "node \(status.id) has stopped\(why)"))
            } else {
                return
            }
        } catch {
            ticket.fail(RaftError(error, or: .invalidConfiguration))
        }
        end()
    }
}

/// A caller who waits for a status.
final class StatusTicket: ValueTicket<NodeStatus>, @unchecked Sendable {
    // @unchecked: as its superclass.
}

/// Gives each status to a sequence, which keeps the newest.
final class StatusSequence: Watcher, @unchecked Sendable {
    // @unchecked: as its superclass.
    private let give: @Sendable (NodeStatus) -> Void
    private let finish: @Sendable () -> Void

    init(give: @escaping @Sendable (NodeStatus) -> Void, finish: @escaping @Sendable () -> Void) {
        self.give = give
        self.finish = finish
    }

    override func tell(_ status: NodeStatus, hasEnded: Bool) {
        give(status)
        if hasEnded { finish() }
    }
}

/// Gives what happens between two looks to a sequence of events.
final class EventSequence: Watcher, @unchecked Sendable {
    // @unchecked: as its superclass.
    /// Nil before the first look.
    private var last: NodeStatus?
    private var missed = 0
    /// False when there is no room.
    private let give: @Sendable (NodeEvent) -> Bool
    private let finish: @Sendable (_ last: [NodeEvent]) -> Void

    init(give: @escaping @Sendable (NodeEvent) -> Bool, finish: @escaping @Sendable ([NodeEvent]) -> Void) {
        self.give = give
        self.finish = finish
    }

    override func tell(_ status: NodeStatus, hasEnded: Bool) {
        for event in last.map({ NodeEvent.between($0, status) }) ?? [] { tell(event) }
        last = status
        guard hasEnded else { return }
        finish((missed > 0 ? [.missed(missed)] : []) + [.stopped(status.stopReason)])
    }

    override func tell(_ event: NodeEvent) {
        if missed > 0 {
            guard give(.missed(missed)) else {
                missed += 1
                return
            }
            missed = 0
        }
        if !give(event) { missed += 1 }
    }
}

/// Tells when this node gains and loses leadership, strictly by turns.
final class LeadershipWatcher: Watcher, @unchecked Sendable {
    // @unchecked: as its superclass.
    private var led: Term?
    private let change: @Sendable (LeadershipChange) -> Void

    init(_ change: @escaping @Sendable (LeadershipChange) -> Void) { self.change = change }

    override func tell(_ status: NodeStatus, hasEnded: Bool) {
        let leads = status.role == .leader && !hasEnded ? status.currentTerm : nil
        guard leads != led else { return }
        if let led { change(.lost(term: led)) }
        if let leads { change(.gained(term: leads)) }
        led = leads
    }
}
