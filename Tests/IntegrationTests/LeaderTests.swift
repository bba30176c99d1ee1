import Foundation
import TestTraits
import Testing

/// Leadership of a real cluster is passed on.
@Suite("Leadership of a cluster of processes", .processes, .serialized, .timeLimit(.minutes(10)))
struct LeaderTests {
    struct Leadership: Decodable {
        struct Member: Decodable {
            let id: Int
            let leader: Bool
            let preference: String
        }
        let leader: Int?
        let term: Int
        let members: [Member]
    }

    func leadership(_ ending: RaftProgram.Ending) throws -> Leadership {
        guard ending.code == 0 else { throw Unexpected("leader: \(ending.code) \(ending.errors)") }
        return try JSONDecoder().decode(Leadership.self, from: ending.output)
    }

    @Test("03: A killed leader is found gone by the end of its connections, one that stops in order is not asked after")
    func killed() async throws {
        let cluster = try await ServedCluster(3, electionTimeout: .seconds(2))
        try await cluster.bootstrap([1, 2, 3])
        try await cluster.putUntilDone("a", "1")
        let first = try #require(
            try leadership(try await cluster.run("leader", "show", "-o", "json", "--timeout", "30s")).leader)
        let others = [1, 2, 3].filter { $0 != first }
        try await cluster.stop(first, SIGKILL)
        try await eventually("a follower finds node \(first) gone") {
            others.contains { cluster.log(of: $0).contains("the leader, node \(first), is gone") }
        }
        try await cluster.putUntilDone("b", "2")
        try await cluster.start(first, data: "data-\(first)")
        try await cluster.putUntilDone("c", "3")
        let second = try #require(
            try leadership(try await cluster.run("leader", "show", "-o", "json", "--timeout", "30s")).leader)
        try await cluster.stop(second)
        try await cluster.putUntilDone("d", "4")
        for id in [1, 2, 3] where id != second {
            #expect(!cluster.log(of: id).contains("the leader, node \(second), is gone"))
        }
        for key in ["a", "b", "c", "d"] { #expect(try await cluster.run("get", key).code == 0) }
    }

    @Test("60: Leadership goes where it is told, refusals say why, and no write is lost")
    func transfers() async throws {
        let cluster = try await DevCluster()
        try await cluster.putUntilDone("a", "1")
        let before = try leadership(try await cluster.run("leader", "show", "-o", "json"))
        let old = try #require(before.leader)
        let target = old == 1 ? 2 : 1
        let third = 6 - old - target
        let passed = try leadership(
            try await cluster.run("leader", "transfer", "\(target)", "-o", "json", "--timeout", "30s"))
        #expect(passed.leader == target && passed.term > before.term)
        let again = try await cluster.run("leader", "transfer", "\(target)")
        #expect(again.code == 0 && again.text.contains("node \(target) at"), "it leads already")
        try await cluster.putUntilDone("b", "2")

        let stranger = try await cluster.run("leader", "transfer", "9")
        #expect(stranger.code == 1 && stranger.errors.contains("node 9 is not a member"), "\(stranger.errors)")
        let wished = try leadership(
            try await cluster.run("leader", "prefer", "\(third)", "never", "-o", "json", "--timeout", "30s"))
        #expect(wished.members.first { $0.id == third }?.preference == "never")
        let banned = try await cluster.run("leader", "transfer", "\(third)")
        #expect(banned.code == 1 && banned.errors.contains("never to lead"), "\(banned.errors)")
        let hopeless = try await cluster.run("leader", "prefer", "\(third)", "often")
        #expect(hopeless.code == 2)
        let elsewhere = try leadership(try await cluster.run("leader", "transfer", "-o", "json", "--timeout", "30s"))
        #expect(elsewhere.leader == old, "nobody else may")
        try await cluster.putUntilDone("c", "3")
        #expect(try await cluster.run("get", "a").text == "1")
        #expect(try await cluster.run("get", "b").text == "2")
        let status = try await cluster.run("status")
        #expect(status.text.contains("1 more voter may fail"))
    }
}
