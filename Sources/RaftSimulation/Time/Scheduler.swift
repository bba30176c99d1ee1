internal import DequeModule
internal import HeapModule
public import Raft

/// The virtual world's time: everything that will happen, in order, on one thread.
///
/// Two things that are due at one moment happen in an order drawn from the seed. Nothing here looks at a real clock.
public final class Scheduler: @unchecked Sendable {
    // @unchecked: a simulation lives on one thread; nothing of it is ever touched from another. The runtime need not look
    // for overlapping accesses: an event does not happen within another.

    struct Event: Comparable {
        let time: Int64
        let tie: UInt64
        let order: UInt64
        let life: Life?
        let body: Body
        static func < (a: Event, b: Event) -> Bool { (a.time, a.tie, a.order) < (b.time, b.tie, b.order) }
        static func == (a: Event, b: Event) -> Bool { a.order == b.order }
    }

    enum Body {
        /// Something of a node runs now.
        case turn(SimulatedLoop)
        case timer(SimulatedLoop, UInt64)
        /// Only the world's own moves.
        case move(() -> Void)

        func happen() {
            switch self {
            case .turn(let loop): loop.runNext()
            case .timer(let loop, let order): loop.fire(order)
            case .move(let body): body()
            }
        }
    }

    @exclusivity(unchecked) private var heap = Heap<Event>()
    @exclusivity(unchecked) private var order: UInt64 = 0
    @exclusivity(unchecked) private var ties: RandomSource
    /// Nanoseconds since the world began.
    @exclusivity(unchecked) package private(set) var nanoseconds: Int64 = 1_000_000_000
    /// The loop whose unit runs now.
    @exclusivity(unchecked) fileprivate(set) var current: SimulatedLoop?
    /// How many events have happened.
    @exclusivity(unchecked) public private(set) var eventCount = 0
    /// The node of which something ran last; nil when only the world moved.
    @exclusivity(unchecked) private(set) var lastNode: NodeID?

    /// - Parameter seed: decides what comes first of what is due at the same moment.
    public init(seed: UInt64) { ties = RandomSource(seed: seed) }

    public var now: Instant { .nanoseconds(nanoseconds) }

    /// Lets `body` happen `delay` nanoseconds from now, unless `life` has ended by then.
    package func schedule(after delay: Int64, life: Life? = nil, _ body: @escaping () -> Void) {
        schedule(after: delay, life, .move(body))
    }

    fileprivate func schedule(after delay: Int64, _ life: Life?, _ body: Body) {
        order += 1
        heap.insert(
            Event(time: nanoseconds + max(delay, 0), tie: ties.next(), order: order, life: life, body: body))
    }

    /// Nothing more will happen.
    func end() { heap = Heap() }

    /// Lets the next thing happen. False when nothing will ever happen again.
    func step() -> Bool {
        while let event = heap.popMin() {
            if let life = event.life {
                if !life.isAlive { continue }
                if life.isPaused {
                    life.deferred.append(event.body)
                    continue
                }
            }
            nanoseconds = event.time
            eventCount += 1
            if case .turn = event.body { lastNode = event.life?.node } else { lastNode = nil }
            event.body.happen()
            return true
        }
        return false
    }
}

/// From a node's start to its crash. What was on its way for a life that has ended never happens.
package final class Life: @unchecked Sendable {
    // @unchecked: as the scheduler.
    package let node: NodeID
    @exclusivity(unchecked) package internal(set) var isAlive = true
    /// The process is stopped: what is due for it waits until it goes on.
    @exclusivity(unchecked) fileprivate(set) var isPaused = false
    fileprivate var deferred: [Scheduler.Body] = []
    package init(node: NodeID) { self.node = node }
}

extension Scheduler {
    func pause(_ life: Life, nanoseconds: Int64) {
        guard !life.isPaused else { return }
        life.isPaused = true
        schedule(after: nanoseconds) { [self] in resume(life) }
    }

    func resume(_ life: Life) {
        guard life.isPaused else { return }
        life.isPaused = false
        // One after another, in the order in which they fell due.
        for (position, body) in life.deferred.enumerated() {
            schedule(after: Int64(position), life, body)
        }
        life.deferred = []
    }
}

/// A node's clock: runs on through crashes, a little too fast or too slow, and never back.
final class NodeClock: @unchecked Sendable {
    // @unchecked: as the scheduler.
    private let scheduler: Scheduler
    @exclusivity(unchecked) private var partsPerMillion: Int64 = 0
    @exclusivity(unchecked) private var realStart: Int64
    @exclusivity(unchecked) private var ownStart: Int64

    /// - Parameter offset: what it shows when the world begins.
    init(scheduler: Scheduler, offset: Int64) {
        self.scheduler = scheduler
        realStart = scheduler.nanoseconds
        ownStart = offset
    }

    var nanoseconds: Int64 {
        let elapsed = scheduler.nanoseconds - realStart
        return ownStart + elapsed + elapsed / 1_000_000 * partsPerMillion
            + elapsed % 1_000_000 * partsPerMillion / 1_000_000
    }

    func drift(partsPerMillion: Int) {
        ownStart = nanoseconds
        realStart = scheduler.nanoseconds
        self.partsPerMillion = Int64(partsPerMillion)
    }

    /// How long it really takes until this much has passed on this clock. Rounded up: a timer is never early.
    func real(_ own: Int64) -> Int64 {
        guard partsPerMillion != 0 else { return own }
        let rate = 1_000_000 + partsPerMillion
        return own / rate * 1_000_000 + own % rate * 1_000_000 / rate + 1
    }
}

/// A loop in virtual time. What is posted to it happens one after another, in the order posted, after a short random
/// while.
public final class SimulatedLoop: Loop, @unchecked Sendable {
    // @unchecked: as the scheduler.
    private enum Work {
        case unit(any Activated)
        case job(UnownedJob)
    }
    private let scheduler: Scheduler
    private let life: Life
    private let clock: NodeClock
    @exclusivity(unchecked) private var random: RandomSource
    /// How long one thing takes, in nanoseconds.
    @exclusivity(unchecked) var latency: ClosedRange<Int64>
    @exclusivity(unchecked) private var queue: Deque<Work> = []
    @exclusivity(unchecked) private var busyUntil: Int64 = 0
    private struct Timer {
        let order: UInt64
        let due: Instant
        let unit: any Activated
    }
    @exclusivity(unchecked) private var timers: [Timer] = []
    @exclusivity(unchecked) private var timerOrder: UInt64 = 0
    /// How far this loop's clock is ahead of the world's.
    @exclusivity(unchecked) private var ahead: Duration = .zero
    /// While it is held nothing of it runs; `owed` is what would have.
    @exclusivity(unchecked) private var isHeld = false
    @exclusivity(unchecked) private var owed = 0

    /// A loop of whoever is no node, on the world's own clock.
    package convenience init(scheduler: Scheduler, life: Life, latency: ClosedRange<Int64>, seed: UInt64) {
        self.init(
            scheduler: scheduler, life: life, clock: NodeClock(scheduler: scheduler, offset: 0), latency: latency,
            seed: seed)
    }

    init(scheduler: Scheduler, life: Life, clock: NodeClock, latency: ClosedRange<Int64>, seed: UInt64) {
        self.scheduler = scheduler
        self.life = life
        self.clock = clock
        self.latency = latency
        random = RandomSource(seed: seed)
    }

    public var now: Instant { .nanoseconds(clock.nanoseconds) + ahead }

    public func post(_ unit: any Activated) { add(.unit(unit)) }
    public func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }

    private func add(_ work: Work) {
        guard life.isAlive else { return }
        queue.append(work)
        let span = UInt64(latency.upperBound - latency.lowerBound + 1)
        busyUntil = max(busyUntil, scheduler.nanoseconds) + latency.lowerBound + Int64(random.next() % span)
        scheduler.schedule(after: busyUntil - scheduler.nanoseconds, life, .turn(self))
    }

    public func after(_ delay: Duration, _ unit: any Activated) {
        timerOrder += 1
        let order = timerOrder
        timers.append(Timer(order: order, due: now + delay, unit: unit))
        scheduler.schedule(after: clock.real(delay.nanoseconds), life, .timer(self, order))
    }

    /// A timer that was fired early by ``skip(_:)`` does not fire again.
    fileprivate func fire(_ order: UInt64) {
        guard let at = timers.firstIndex(where: { $0.order == order }) else { return }
        post(timers.remove(at: at).unit)
    }

    /// Puts this loop's clock forward: what it waited for in that time is due now.
    func skip(_ duration: Duration) {
        ahead += duration
        for timer in timers.filter({ $0.due <= now }) { fire(timer.order) }
    }

    /// As a process that is stopped, or a disk that does not answer: what is posted waits.
    func hold() { isHeld = true }

    func release() {
        guard isHeld else { return }
        isHeld = false
        for _ in 0..<owed { scheduler.schedule(after: 0, life, .turn(self)) }
        owed = 0
    }

    /// Runs the oldest thing posted, now. For a crash in the middle of a write, too.
    package func runNext() {
        guard !isHeld else {
            owed += 1
            return
        }
        guard let work = queue.popFirst() else { return }
        let before = scheduler.current
        scheduler.current = self
        defer { scheduler.current = before }
        switch work {
        case .unit(let unit): unit.activate()
        case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
        }
    }

    package var isBusy: Bool { !queue.isEmpty }

    /// The life is over: what waits never happens, and is let go of.
    package func end() {
        queue = []
        timers = []
    }

    /// Nothing posted from now on, or waiting, begins before this much time has passed.
    func hang(nanoseconds: Int64) { busyUntil = max(busyUntil, scheduler.nanoseconds) + nanoseconds }

    public func checkIsolated() { precondition(isCurrent, "not on the simulated loop of node \(life.node)") }
    public func isIsolatingCurrentContext() -> Bool? { isCurrent }
    private var isCurrent: Bool { scheduler.current === self }
}

extension Duration {
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
