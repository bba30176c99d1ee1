#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A loop that is one bare thread: for nodes in process, for disk work, and for state machines that may block.
///
/// Owns its thread, which ends when ``stop()`` is called; what is still posted then is dropped.
public final class ThreadLoop: Loop, @unchecked Sendable {
    // @unchecked: everything mutable is in `state`, touched between lock and unlock of `mutex`; `running` and `thread`
    // belong to the loop's own thread (`thread` is written once, before anybody else can see the loop).

    private enum Work {
        case unit(any Activated)
        case job(UnownedJob)
    }

    private struct Timer {
        var due: Duration
        var order: UInt64
        var unit: any Activated
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    // Unchecked by the runtime: the mutex sees to it.
    @exclusivity(unchecked) private var pending: [Work] = []
    @exclusivity(unchecked) private var timers: [Timer] = []  // a binary heap by (due, order)
    @exclusivity(unchecked) private var timerOrder: UInt64 = 0
    @exclusivity(unchecked) private var isStopped = false
    @exclusivity(unchecked) private var isWaiting = false
    @exclusivity(unchecked) private var running: [Work] = []
    private var thread = pthread_t()
    private let name: String
    private let isBackground: Bool

    /// - Parameters:
    ///   - name: what the loop is for, as its messages say.
    ///   - isBackground: its work is long, and nobody waits for a piece of it: where processors are short, other
    ///     threads go first. See ``lowerPriorityOfThisThread()``.
    public init(name: String, isBackground: Bool = false) {
        self.name = name
        self.isBackground = isBackground
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
        let box = Unmanaged.passRetained(self)
        pthread_mutex_lock(mutex)
        var created = pthread_t()
        let failure = pthread_create(
            &created, nil,
            { argument in
                let loop = Unmanaged<ThreadLoop>.fromOpaque(argument!).takeRetainedValue()
                loop.run()
                return nil
            }, box.toOpaque())
        precondition(failure == 0, "cannot start thread \(name): error \(failure)")
        thread = created
        pthread_mutex_unlock(mutex)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
        pthread_cond_destroy(condition)
        condition.deallocate()
    }

    public var now: Instant { Self.clock() }

    private static func clock() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }

    public func post(_ unit: any Activated) { add(.unit(unit)) }

    public func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }

    private func add(_ work: Work) {
        pthread_mutex_lock(mutex)
        if !isStopped { pending.append(work) }
        let wake = isWaiting
        isWaiting = false
        pthread_mutex_unlock(mutex)
        if wake { pthread_cond_signal(condition) }
    }

    public func after(_ delay: Duration, _ unit: any Activated) {
        pthread_mutex_lock(mutex)
        if !isStopped {
            timerOrder += 1
            timers.append(Timer(due: Self.clock() + delay, order: timerOrder, unit: unit))
            siftUp(timers.count - 1)
        }
        let wake = isWaiting
        isWaiting = false
        pthread_mutex_unlock(mutex)
        if wake { pthread_cond_signal(condition) }
    }

    /// Ends the thread once what it is doing now is done. May be called from any thread, more than once.
    public func stop() {
        pthread_mutex_lock(mutex)
        isStopped = true
        pthread_mutex_unlock(mutex)
        pthread_cond_signal(condition)
    }

    public func checkIsolated() {
        precondition(isOnThread, "not on the thread of loop \(name)")
    }

    public func isIsolatingCurrentContext() -> Bool? { isOnThread }

    private var isOnThread: Bool { pthread_equal(pthread_self(), thread) != 0 }

    /// Lets other threads go before the calling one from now on: nicer by 10 on Linux, the class "utility" on Darwin. It
    /// still gets all that they leave, and a tenth where they leave nothing.
    public static func lowerPriorityOfThisThread() {
        #if canImport(Darwin)
            pthread_set_qos_class_self_np(QOS_CLASS_UTILITY, 0)
        #else
            // Of this thread, not of the process: Linux keeps it so.
            _ = nice(10)
        #endif
    }

    private func run() {
        if isBackground { Self.lowerPriorityOfThisThread() }
        pthread_mutex_lock(mutex)
        pthread_detach(pthread_self())  // Nobody joins it: its stack goes when it ends.
        while !isStopped {
            takeDueTimers()
            if pending.isEmpty {
                isWaiting = true
                if let next = timers.first {
                    wait(for: next.due - Self.clock())
                } else {
                    pthread_cond_wait(condition, mutex)
                }
                isWaiting = false
                continue
            }
            swap(&pending, &running)
            pthread_mutex_unlock(mutex)
            for work in running {
                switch work {
                case .unit(let unit): unit.activate()
                case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
                }
            }
            running.removeAll(keepingCapacity: true)
            pthread_mutex_lock(mutex)
        }
        // Let go of outside the lock: what ends with them may post.
        let dropped = (pending, timers)
        pending = []
        timers = []
        pthread_mutex_unlock(mutex)
        withExtendedLifetime(dropped) {}
    }

    /// Waits on the condition, at most `delay`. The condition's clock stops while the machine sleeps, the loop's does
    /// not, so the wait is cut into slices and looks at the loop's clock after each.
    private func wait(for delay: Duration) {
        let slice = min(max(delay, .zero), .seconds(1))
        var until = timespec()
        clock_gettime(CLOCK_MONOTONIC, &until)
        let (seconds, attoseconds) = slice.components
        var nanoseconds = Int(until.tv_nsec) + Int(attoseconds / 1_000_000_000)
        until.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
        nanoseconds %= 1_000_000_000
        until.tv_nsec = nanoseconds
        pthread_cond_timedwait(condition, mutex, &until)
    }

    private func takeDueTimers() {
        guard !timers.isEmpty else { return }
        let now = Self.clock()
        while let first = timers.first, first.due <= now {
            pending.append(.unit(first.unit))
            let last = timers.removeLast()
            if !timers.isEmpty {
                timers[0] = last
                siftDown(0)
            }
        }
    }

    private func isEarlier(_ a: Int, _ b: Int) -> Bool {
        (timers[a].due, timers[a].order) < (timers[b].due, timers[b].order)
    }

    private func siftUp(_ start: Int) {
        var child = start
        while child > 0, case let parent = (child - 1) / 2, isEarlier(child, parent) {
            timers.swapAt(child, parent)
            child = parent
        }
    }

    private func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < timers.count && isEarlier(child, least) {
                least = child
            }
            if least == parent { return }
            timers.swapAt(parent, least)
            parent = least
        }
    }
}
