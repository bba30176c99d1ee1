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
        var entries = Heap<Entry>()
        var number: UInt64 = 0
        /// When each timer fires that is still to fire.
        var timers = Heap<Instant>()
        /// How many entries there may be before the settled ones among them are let go of.
        var limit = 64

        /// When the next timer is to fire that is not there yet; nil when none is needed.
        mutating func arm(at now: Instant) -> Instant? {
            guard let first = entries.min else { return nil }
            let due = min(max(first.due, now), now + Deadlines.reach)
            if let earliest = timers.min, earliest <= due { return nil }
            timers.insert(due)
            return due
        }
    }
    private static let reach = Duration.seconds(1)
    private let loop: any Loop
    private let state = Lock(State())

    init(loop: any Loop) { self.loop = loop }

    /// How many tickets are kept: for tests.
    var count: Int { state.withLock { $0.entries.count } }
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
            if state.entries.count >= state.limit {
                state.entries = Heap(state.entries.unordered.filter { !$0.ticket.isSettled })
                state.limit = max(64, 2 * state.entries.count)
            }
            state.number += 1
            state.entries.insert(
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
            while let first = state.entries.min, first.due <= now || first.ticket.isSettled {
                state.entries.removeMin()
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
