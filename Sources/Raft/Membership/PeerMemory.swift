/// Which life of each other member this node has met: so that a member whose disk was lost, and that comes back empty
/// under its old id, is not taken for the one that made promises under it (Vanlightly, "How to lose messages on a Kafka
/// cluster": the same holds for Raft).
public protocol PeerMemory: AnyObject, Sendable {
    /// The first incarnation of `node` that was ever accepted here; nil when none was. From any thread.
    func incarnation(of node: NodeID) -> Incarnation?

    /// Keeps it for ever: returns once it is as durable as the log is. From any thread; it may block for one write.
    ///
    /// - Throws: when it cannot be kept. The peer is then refused.
    func remember(_ incarnation: Incarnation, of node: NodeID) throws
}

/// For nodes whose log is in memory too.
public final class MemoryPeerMemory: PeerMemory {
    private let known = Lock<[NodeID: Incarnation]>([:])
    public init() {}
    public func incarnation(of node: NodeID) -> Incarnation? { known.withLock { $0[node] } }
    public func remember(_ incarnation: Incarnation, of node: NodeID) throws {
        known.withLock { $0[node] = incarnation }
    }
}
