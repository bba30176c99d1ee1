public import CoreMetrics
public import Raft

/// What a node knows of itself, as metrics of swift-metrics: for whichever backend the program that embeds it has chosen.
///
/// Nothing is measured in a turn: values are taken from ``NodeStatus``, when ``report(_:)`` is called. All of them are
/// gauges:
///
/// | label | what |
/// |---|---|
/// | `raft_term` | the current term |
/// | `raft_role` | 1 for the role in office (dimension `role`), 0 for the others |
/// | `raft_leader` | the id of who leads, as far as the node knows; 0 when it knows of none |
/// | `raft_last_index`, `raft_durable_index`, `raft_commit_index`, `raft_applied_index`, `raft_purged_index` | how far the log goes, is on disk, is committed, is applied, is no longer kept |
/// | `raft_snapshot_index`, `raft_snapshot_bytes` | the newest durable snapshot; 0 without one |
/// | `raft_log_is_full` | 1 while the disk has no room for the log |
/// | `raft_sessions` | the clients' sessions |
/// | `raft_peers`, `raft_peers_reachable` | on a leader: the other members, and those to whom a stream stands; not a number on others |
/// | `raft_failure_tolerance` | on a leader: how many more voters may fail; not a number on others |
public struct NodeMetrics: Sendable {
    private static let roles: [NodeRole] = [.follower, .candidate, .leader, .learner, .stopped]

    private let term, leader, last, durable, commit, applied, purged, snapshotIndex, snapshotBytes: Meter
    private let isFull, sessions, peers, reachable, tolerance: Meter
    private let roles: [(role: NodeRole, meter: Meter)]

    /// - Parameter factory: where the metrics are made; by default the backend that the program has chosen.
    public init(factory: any MetricsFactory = MetricsSystem.factory) {
        func meter(_ name: String, _ dimensions: [(String, String)] = []) -> Meter {
            Meter(label: "raft_" + name, dimensions: dimensions, factory: factory)
        }
        term = meter("term")
        leader = meter("leader")
        last = meter("last_index")
        durable = meter("durable_index")
        commit = meter("commit_index")
        applied = meter("applied_index")
        purged = meter("purged_index")
        snapshotIndex = meter("snapshot_index")
        snapshotBytes = meter("snapshot_bytes")
        isFull = meter("log_is_full")
        sessions = meter("sessions")
        peers = meter("peers")
        reachable = meter("peers_reachable")
        tolerance = meter("failure_tolerance")
        roles = Self.roles.map { ($0, meter("role", [("role", $0.rawValue)])) }
    }

    /// Sets every gauge to what the status says.
    public func report(_ status: NodeStatus) {
        // As numbers with a fraction: a whole one above 2^63 would trap in swift-metrics, and ids and terms may be such.
        term.set(Double(status.currentTerm.rawValue))
        for (role, meter) in roles { meter.set(role == status.role ? 1 : 0) }
        leader.set(Double(status.leader?.id.rawValue ?? 0))
        last.set(Double(status.last.index.rawValue))
        durable.set(Double(status.durableIndex.rawValue))
        commit.set(Double(status.commitIndex.rawValue))
        applied.set(Double(status.lastApplied.rawValue))
        purged.set(Double(status.purged.rawValue))
        snapshotIndex.set(Double(status.snapshot?.last.index.rawValue ?? 0))
        snapshotBytes.set(Double(status.snapshot?.byteCount ?? 0))
        isFull.set(status.logShortage == nil ? 0 : 1)
        sessions.set(status.sessions.sessions)
        let leads = status.role == .leader
        peers.set(leads ? Double(status.peers.count) : .nan)
        reachable.set(leads ? Double(status.peers.count { $0.isReachable }) : .nan)
        tolerance.set(status.failureTolerance.map(Double.init) ?? .nan)
    }

    /// Reports whenever the node's status may have changed, until the node ends or the task is cancelled.
    public func run(_ node: RaftNode<some StateMachine>) async {
        for await status in node.statuses { report(status) }
    }
}
