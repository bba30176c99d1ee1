import Raft

@main
struct Example {
    static func main() async throws {
        let network = LocalNetwork()
        let members = try ClusterConfiguration(voters: [1, 2, 3].map { .init(id: $0, address: "local:\($0)") })
        // One of three nodes; in a program of its own each would be on another machine.
        try await withRaftNode(node(1, network, members)) { first in
            try await withRaftNode(node(2, network, members)) { second in
                try await withRaftNode(node(3, network, members)) { third in
                    let leader = try await first.untilLeader(within: .seconds(10)).id
                    try await story([first, second, third].first { $0.status.id == leader } ?? first)
                }
            }
        }
    }

    static func node(
        _ id: NodeID, _ network: LocalNetwork, _ members: ClusterConfiguration
    ) throws -> RaftNode<Locks> {
        let loops = NodeLoops.threads()
        return try RaftNode(
            configuration: .init(id: id), machine: Locks(), store: MemoryLogStore(),
            transport: network.transport(for: id, on: loops.loop), loops: loops, bootstrap: members,
            snapshots: MemorySnapshotStore())
    }

    /// Two workers and one lock: the first is held up for longer than it may hold it.
    static func story(_ node: RaftNode<Locks>) async throws {
        var vault = Vault()
        guard
            case .granted(let early) = try await node.propose(
                .acquire("vault", owner: "ann", now: 1000, milliseconds: 500))
        else { return }
        print("ann has the lock, token \(early)")
        print("bob:", try await node.propose(.acquire("vault", owner: "bob", now: 1200, milliseconds: 500)))
        // Here ann's process stands still.
        guard
            case .granted(let later) = try await node.propose(
                .acquire("vault", owner: "bob", now: 1600, milliseconds: 500))
        else { return }
        print("bob has the lock, token \(later); his write is taken:", vault.write("bob was here", token: later))
        print("ann goes on, and does not know; her write is taken:", vault.write("ann was here", token: early))
        print("the vault holds: \(vault.content); locks: \(try await node.read { $0.held })")
    }
}
