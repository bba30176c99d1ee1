internal import Glibc
public import NIOCore
public import Raft

/// A NIO event loop as the loop of a node: its actors, streams and peer connections never hop threads.
///
/// Wake-ups posted from the loop itself are collected and drained in one go, which takes two thirds off the cost of
/// one `execute` each. All actors of a node must use the same `NIOLoop` object: two wrappers of one event loop are two
/// executors.
public final class NIOLoop: Loop, @unchecked Sendable {
    // @unchecked: `local`, `running`, `isScheduled` belong to the event loop's thread; the rest is constant.

    /// The event loop that this wraps. Sockets of the node are registered here.
    public let eventLoop: any EventLoop
    private var local = ContiguousArray<any Activated>()
    private var running = ContiguousArray<any Activated>()
    private var isScheduled = false

    /// - Parameter eventLoop: one object of this class for it, which node and transport share.
    public init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    public func post(_ unit: any Activated) {
        guard eventLoop.inEventLoop else { return eventLoop.execute { unit.activate() } }
        local.append(unit)
        guard !isScheduled else { return }
        isScheduled = true
        eventLoop.execute { self.drain() }
    }

    /// Runs what was posted and what that posts in turn, up to a bound: then sockets get their turn.
    private func drain() {
        for _ in 0..<64 where !local.isEmpty {
            swap(&local, &running)
            for unit in running { unit.activate() }
            running.removeAll(keepingCapacity: true)
        }
        isScheduled = !local.isEmpty
        if isScheduled { eventLoop.execute { self.drain() } }
    }

    public func after(_ delay: Duration, _ unit: any Activated) {
        let due = now + delay
        let wait = TimeAmount(min(max(delay, .zero), Self.longestWait))
        eventLoop.scheduleTask(in: wait) { [self] in wake(unit, due: due) }
    }

    /// NIO's timers stand still while the machine is suspended, this loop's clock does not: a long wait is cut into
    /// slices, and each looks at the clock.
    private func wake(_ unit: any Activated, due: Instant) {
        let left = due - now
        guard left > .zero else { return unit.activate() }
        eventLoop.scheduleTask(in: TimeAmount(min(left, Self.longestWait))) { [self] in wake(unit, due: due) }
    }

    private static let longestWait = Duration.seconds(1)

    /// Time since the machine booted, suspension included.
    public var now: Instant { Self.clock() }

    static func clock() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // Not `eventLoop.enqueue`: the job would run under the event loop's identity instead of this one.
        eventLoop.execute { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    public func checkIsolated() { eventLoop.preconditionInEventLoop() }

    public func isIsolatingCurrentContext() -> Bool? { eventLoop.inEventLoop }
}
