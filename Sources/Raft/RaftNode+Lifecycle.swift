extension RaftNode {
    /// Starts the node, and returns once it has ended: when it was stopped, or the calling task was cancelled, in good
    /// order, as by ``stop()``. The form for a program that runs services side by side.
    ///
    /// - Throws: what kept it from starting, or why it stopped by itself.
    public func run() async throws(RaftError) {
        try await start()
        await withTaskCancellationHandler {
            await untilClosed(nil)
        } onCancel: {
            beginGracefulShutdown()
        }
        if let reason = status.stopReason { throw reason }
    }

    /// As ``stop()``, without waiting for it.
    public func beginGracefulShutdown() { stop { _ in } }

    /// Waits until everything is closed; with a slot, also until the task is cancelled.
    fileprivate func untilClosed(_ slot: TicketSlot?) async {
        try? await waiting(slot) { (done: @escaping @Sendable (Result<Void, RaftError>) -> Void) in
            let ticket = CompletionTicket(done)
            supervisor.succeedAtEnd(ticket)
            slot?.set(ticket)
        }
    }
}

/// Runs a node for as long as `body` takes: starts it, calls `body`, and stops it, whatever came of it: leadership is
/// passed on, callers are answered, everything is closed.
///
/// ```swift
/// let total = try await withRaftNode(try RaftNode(configuration: …)) { node in
///     try await node.propose(.init(5))
/// }
/// ```
///
/// If the node stops by itself meanwhile (its disk fails, say), `body` is cancelled.
///
/// - Parameter node: one that was not started yet.
/// - Returns: what `body` returns.
/// - Throws: what kept the node from starting, why it stopped by itself, or what `body` throws.
public func withRaftNode<Machine: StateMachine, Value: Sendable>(
    _ node: RaftNode<Machine>, _ body: @escaping @Sendable (RaftNode<Machine>) async throws -> Value
) async throws -> Value {
    try await node.start()
    do {
        let value = try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body(node) }
            group.addTask {
                await node.untilClosed(TicketSlot())
                // Nil also when this was cancelled, or somebody else has stopped the node: `body` sees that itself.
                if let reason = node.status.stopReason { throw reason }
                return nil
            }
            defer { group.cancelAll() }
            while let value = try await group.next() {
                if let value { return value }
            }
            throw RaftError(.stopped, "node \(node.settings.id) has stopped")
        }
        await node.stop()
        return value
    } catch {
        await node.stop()
        throw node.status.stopReason ?? error
    }
}
