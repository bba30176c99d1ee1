#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A value behind a `pthread_mutex`.
///
/// Not `Synchronization.Mutex`: ThreadSanitizer does not see that one on Linux and reports races that are none. The
/// cost is the same (5 ns uncontended).
public final class Lock<Value>: @unchecked Sendable {
    // @unchecked: `value` is touched only between lock and unlock of `mutex`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    // Unchecked by the runtime: the mutex sees to it, and whoever took it twice would wait for ever.
    @usableFromInline @exclusivity(unchecked) var value: Value

    /// - Parameter value: what it holds at first.
    public init(_ value: sending Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    @usableFromInline
    func lock() { pthread_mutex_lock(mutex) }

    @usableFromInline
    func unlock() { pthread_mutex_unlock(mutex) }

    /// Runs `body` with the value, while nobody else has it. Not twice within itself: the lock is not recursive.
    ///
    /// Compiled where it is called, in whatever module: it would look up the types of the value and the result.
    @inlinable @inline(__always)
    public func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lock()
        defer { unlock() }
        return try body(&value)
    }
}
