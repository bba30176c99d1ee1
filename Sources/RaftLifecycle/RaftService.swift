public import Raft
public import ServiceLifecycle

/// A node as a service of swift-service-lifecycle: started with the others, and stopped in good order, leadership passed
/// on, when the group shuts down.
///
/// ```swift
/// let node = try RaftNode(configuration: …)
/// let group = ServiceGroup(
///     services: [RaftService(node), web], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
/// try await group.run()
/// ```
///
/// A node that stops by itself ends the group with its reason.
public struct RaftService<Machine: StateMachine>: Service {
    /// The node that it runs.
    public let node: RaftNode<Machine>

    /// - Parameter node: one that was not started yet.
    public init(_ node: RaftNode<Machine>) { self.node = node }

    /// Runs the node until the group shuts down, or is cancelled.
    ///
    /// - Throws: what kept the node from starting, or why it stopped by itself.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await node.run()
        } onGracefulShutdown: {
            node.beginGracefulShutdown()
        }
    }
}
