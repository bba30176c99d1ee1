import Foundation
import Testing

@testable import RaftCommand

/// Nodes that are started one by one, as operators start them: their own certificates, addresses and directories.
final class ServedCluster {
    let directory: TemporaryDirectory
    let addresses: [Int: String]
    private(set) var programs: [Int: RunningProgram] = [:]
    private let electionTimeout: Duration

    var members: String { list(addresses.keys.sorted()) }
    func list(_ ids: [Int]) -> String { ids.map { "\($0)=\(addresses[$0]!)" }.joined(separator: ",") }
    func file(_ name: String) -> String { directory.file(name) }

    /// Makes certificates; starts nothing.
    init(_ count: Int, electionTimeout: Duration = .milliseconds(400)) async throws {
        self.electionTimeout = electionTimeout
        directory = try TemporaryDirectory()
        addresses = Dictionary(
            uniqueKeysWithValues: try Ports.free(count).enumerated().map { ($0.offset + 1, "127.0.0.1:\($0.element)") })
        try await require("cert", "ca", "--name", "test authority")
        for (role, name) in (1...count).map({ ("peer", "\($0)") }) + [("client", "app"), ("admin", "ops")] {
            try await require("cert", "issue", "--cluster", "test", "--role", role, "--name", name)
        }
        let context = ClusterContext(
            cluster: "test", endpoints: (1...count).map { addresses[$0]! }, ca: "ca.pem",
            client: .init(certificate: "client-app.pem", key: "client-app-key.pem"),
            admin: .init(certificate: "admin-ops.pem", key: "admin-ops-key.pem"))
        try context.write(file("context.json"))
    }

    /// Runs a command in the directory, with the context file.
    func run(_ arguments: String..., input: String = "") async throws -> RaftProgram.Ending {
        try await run(arguments, input: input)
    }

    private func run(_ arguments: [String], input: String = "") async throws -> RaftProgram.Ending {
        try await RaftProgram.run(
            arguments, input: Data(input.utf8), environment: ["RAFT_CONTEXT": file("context.json")], in: directory.path)
    }

    /// As ``run(_:input:)``, of what must succeed, and may be asked again while nobody leads.
    @discardableResult func require(_ arguments: String...) async throws -> String {
        var text = ""
        try await eventually(arguments.joined(separator: " ")) {
            let ending = try await self.run(arguments)
            text = ending.text
            guard [0, 4, 5].contains(ending.code) else {
                throw Unexpected("\(arguments.joined(separator: " ")): \(ending.code) \(ending.errors)")
            }
            return ending.code == 0
        }
        return text
    }

    /// Starts a node, and returns once it listens.
    func start(_ id: Int, data: String, _ options: String...) async throws {
        let program = try launch(id, data: data, options)
        programs[id] = program
        try await eventually("node \(id) listens") {
            guard program.isRunning else { throw Unexpected("node \(id) ended: \(program.errors)") }
            return program.errors.contains("listens on ")
        }
    }

    /// Starts a node that does not start, and returns why.
    func failure(_ id: Int, data: String, _ options: String...) async throws -> RaftProgram.Ending {
        try await launch(id, data: data, options).ending()
    }

    private func launch(_ id: Int, data: String, _ options: [String]) throws -> RunningProgram {
        try RaftProgram.start(
            [
                "serve", "--id", "\(id)", "--cluster", "test", "--listen", addresses[id]!, "--data", file(data),
                "--cert",
                "peer-\(id).pem", "--key", "peer-\(id)-key.pem", "--ca", "ca.pem",
            ] + options,
            environment: [
                "RAFT_ELECTION_TIMEOUT": "\(Int(electionTimeout / .milliseconds(1)))ms",
                "RAFT_HEARTBEAT": "\(Int(electionTimeout / .milliseconds(8)))ms",
            ], in: directory.path)
    }

    /// The first start of the first nodes, each in a directory `data-ID`.
    func bootstrap(_ ids: [Int]) async throws {
        for id in ids { try await start(id, data: "data-\(id)", "--bootstrap", "--members", list(ids)) }
    }

    func stop(_ id: Int, _ signal: Int32 = SIGTERM) async throws {
        guard let program = programs.removeValue(forKey: id) else { return }
        program.signal(signal)
        _ = try await program.ending()
    }

    /// What a node has written to its log.
    func log(of id: Int) -> String { programs[id]?.errors ?? "" }

    func putUntilDone(_ key: String, _ value: String) async throws {
        try await eventually("put \(key) is acknowledged") {
            try await self.run("put", key, value, "--timeout", "3s").code == 0
        }
    }

    func members() async throws -> MemberTests.Members {
        let text = try await require("member", "list", "-o", "json")
        return try JSONDecoder().decode(MemberTests.Members.self, from: Data(text.utf8))
    }
}
