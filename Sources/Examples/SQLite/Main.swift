import Foundation
import Raft
import RaftStorage

@main
struct Example {
    /// Two of three members take commands, end, and start again with the third, which gets the database as a snapshot.
    static func main() async throws {
        let folder = NSTemporaryDirectory() + "/raft-\(UUID())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await withMembers([1, 2], in: folder, isFirst: true) { nodes in
            func run(_ command: Database.Command) async throws {
                print("\(command.sql): \(try await propose(command, to: nodes))")
            }
            try await run(
                .init("CREATE TABLE visits (name TEXT PRIMARY KEY, count INT, last TEXT DEFAULT CURRENT_TIMESTAMP)"))
            let visit = "INSERT INTO visits VALUES (?1, 1, ?2) ON CONFLICT DO UPDATE SET count = count + 1, last = ?2"
            // The time is an argument: whoever asks for the change has looked at a clock, and all members get the same.
            for name in ["ann", "bob", "ann"] {
                try await run(.init(visit, .text(name), .text(Date.now.ISO8601Format())))
            }
            print("-- refused, on every member alike:")
            try await run(.init("INSERT INTO visits (name) VALUES ('cid')"))  // for its DEFAULT
            try await run(.init("UPDATE visits SET last = datetime('now')"))
            try await run(.init("DELETE FROM visits WHERE random() % 2"))
            try await run(.init("PRAGMA synchronous = OFF"))
            try await run(.init("ATTACH 'elsewhere.db' AS elsewhere"))
            try await run(.init("INSERT INTO visits VALUES ('dan', 1, ''); INSERT INTO visits VALUES ('ann', 1, '')"))
            for number in 1...40 {
                _ = try await propose(
                    .init("DELETE FROM visits WHERE count = ?1", .integer(Int64(-number))), to: nodes)
            }
            for node in nodes { _ = try await node.triggerSnapshot() }
        }
        try await withMembers([1, 2, 3], in: folder, isFirst: false) { nodes in
            print("-- started again, with a third member")
            print(try await propose(.init("UPDATE visits SET count = count + 10 RETURNING name, count"), to: nodes))
            for node in nodes {
                let rows = try await node.read { try $0.query("SELECT name, count FROM visits ORDER BY name") }
                print("member \(node.status.id): \(rows)")
            }
            print("the third began with a snapshot: \(nodes.last?.status.snapshot != nil)")
        }
    }

    /// Whoever leads may have given that up when the command comes; then nothing happened, and it is for the next one.
    static func propose(_ command: Database.Command, to nodes: [RaftNode<Database>]) async throws -> Database.Output {
        while true {
            let id = try await nodes[0].untilLeader(within: .seconds(30)).id
            let leader = nodes.first { $0.status.id == id } ?? nodes[0]
            do throws(RaftError) { return try await leader.propose(command) } catch {
                guard error.code == .notLeader else { throw error }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Starts members, in one process for once, and stops them whatever happens.
    static func withMembers(
        _ ids: [NodeID], in folder: String, isFirst: Bool, _ body: ([RaftNode<Database>]) async throws -> Void
    ) async throws {
        let network = LocalNetwork()
        let members = try ClusterConfiguration(voters: [1, 2, 3].map { .init(id: $0, address: "local:\($0)") })
        var nodes: [RaftNode<Database>] = []
        var directories: [DataDirectory] = []
        let result: Result<Void, any Error>
        do {
            for id in ids {
                var random = SystemRandomNumberGenerator()
                let isNew = isFirst || id == 3
                let directory = try DataDirectory.open(
                    "\(folder)/node-\(id)", cluster: "example", node: id, mode: isNew ? .create : .existing,
                    using: &random)
                directories.append(directory)
                let loops = NodeLoops.threads()
                var configuration = Configuration(id: id, cluster: "example")
                // So that the third needs a snapshot: with these two as they are by default the log would do.
                configuration.maximumKeptEntries = 0
                let segmentBytes = 4096
                let node = try RaftNode(
                    configuration: configuration, machine: Database(path: "\(folder)/node-\(id)/visits.db"),
                    store: SegmentedLog(directory: directory, segmentBytes: segmentBytes),
                    transport: network.transport(for: id, on: loops.loop), loops: loops, bootstrap: members,
                    snapshots: SnapshotDirectory(directory: directory), peers: directory.peers())
                try await node.start()
                nodes.append(node)
            }
            result = .success(try await body(nodes))
        } catch {
            result = .failure(error)
        }
        for node in nodes { await node.stop() }
        for directory in directories { directory.close() }
        try result.get()
    }
}
