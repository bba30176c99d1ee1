import Foundation
import Testing

/// A cluster of `raft dev` in a directory of its own, on ports that the kernel chose.
final class DevCluster {
    let directory: TemporaryDirectory
    private(set) var program: RunningProgram
    private let options: [String]

    var data: String { directory.file("dev") }
    var context: String { data + "/context.json" }

    /// Short, since tests wait for elections, and long enough for debug builds on a machine with far more to do than it
    /// can: a leader that gives its office up in the middle of a put leaves its outcome unknown, as it should.
    private static let environment = ["RAFT_ELECTION_TIMEOUT": "1s", "RAFT_HEARTBEAT": "100ms"]

    /// Returns once there is a leader.
    init(_ options: [String] = []) async throws {
        directory = try TemporaryDirectory()
        self.options = options
        program = try Self.launch(directory, ["--base-port", "0"] + options)
        try await waitForReport()
    }

    deinit {
        program.signal(SIGKILL)
        for id in 1...9 { if let pid = processID(of: id) { kill(pid, SIGKILL) } }
    }

    private static func launch(_ directory: TemporaryDirectory, _ options: [String]) throws -> RunningProgram {
        try RaftProgram.start(
            ["dev", "--data", directory.file("dev")] + options, environment: environment, in: directory.path)
    }

    private func waitForReport() async throws {
        try await eventually("raft dev reports a leader") {
            guard self.program.isRunning else { throw Unexpected("raft dev ended: \(self.program.errors)") }
            return self.program.output.contains("Ctrl-C stops the nodes")
        }
    }

    /// Ctrl-C, and what is left behind.
    func stop() async throws -> RaftProgram.Ending {
        program.signal(SIGINT)
        return try await program.ending()
    }

    /// The same command once more.
    func startAgain() async throws {
        program = try Self.launch(directory, options)
        try await waitForReport()
    }

    /// Runs a client command against this cluster.
    func run(_ arguments: String..., input: Data = Data()) async throws -> RaftProgram.Ending {
        try await RaftProgram.run(arguments + ["--context", context], input: input, in: directory.path)
    }

    /// The process of one node, found as an operator finds it: by its arguments.
    func processID(of node: Int) -> Int32? {
        let data = "\(self.data)/node-\(node)"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.first { pid in
            guard let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else { return false }
            let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.contains("serve") && words.contains(data)
        }
    }

    struct NodeLine: Decodable {
        let id: Int?
        let role: String?
        let applied: Int?
        let commit: Int?
        let reachable: Bool
    }
    struct StatusLine: Decodable {
        let leader: Int?
        let term: Int
        let nodes: [NodeLine]
    }

    func status() async throws -> StatusLine {
        let ending = try await run("status", "-o", "json", "--timeout", "2s")
        guard ending.code == 0 else { throw Unexpected("status: \(ending.code) \(ending.errors)") }
        return try JSONDecoder().decode(StatusLine.self, from: ending.output)
    }

    func leader() async throws -> Int {
        var leader: Int?
        try await eventually("there is a leader") {
            leader = try await self.status().leader
            return leader != nil
        }
        return try #require(leader)
    }

    /// Every node is there and has applied as much as the leader.
    ///
    /// - Parameter writing: writes go on, so that only nodes far behind can be told from others.
    func waitUntilAllCaughtUp(writing: Bool = false) async throws {
        try await eventually("every node has caught up") {
            let nodes = try await self.status().nodes
            let applied = nodes.map { $0.applied ?? -1 }
            return nodes.allSatisfy(\.reachable) && nodes.contains { $0.role == "leader" }
                && applied.max()! - applied.min()! <= (writing ? 1000 : 0)
        }
    }

    func endpoints() throws -> [String] {
        struct Context: Decodable { let endpoints: [String] }
        return try JSONDecoder().decode(Context.self, from: Data(contentsOf: URL(fileURLWithPath: context))).endpoints
    }

    /// Sets a key, asking again for as long as the cluster says that nothing happened or cannot say.
    func putUntilDone(_ key: String, _ value: String) async throws {
        try await eventually("put \(key) is acknowledged") {
            try await self.run("put", key, value, "--timeout", "3s").code == 0
        }
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Asks until the answer is yes. The limit only ends a test that would never end; no test depends on its length.
func eventually(
    _ what: String, limit: Duration = .seconds(60), _ isTrue: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !isTrue() {
        guard ContinuousClock.now < deadline else { throw Unexpected("not within \(limit): \(what)") }
        try await Task.sleep(for: .milliseconds(30))
    }
}

/// A directory that lives as long as this object.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/raft-integration-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}
