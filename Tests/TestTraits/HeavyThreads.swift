internal import Dispatch
internal import Foundation
internal import Raft
internal import Synchronization

/// Threads beside the pool of Swift's concurrency, for tests that compute for long without a pause: one for each
/// processor, which go after all others where processors are short.
final class HeavyThreads: TaskExecutor {
    static let shared = HeavyThreads()

    private let jobs = Mutex<[UnownedJob]>([])
    /// Counts the jobs.
    private let waiting = DispatchSemaphore(value: 0)

    private init() {
        for _ in 0..<ProcessInfo.processInfo.activeProcessorCount {
            Thread.detachNewThread { HeavyThreads.shared.work() }
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        waiting.signal()
    }

    private func work() -> Never {
        ThreadLoop.lowerPriorityOfThisThread()
        while true {
            waiting.wait()
            jobs.withLock { $0.removeFirst() }.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
