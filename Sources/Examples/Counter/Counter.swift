import Raft

/// A counter that three nodes agree on, in thirty lines.
struct Counter: StateMachine {
    struct Add: ReplicatedCommand {
        var amount: UInt8
        init(_ amount: UInt8) { self.amount = amount }
        func encode(into bytes: inout [UInt8]) { bytes.append(amount) }
        init(decoding bytes: ArraySlice<UInt8>) { amount = bytes.first ?? 0 }
    }
    private(set) var total = 0
    mutating func apply(_ command: Add, at id: LogID) -> Int {
        total += Int(command.amount)
        return total
    }
}

@main
struct Example {
    static func main() async throws {
        let network = LocalNetwork()
        let members = try ClusterConfiguration(voters: [1, 2, 3].map { .init(id: $0, address: "local:\($0)") })
        var nodes: [RaftNode<Counter>] = []
        for id in members.voters {
            let loops = NodeLoops.threads()
            let node = try RaftNode(
                configuration: .init(id: id), machine: Counter(), store: MemoryLogStore(),
                transport: network.transport(for: id, on: loops.loop), loops: loops, bootstrap: members)
            try await node.start()
            nodes.append(node)
        }
        let elected = try await nodes[0].untilLeader(within: .seconds(10))
        let leader = nodes.first { $0.status.id == elected.id }!
        let total = try await leader.propose(.init(5))  // committed, applied, its result
        let fresh = try await leader.read { $0.total }  // linearizable
        print("total \(total), read \(fresh)")
        for node in nodes { await node.stop() }
    }
}
