internal import Raft
public import RaftClient
internal import Synchronization

/// Asks every running node all the time whether it leads.
public final class LeaderWatch: Sendable {
    private let seen = Mutex(Leaderships())
    private let interval: Duration

    /// - Parameter interval: between two questions to one node.
    public init(every interval: Duration = .milliseconds(20)) { self.interval = interval }

    public var leaderships: Leaderships { seen.withLock { $0 } }

    /// Runs until the task is cancelled.
    ///
    /// - Parameters:
    ///   - now: the time that sightings are noted in.
    public func run(_ cluster: ServerCluster, _ admin: KeyValueClient, now: @escaping @Sendable () -> Int64) async {
        while !Task.isCancelled {
            await withDiscardingTaskGroup { group in
                for node in cluster.running {
                    group.addTask {
                        guard
                            let status = try? await admin.status(
                                of: "127.0.0.1:\(node.port)", timeout: .milliseconds(500)),
                            status.role == "leader"
                        else { return }
                        let sighting = Leaderships.Sighting(
                            at: now(), node: status.id.rawValue, term: status.term.rawValue)
                        self.seen.withLock { $0.note(sighting) }
                    }
                }
            }
            try? await Task.sleep(for: interval)
        }
    }
}
