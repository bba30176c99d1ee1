internal import DequeModule
internal import HeapModule

/// Settles the tickets of callers whose time is over: by one timer on the node's loop, however many wait.
///
/// What is settled before its time is let go of: at most about half of what is kept waits for nothing. A timer cannot be
/// taken back, so none reaches further than ``reach``, and none is set while an earlier one is still to fire: callers with
/// ever shorter times leave no more of them behind than came within that time.
final class Deadlines: Sendable {
    private struct Entry: Comparable, Sendable {
        let due: Instant
        /// Those that are due together are settled in the order in which they came.
        let number: UInt64
        let ticket: Ticket
        let text: StaticString
        let timeout: Duration
        let outcome: RaftError.Outcome

        static func < (a: Entry, b: Entry) -> Bool { (a.due, a.number) < (b.due, b.number) }
        static func == (a: Entry, b: Entry) -> Bool { a.number == b.number }
    }
    private struct State: Sendable {
        /// In order. Callers mostly ask for the same time, and so come in the order of their deadlines.
        var orderly: Deque<Entry> = []
        /// Those that came far out of that order.
        var others = Heap<Entry>()
        var number: UInt64 = 0
        /// When each timer fires that is still to fire.
        var timers = Heap<Instant>()
        /// How many entries there may be before the settled ones among them are let go of.
        var limit = 64

        var count: Int { orderly.count + others.count }

        var earliest: Entry? {
            guard let first = orderly.first, let other = others.min else { return orderly.first ?? others.min }
            return min(first, other)
        }

        /// Of ``earliest``, which would be copied for it, with a ticket to be counted.
        private var earliestDue: Instant? {
            guard let first = orderly.first?.due, let other = others.min?.due else {
                return orderly.first?.due ?? others.min?.due
            }
            return min(first, other)
        }

        mutating func insert(_ entry: Entry) {
            var place = orderly.count
            let lowest = max(0, place - Deadlines.searched)
            while place > lowest, entry < orderly[place - 1] { place -= 1 }
            if place == orderly.count {
                orderly.append(entry)
            } else if place == 0 || orderly[place - 1] < entry {
                orderly.insert(entry, at: place)
            } else {
                others.insert(entry)
            }
        }

        mutating func removeEarliest() {
            if let other = others.min, orderly.first.map({ other < $0 }) ?? true {
                others.removeMin()
            } else {
                orderly.removeFirst()
            }
        }

        mutating func dropSettled() {
            orderly.removeAll { $0.ticket.isSettled }
            others = Heap(others.unordered.filter { !$0.ticket.isSettled })
        }

        /// When the next timer is to fire that is not there yet; nil when none is needed.
        mutating func arm(at now: Instant) -> Instant? {
            guard let earliestDue else { return nil }
            let due = min(max(earliestDue, now), now + Deadlines.reach)
            if let earliest = timers.min, earliest <= due { return nil }
            timers.insert(due)
            return due
        }
    }
    private static let reach = Duration.seconds(1)
    /// How many places back from the end an entry's own is looked for.
    private static let searched = 16
    private let loop: any Loop
    private let state = Lock(State())

    init(loop: any Loop) { self.loop = loop }

    /// How many tickets are kept: for tests.
    var count: Int { state.withLock { $0.count } }
    /// How many timers are still to fire: for tests.
    var timerCount: Int { state.withLock { $0.timers.count } }

    /// Settles `ticket` at its deadline, if nothing else has.
    ///
    /// - Parameters:
    ///   - timeout: from now on; at once, or nearly so, when it is not above zero. Nil for never.
    ///   - text: what did not happen, for the error: "there was no result".
    func add(
        _ ticket: Ticket, within timeout: Duration?, _ text: StaticString,
        outcome: RaftError.Outcome = .nothingHappened
    ) {
        guard let timeout, !ticket.isSettled else { return }
        let delay = max(timeout, .zero)
        let now = loop.now
        let next = state.withLock { state in
            if state.count >= state.limit {
                state.dropSettled()
                state.limit = max(64, 2 * state.count)
            }
            state.number += 1
            state.insert(
                Entry(
                    due: now + delay, number: state.number, ticket: ticket, text: text, timeout: timeout,
                    outcome: outcome))
            return state.arm(at: now)
        }
        if let next { arm(next, at: now) }
    }

    private func arm(_ due: Instant, at now: Instant) {
        loop.after(due - now, Block { [self] in fire() })
    }

    private func fire() {
        let now = loop.now
        var late: [Entry] = []
        let next = state.withLock { state -> Instant? in
            // One fires: the earliest.
            _ = state.timers.popMin()
            while let first = state.earliest, first.due <= now || first.ticket.isSettled {
                state.removeEarliest()
                late.append(first)
            }
            return state.arm(at: now)
        }
        if let next { arm(next, at: now) }
        for entry in late where !entry.ticket.isSettled {
            entry.ticket.fail(
                RaftError(.deadlineExceeded, "\(entry.text) within \(entry.timeout)", outcome: entry.outcome))
        }
    }
}
