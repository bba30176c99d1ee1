import Foundation
import TestTraits
import Testing

/// Members of a real cluster come and go.
@Suite("Members of a cluster of processes", .processes, .serialized, .timeLimit(.minutes(10)))
struct MemberTests {
    struct Members: Decodable {
        struct Row: Decodable {
            let id: Int
            let voter: Bool
            let leader: Bool
            let incarnation: String?
        }
        let entry: String
        let changing: Bool
        let members: [Row]
        var voters: [Int] { members.filter(\.voter).map(\.id) }
        var learners: [Int] { members.filter { !$0.voter }.map(\.id) }
    }

    func members(_ cluster: DevCluster) async throws -> Members {
        let ending = try await cluster.run("member", "list", "-o", "json")
        guard ending.code == 0 else { throw Unexpected("member list: \(ending.code) \(ending.errors)") }
        return try JSONDecoder().decode(Members.self, from: ending.output)
    }

    /// A node beside those of the cluster, on a port that the kernel chose.
    func join(_ id: Int, _ cluster: DevCluster, data: String) async throws -> (program: RunningProgram, address: String)
    {
        let dev = cluster.data
        if !FileManager.default.fileExists(atPath: "\(cluster.directory.path)/peer-\(id).pem") {
            let issue = try await RaftProgram.run(
                [
                    "cert", "issue", "--cluster", "dev", "--role", "peer", "--name", "\(id)", "--ca",
                    "\(dev)/certificates/ca.pem", "--ca-key", "\(dev)/certificates/ca-key.pem",
                ], in: cluster.directory.path)
            guard issue.code == 0 else { throw Unexpected("cert issue: \(issue.errors)") }
        }
        let program = try RaftProgram.start(
            [
                "serve", "--id", "\(id)", "--cluster", "dev", "--listen", "127.0.0.1:0", "--data", data, "--cert",
                "peer-\(id).pem", "--key", "peer-\(id)-key.pem", "--ca", "\(dev)/certificates/ca.pem", "--join",
            ], environment: ["RAFT_ELECTION_TIMEOUT": "400ms", "RAFT_HEARTBEAT": "50ms"], in: cluster.directory.path)
        var address = ""
        try await eventually("node \(id) listens") {
            guard program.isRunning else { throw Unexpected("node \(id) ended: \(program.errors)") }
            guard let line = program.errors.split(separator: "\n").first(where: { $0.contains("listens on ") }) else {
                return false
            }
            address = String(line.split(separator: " ").first { $0.hasPrefix("127.0.0.1:") }!.dropLast())
            return true
        }
        return (program, address)
    }

    @Test("A node joins, gets a vote, takes the place of another, and a removed one is told so; no write is lost")
    func growsAndShrinks() async throws {
        let cluster = try await DevCluster()
        try await cluster.putUntilDone("a", "1")
        let (four, address) = try await join(4, cluster, data: cluster.directory.file("four"))
        let added = try await cluster.run("member", "add", "4", address, "--wait", "--timeout", "30s")
        #expect(added.code == 0, "\(added.errors)")
        #expect(added.text.contains("learner"))
        #expect(try await members(cluster).learners == [4])
        #expect(try await cluster.run("member", "add", "4", address).code == 0, "it is there already")

        let seen = try await members(cluster).entry
        #expect(try await cluster.run("member", "promote", "4", "--if-entry", "1@9").code == 1)
        let promoted = try await cluster.run("member", "promote", "4", "--if-entry", seen, "--timeout", "30s")
        #expect(promoted.code == 0, "\(promoted.errors)")
        #expect(try await members(cluster).voters == [1, 2, 3, 4])
        let again = try await cluster.run("member", "promote", "4")
        #expect(again.code == 1 && again.errors.contains("node 4 is not a learner"))

        // The leader itself goes.
        let leader = try await cluster.leader()
        #expect(try await cluster.run("member", "remove", "\(leader)", "--timeout", "30s").code == 0)
        try await cluster.putUntilDone("b", "2")
        try await eventually("node \(leader) says that it was removed") {
            let status = try await cluster.run("status")
            return status.text.contains("node \(leader) was removed")
        }
        let rest = try await members(cluster)
        #expect(rest.voters == [1, 2, 3, 4].filter { $0 != leader } && !rest.changing)
        #expect(rest.members.allSatisfy { $0.incarnation != nil })
        #expect(try await cluster.run("member", "remove", "9").code == 1)
        #expect(try await cluster.run("member", "remove", "x").code == 2)
        #expect(try await cluster.run("get", "a").text == "1")
        four.signal(SIGTERM)
        #expect(try await four.ending().code == 0)
    }

    @Test("A member that lost its disk comes back: removed, added again with an empty directory, and promoted")
    func replacesLostDisk() async throws {
        let cluster = try await DevCluster()
        try await cluster.putUntilDone("a", "1")
        let (first, address) = try await join(4, cluster, data: cluster.directory.file("four"))
        #expect(try await cluster.run("member", "add", "4", address, "--wait", "--timeout", "30s").code == 0)
        first.signal(SIGKILL)
        _ = try await first.ending()
        let (second, newAddress) = try await join(4, cluster, data: cluster.directory.file("four-again"))
        try await eventually("another life of node 4 is refused") {
            let log = try (1...3).map { try String(contentsOfFile: "\(cluster.data)/node-\($0).log", encoding: .utf8) }
            // The leader calls where the first one listened; nobody is there, or whoever took the port.
            return log.contains { $0.contains("node 4 cannot be reached") || $0.contains("node 4 lost") }
        }
        #expect(try await cluster.run("member", "remove", "4", "--timeout", "30s").code == 0)
        let added = try await cluster.run("member", "add", "4", newAddress, "--wait", "--timeout", "30s")
        #expect(added.code == 0, "\(added.errors) \(second.errors)")
        #expect(try await cluster.run("member", "promote", "4", "--timeout", "30s").code == 0)
        #expect(try await members(cluster).voters == [1, 2, 3, 4])
        #expect(try await cluster.run("get", "a").text == "1")
    }
}
