@testable import Raft

/// A loop that a test turns by hand, on the test's own thread, with a clock that the test moves.
final class ManualLoop: Loop, @unchecked Sendable {
    // @unchecked: a test uses it on one thread.
    private var units: [any Activated] = []
    private var timers: [(due: Instant, order: Int, unit: any Activated)] = []
    private var timerCount = 0
    private(set) var now: Instant = .seconds(1)

    private var isHalted = false

    func post(_ unit: any Activated) {
        if !isHalted { units.append(unit) }
    }

    /// Drops what is posted, now and later, as a thread that has ended does.
    func halt() {
        isHalted = true
        units.removeAll()
    }

    func after(_ delay: Duration, _ unit: any Activated) {
        timerCount += 1
        timers.append((now + delay, timerCount, unit))
    }

    func enqueue(_ job: consuming ExecutorJob) { preconditionFailure("no task runs on a test's loop") }
    func checkIsolated() {}
    func isIsolatingCurrentContext() -> Bool? { true }

    var isIdle: Bool { units.isEmpty }

    /// Runs the one unit that was posted first, if there is one.
    func runOne() {
        if !units.isEmpty { units.removeFirst().activate() }
    }

    /// Runs everything that is posted, and what that posts.
    func run() {
        while !units.isEmpty { units.removeFirst().activate() }
    }

    /// Moves the clock, running each timer at its moment.
    func advance(_ duration: Duration) {
        run()
        let end = now + duration
        while let next = timers.min(by: { ($0.due, $0.order) < ($1.due, $1.order) }), next.due <= end {
            now = max(now, next.due)
            timers.removeAll { $0.order == next.order }
            next.unit.activate()
            run()
        }
        now = end
    }

    /// Moves the clock while the loop is held up: what was due meanwhile runs late.
    func stall(_ duration: Duration) { now += duration }
}
