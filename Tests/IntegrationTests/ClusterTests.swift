import Foundation
import NIOPosix
import Raft
import RaftClient
import RaftTransport
import TestTraits
import Testing

/// Real processes over real mTLS: what `raft` promises to whoever types it.
@Suite("A cluster of processes", .processes, .serialized, .timeLimit(.minutes(10)))
struct ClusterTests {
    @Test("It takes every command, and each ends with its code")
    func commands() async throws {
        let cluster = try await DevCluster()
        let put = try await cluster.run("put", "a", "1")
        #expect(put.code == 0, "\(put.errors)")
        let get = try await cluster.run("get", "a")
        #expect(get.code == 0)
        #expect(get.text == "1")

        let absent = try await cluster.run("get", "nothing")
        #expect(absent.code == 3)
        #expect(absent.errors == "raft: key \"nothing\" is absent\n")
        #expect(absent.text == "")

        #expect(try await cluster.run("cas", "a", "--expect", "1", "2").code == 0)
        let failed = try await cluster.run("cas", "a", "--expect", "1", "3")
        #expect(failed.code == 3)
        #expect(failed.errors.contains("it was last changed at revision"))
        #expect(try await cluster.run("cas", "a", "--expect-absent", "3").code == 3)
        #expect(try await cluster.run("cas", "new", "--expect-absent", "3").code == 0)
        let value = try await cluster.run("get", "a", "-o", "json")
        struct Value: Decodable { let value: String, revision: Int }
        let decoded = try JSONDecoder().decode(Value.self, from: value.output)
        #expect(decoded.value == "2")
        #expect(try await cluster.run("cas", "a", "--expect-revision", "\(decoded.revision)", "4").code == 0)
        #expect(try await cluster.run("cas", "a", "--expect-revision", "\(decoded.revision)", "5").code == 3)

        #expect(try await cluster.run("delete", "a").code == 0)
        #expect(try await cluster.run("delete", "a").code == 3)

        for (key, value) in [("r/1", "x"), ("r/2", "y"), ("r/3", "z"), ("s", "w")] {
            #expect(try await cluster.run("put", key, value).code == 0)
        }
        struct Entries: Decodable {
            struct Entry: Decodable { let key: String, value: String }
            let entries: [Entry]
            let more: Bool
        }
        func keys(_ ending: RaftProgram.Ending) throws -> [String] {
            try JSONDecoder().decode(Entries.self, from: ending.output).entries.map(\.key)
        }
        #expect(try keys(try await cluster.run("range", "r/", "-o", "json")) == ["r/1", "r/2", "r/3"])
        #expect(try keys(try await cluster.run("range", "--from", "r/2", "--to", "s", "-o", "json")) == ["r/2", "r/3"])
        let limited = try await cluster.run("range", "r/", "--limit", "2", "-o", "json")
        #expect(try keys(limited) == ["r/1", "r/2"])
        #expect(try JSONDecoder().decode(Entries.self, from: limited.output).more)
        #expect(try await cluster.run("range", "r/").text.hasPrefix("KEY  REVISION  VALUE\nr/1  "))

        let status = try await cluster.status()
        #expect(status.nodes.filter { $0.role == "leader" }.count == 1)
        #expect(status.nodes.filter { $0.role == "follower" }.count == 2)
        #expect(try await cluster.stop().code == 0)
    }

    @Test("Values come back byte for byte, up to the limit; above it a put is refused and nothing happened")
    func values() async throws {
        let cluster = try await DevCluster()
        let binary = Data((0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        #expect(try await cluster.run("put", "binary", "-", input: binary).code == 0)
        #expect(try await cluster.run("get", "binary").output == binary)
        #expect(try await cluster.run("put", "empty", "-").code == 0)
        let empty = try await cluster.run("get", "empty")
        #expect(empty.code == 0)
        #expect(empty.output.isEmpty)

        let largest = Data(repeating: 0xA5, count: 1_572_864)
        #expect(try await cluster.run("put", "large", "-", input: largest).code == 0)
        #expect(try await cluster.run("get", "large").output == largest)
        let tooLarge = try await cluster.run("put", "large", "-", input: largest + [1])
        #expect(tooLarge.code == 1)
        #expect(tooLarge.errors.contains("the value has 1572865 bytes, the limit is 1572864"))
        let enormous = try await cluster.run("put", "large", "-", input: Data(repeating: 1, count: 5 << 20))
        #expect(enormous.code == 1, "\(enormous.errors)")
        #expect(try await cluster.run("get", "large").output == largest)

        #expect(try await cluster.run("put", String(repeating: "k", count: 511), "v").code == 0)
        #expect(try await cluster.run("put", String(repeating: "k", count: 512), "v").code == 1)
        #expect(try await cluster.run("put", "", "v").code == 1)
    }

    @Test("After kill -9 of the leader writes go on, nothing acknowledged is lost, and the killed node catches up")
    func killLeader() async throws {
        let cluster = try await DevCluster()
        for round in 0..<3 {
            try await cluster.putUntilDone("before-\(round)", "1")
            let leader = try await cluster.leader()
            let pid = try #require(cluster.processID(of: leader))
            kill(pid, SIGKILL)
            try await cluster.putUntilDone("after-\(round)", "2")
            try await eventually("node \(leader) is started again") {
                cluster.processID(of: leader).map { $0 != pid } ?? false
            }
            try await cluster.waitUntilAllCaughtUp()
            #expect(
                cluster.program.errors.contains("node \(leader) (process \(pid)) ended: signal 9; starting it again"))
        }
        for round in 0..<3 {
            #expect(try await cluster.run("get", "before-\(round)").text == "1")
            #expect(try await cluster.run("get", "after-\(round)").text == "2")
        }
    }

    @Test("Every put that the client library reported done around three kills of the leader is there afterwards")
    func acknowledgedSurvive() async throws {
        let cluster = try await DevCluster()
        let certificates = cluster.data + "/certificates"
        let tls = try TLSContext(
            certificate: certificates + "/client.pem", key: certificates + "/client-key.pem",
            ca: certificates + "/ca.pem")
        let client = KeyValueClient(
            endpoints: try cluster.endpoints(), tls: tls, group: MultiThreadedEventLoopGroup.singleton)
        let kills = 3
        let isOver = Lock(false)
        let acknowledged = try await withThrowingTaskGroup(of: [[UInt8]: UInt64].self) { group in
            for writer in 0..<8 {
                group.addTask {
                    var done: [[UInt8]: UInt64] = [:]
                    var serial = 0
                    while !isOver.withLock({ $0 }) {
                        serial += 1
                        let key = Array("w\(writer)/\(serial)".utf8)
                        do {
                            done[key] = try await client.put(key, key).revision
                        } catch let error as RaftClientError {
                            // Unknown, or nothing happened: either way nothing was promised.
                            guard error.code == .outcomeUnknown || error.code == .unavailable else { throw error }
                        }
                    }
                    return done
                }
            }
            for _ in 0..<kills {
                let leader = try await cluster.leader()
                let pid = try #require(cluster.processID(of: leader))
                kill(pid, SIGKILL)
                try await cluster.putUntilDone("after-kill", "1")
                try await cluster.waitUntilAllCaughtUp(writing: true)
            }
            isOver.withLock { $0 = true }
            return try await group.reduce(into: [:]) { $0.merge($1) { $1 } }
        }
        #expect(acknowledged.count > 100)
        #expect(Set(acknowledged.values).count == acknowledged.count)
        var found: [[UInt8]: UInt64] = [:]
        var from: [UInt8] = Array("w".utf8)
        while true {
            let page = try await client.range(from: from)
            for entry in page.entries { found[entry.key] = entry.revision }
            guard page.hasMore, let last = page.entries.last else { break }
            from = last.key + [0]
        }
        let lost = acknowledged.filter { found[$0.key] != $0.value }
        #expect(lost.isEmpty, "\(lost.count) of \(acknowledged.count)")
        await client.close()
    }

    @Test("With two of three nodes dead nothing is promised that cannot be kept")
    func minority() async throws {
        let cluster = try await DevCluster(["--no-restart"])
        try await cluster.putUntilDone("a", "1")
        try await cluster.waitUntilAllCaughtUp()
        let leader = try await cluster.leader()
        let left = leader == 1 ? 2 : 1
        for node in 1...3 where node != left {
            kill(try #require(cluster.processID(of: node)), SIGKILL)
        }
        try await eventually("both are gone") {
            (1...3).allSatisfy { $0 == left || cluster.processID(of: $0) == nil }
        }
        let put = try await cluster.run("put", "a", "2", "--timeout", "2s")
        #expect([4, 5].contains(put.code), "\(put.code) \(put.errors)")
        #expect(try await cluster.run("get", "a", "--timeout", "2s").code == 4)
        let local = try await cluster.run("get", "a", "--local")
        #expect(local.code == 0)
        #expect(local.text == "1")
        let status = try await cluster.status()
        #expect(status.leader == nil)
        #expect(status.nodes.filter(\.reachable).map(\.id) == [left])
        #expect(status.nodes.map(\.id) == [1, 2, 3])
        #expect(cluster.program.errors.contains("it stays down (--no-restart)"))
        let stop = try await cluster.stop()
        #expect(stop.code == 0, "\(stop.errors)")
    }

    @Test("A leader that has lost its followers does not acknowledge, and says that it cannot know")
    func lonelyLeader() async throws {
        let cluster = try await DevCluster(["--no-restart"])
        try await cluster.putUntilDone("a", "1")
        let leader = try await cluster.leader()
        for node in 1...3 where node != leader { kill(try #require(cluster.processID(of: node)), SIGKILL) }
        let put = try await cluster.run("put", "a", "2", "--timeout", "3s")
        #expect([4, 5].contains(put.code), "\(put.code) \(put.errors)")
        #expect(try await cluster.run("get", "a", "--timeout", "2s").code == 4)
    }

    @Test("Stopped and started again on the same directory, it finds its data; another shape is refused")
    func startAgain() async throws {
        let cluster = try await DevCluster()
        try await cluster.putUntilDone("kept", "yes")
        let second = try await RaftProgram.run(["dev", "--data", cluster.data], in: cluster.directory.path)
        #expect(second.code == 1)
        #expect(second.errors.contains("another `raft dev` runs in"))
        #expect(try await cluster.stop().code == 0)
        for node in 1...3 { #expect(cluster.processID(of: node) == nil) }

        for arguments in [["--nodes", "5"], ["--base-port", "1"]] {
            let refused = try await RaftProgram.run(
                ["dev", "--data", cluster.data] + arguments, in: cluster.directory.path)
            #expect(refused.code == 1)
            #expect(refused.errors.contains("holds a cluster"))
        }
        try await cluster.startAgain()
        #expect(try await cluster.run("get", "kept").text == "yes")
    }

    @Test("kill -9 of raft dev leaves no node behind")
    func killDev() async throws {
        let cluster = try await DevCluster()
        cluster.program.signal(SIGKILL)
        try await eventually("every node has ended") { (1...3).allSatisfy { cluster.processID(of: $0) == nil } }
        try await cluster.startAgain()
        try await cluster.putUntilDone("a", "1")
    }

    @Test("A node that cannot start ends raft dev with its reason")
    func nodeCannotStart() async throws {
        let cluster = try await DevCluster()
        #expect(try await cluster.stop().code == 0)
        chmod(cluster.data + "/certificates/node-2-key.pem", 0o644)
        let ending = try await RaftProgram.run(["dev", "--data", cluster.data], in: cluster.directory.path)
        #expect(ending.code == 1)
        #expect(ending.errors.contains("node 2 does not start (exit code 1): "), "\(ending.errors)")
        // Once, and not as an error of another program.
        #expect(ending.errors.components(separatedBy: "node 2").count == 2, "\(ending.errors)")
        #expect(ending.errors.components(separatedBy: "raft: ").count == 2, "\(ending.errors)")
        #expect(ending.errors.contains("node-2-key.pem"), "\(ending.errors)")
        for node in 1...3 { #expect(cluster.processID(of: node) == nil) }
    }

    @Test("A certificate of the wrong role is told so, and nothing happens")
    func wrongRole() async throws {
        let cluster = try await DevCluster()
        let context = try String(contentsOfFile: cluster.context, encoding: .utf8)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(context.utf8)) as? [String: Any])
        var other = object
        other["client"] = object["admin"]
        other["admin"] = object["client"]
        let file = cluster.data + "/other.json"
        try JSONSerialization.data(withJSONObject: other).write(to: URL(fileURLWithPath: file))
        for arguments in [["put", "a", "1"], ["get", "a"], ["get", "a", "--local"], ["range"], ["status"]] {
            let ending = try await RaftProgram.run(arguments + ["--context", file], in: cluster.directory.path)
            #expect(ending.code == 6, "\(arguments): \(ending.errors)")
        }
        #expect(try await cluster.run("get", "a").code == 3)
    }
}
