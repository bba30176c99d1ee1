/// Runs tasks on a loop, between whatever else happens there: for callers who propose or read so much that waking a
/// thread for each answer would cost more than the answer.
///
///     Task(executorPreference: node.taskExecutor) { try await node.propose(command) }
///
/// What runs there keeps the node from its work for as long: it must not compute for long, and never block.
///
/// An actor whose `unownedExecutor` is the loop does not do the same: in Swift 6.3 a continuation is resumed on the shared
/// pool, unless the task prefers an executor, and comes back to the actor from there.
public final class LoopTaskExecutor: TaskExecutor {
    private let loop: any Loop

    /// - Parameter loop: where the tasks run.
    public init(_ loop: any Loop) { self.loop = loop }

    public func enqueue(_ job: consuming ExecutorJob) { loop.post(Step(job: UnownedJob(job), executor: self)) }

    private final class Step: Activated {
        private let job: UnownedJob
        private let executor: LoopTaskExecutor

        init(job: UnownedJob, executor: LoopTaskExecutor) {
            self.job = job
            self.executor = executor
        }

        // The executor lives as long as the step, so that the task may be the last that knows it.
        func activate() { job.runSynchronously(on: executor.asUnownedTaskExecutor()) }
    }
}
