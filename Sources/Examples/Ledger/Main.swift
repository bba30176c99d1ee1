import Foundation
import Raft
import RaftStorage

@main
struct Example {
    /// One node that is started twice: the second time the ledger is where it was, and only what is behind is applied.
    static func main() async throws {
        let folder = NSTemporaryDirectory() + "/raft-\(UUID())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let members = try ClusterConfiguration(voters: [.init(id: 1, address: "local:1")])
        for run in 1...2 {
            var random = SystemRandomNumberGenerator()
            let directory = try DataDirectory.open(
                "\(folder)/node", cluster: "example", node: 1, mode: run == 1 ? .create : .existing, using: &random)
            let loops = NodeLoops.threads()
            let node = try RaftNode(
                configuration: .init(id: 1, cluster: "example"), machine: Ledger(path: "\(folder)/ledger"),
                store: SegmentedLog(directory: directory, segmentBytes: 1 << 20),
                transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops, bootstrap: members,
                snapshots: SnapshotDirectory(directory: directory), peers: directory.peers())
            try await withRaftNode(node) { node in
                print("run \(run): the ledger shows entry \(node.status.lastApplied)")
                try await node.untilLeader(within: .seconds(10))
                print("ann:", try await node.propose(.init(account: "ann", amount: 5)))
                print("bob:", try await node.propose(.init(account: "bob", amount: -1)))
                print(try await node.read { $0.accounts })
            }
            directory.close()
        }
    }
}
