package import Logging
package import Raft

/// Another state machine on the nodes of a simulation, in place of its own: with those who call it, and what must hold of
/// them.
///
/// Everything else stays as it is: network, disks, clocks, faults, what is checked of the log, and how a run ends.
package protocol SimulationGuest: AnyObject {
    /// Called once, before anything happens.
    func enter(_ world: SimulationWorld) throws

    /// Makes the node of a life that begins.
    func makeNode(_ parts: NodeParts) throws -> any RunningNode
    /// The node's process has ended, and its memory is gone; with `losingPower` what its machine had not synced, too.
    func ended(_ node: NodeID, losingPower: Bool)
    /// Everything on the node's disk is gone.
    func lostDisk(of node: NodeID)

    /// A node has made this entry durable; every other one of its position and term is the same.
    func appended(_ entry: Entry)

    /// Lets the clients begin.
    func begin()
    /// Lets them make no further calls.
    func rest()
    /// Lets them make so many writes, and reads of all there is, through these nodes: nothing is wrong any more (L2, L3).
    func beginAudit(writes: Int, through nodes: [NodeID])
    var auditIsDone: Bool { get }
    /// Whether everything is as it must be once nothing is wrong any more and nobody writes, on these nodes; nil when it is,
    /// else what is missing, under its number. Asked again and again until it is so, for some time.
    func remaining(on nodes: [NodeID]) -> Violation?
    /// Judges all that the clients were told.
    ///
    /// - Parameter isCutShort: the run ends in the middle of its faults.
    func judge(isCutShort: Bool)
    /// Lets go of everything.
    func end()

    /// How many writes were acknowledged, reads answered, and calls not known to have had an effect.
    var counts: (acknowledged: Int, reads: Int, unknown: Int) { get }
}

/// What a guest may do in the world that it has entered.
package struct SimulationWorld {
    package let scheduler: Scheduler
    package let profile: SimulationProfile
    package let seed: UInt64
    /// Takes one line about what happens.
    package let say: @Sendable (@autoclosure () -> String) -> Void
    let checker: SafetyChecker
    let network: SimulatedNetwork
    let nodes: [SimulatedNode]

    /// Ends the run: a promise is broken.
    package func fail(_ invariant: String, _ text: String) { checker.fail(invariant, text) }

    /// What is committed: the entries from the first one on.
    package var committedCount: Int { checker.committed.count }
    package func committed(at position: Int) -> LogID { checker.committed[position].id }

    /// How long a message takes between a client and a node now, in nanoseconds.
    package var delay: ClosedRange<Int64> { network.profile.delay }
    package var nodeIDs: [NodeID] { nodes.map(\.id) }
    package func isUp(_ node: NodeID) -> Bool { nodes[Int(node.rawValue) - 1].isUp }
}

/// What a simulated node gives to the node that runs in it.
package struct NodeParts {
    package let configuration: Configuration
    package let store: any LogStore
    package let transport: any Transport
    package let loops: NodeLoops
    package let members: ClusterConfiguration?
    package let snapshots: (any SnapshotStore)?
    package let peers: any PeerMemory
    package let seed: UInt64
    package let logger: Logger
    /// The life that begins with it.
    package let life: Life
    /// Fails when a fault asks for it: called before anything is applied.
    package let willApply: @Sendable () throws -> Void
}

/// A node as the simulation looks at it and gives it orders, whatever its state machine is.
package protocol RunningNode: AnyObject, Sendable {
    var status: NodeStatus { get }
    func withStatus<Result>(_ look: (NodeStatus) -> Result) -> Result
    func withStatus(after version: inout UInt64, _ look: (NodeStatus) -> Void) -> Bool
    func start(completion: @escaping @Sendable (Result<Void, RaftError>) -> Void)
    func stop(completion: @escaping @Sendable (Result<Void, RaftError>) -> Void)
    func abandon()
    func triggerSnapshot(completion: @escaping @Sendable (Result<SnapshotManifest, RaftError>) -> Void)
    func pushSnapshot(to peer: NodeID?, completion: @escaping @Sendable (Result<SnapshotManifest, RaftError>) -> Void)
    func transferLeadership(to target: NodeID?)
    func changeMembership(
        _ request: MembershipRequest, ifUnchangedSince seen: LogID?, timeout: Duration,
        completion: @escaping @Sendable (Result<Void, RaftError>) -> Void)
}

extension RaftNode: RunningNode {
    package func transferLeadership(to target: NodeID?) { leadership.transfer(to: target, completion: { _ in }) }
    package func changeMembership(
        _ request: MembershipRequest, ifUnchangedSince seen: LogID?, timeout: Duration,
        completion: @escaping @Sendable (Result<Void, RaftError>) -> Void
    ) {
        membership.perform(request, ifUnchangedSince: seen, timeout: timeout, completion: completion)
    }
}
