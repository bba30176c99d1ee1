/// Something that a ``Loop`` runs when asked to: the unit in which actors wake each other.
///
/// Kept non-generic on purpose: a generic override behind a non-generic base runs unspecialised, at three times the
/// cost.
public protocol Activated: AnyObject, Sendable {
    /// Runs on the loop that it was posted to.
    nonisolated func activate()
}

/// A moment on a loop's clock: the time since some fixed point of it. Never the wall clock.
///
/// The clock must also run while the machine is suspended, or the loop must show the gap when it wakes.
public typealias Instant = Duration

/// The thread that an actor lives on, as a seam: executor, wake-ups, timers and clock in one.
///
/// A NIO event loop in production, a thread of its own in process (``ThreadLoop``), the seeded simulator in tests.
/// Everything posted runs one after another, in the order posted.
public protocol Loop: SerialExecutor {
    /// Runs `unit` soon, from any thread.
    func post(_ unit: any Activated)
    /// Runs `unit` once, at least `delay` from now, from any thread. There is no cancelling: whoever is woken looks
    /// at what it is waiting for and, if it is too early, asks again.
    func after(_ delay: Duration, _ unit: any Activated)
    var now: Instant { get }
}
