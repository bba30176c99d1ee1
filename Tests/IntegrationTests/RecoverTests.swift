import Foundation
import TestTraits
import Testing

/// A real cluster loses its quorum for ever, and goes on from one member's data.
@Suite("Recovery of a cluster of processes", .processes, .serialized, .timeLimit(.minutes(10)))
struct RecoverTests {
    @Test(
        "59: A cluster that lost two of three goes on from the third when told to, grows again, and knows the old no more"
    )
    func recovers() async throws {
        let cluster = try await ServedCluster(3)
        try await cluster.bootstrap([1, 2, 3])
        try await cluster.putUntilDone("a", "1")
        let found = try await cluster.require("get", "a", "-o", "json")
        let put = try #require(found.firstMatch(of: /"revision":(\d+)/).flatMap { Int($0.1) })
        let running = try await cluster.run("recover", "plan", "--data", "data-1")
        #expect(running.code == 1 && running.errors.contains("in use by process"), "\(running.errors)")
        // Whatever was acknowledged is on the member that will be left.
        try await eventually("node 1 has applied it") {
            let built = try await cluster.run(
                "snapshot", "trigger", "-o", "json", "--endpoint", cluster.addresses[1]!)
            return built.code == 0 && (built.text.firstMatch(of: /"index":(\d+)/).flatMap { Int($0.1) } ?? 0) >= put
        }
        try await cluster.stop(1)
        for id in 2...3 { try await cluster.stop(id, SIGKILL) }
        try FileManager.default.removeItem(atPath: cluster.file("data-2"))
        // This one is found again when it is too late.
        try FileManager.default.moveItem(atPath: cluster.file("data-3"), toPath: cluster.file("found-3"))

        let plan = try await cluster.run("recover", "plan", "--data", "data-1")
        #expect(plan.code == 0 && plan.text.contains("never again"), "\(plan.errors)")
        let needless = try await cluster.run("recover", "plan", "--data", "data-1", "--compare", "found-3")
        #expect(needless.code == 1, "two of three are no lost quorum: \(needless.text)")
        func apply(_ options: String..., input: String = "") async throws -> RaftProgram.Ending {
            try await RaftProgram.run(
                ["recover", "apply", "--data", "data-1", "--into", "again-1"] + options, input: Data(input.utf8),
                in: cluster.directory.path)
        }
        let asked = try await apply(input: "prod\n")
        #expect(asked.code == 1 && asked.errors.contains("nothing was changed"), "\(asked.errors)")
        #expect(!FileManager.default.fileExists(atPath: cluster.file("again-1")))
        let applied = try await apply(input: "test\n")
        #expect(applied.code == 0, "\(applied.errors)")
        let again = try await apply("--yes")
        #expect(again.code == 0 && again.text.contains("nothing is left to do"), "\(again.errors)")
        let old = try await cluster.failure(1, data: "data-1")
        #expect(old.code == 1 && old.errors.contains("goes on in again-1"), "\(old.errors)")

        try await cluster.start(1, data: "again-1")
        try await cluster.putUntilDone("b", "2")
        #expect(try await cluster.run("get", "a").text == "1")
        for id in 2...3 {
            try await cluster.start(id, data: "again-\(id)", "--join")
            // Where leadership moves meanwhile the outcome is unknown, and both can be asked again.
            try await eventually("node \(id) has a vote") {
                let added = try await cluster.run("member", "add", "\(id)", cluster.addresses[id]!, "--wait")
                if added.code == 0 { _ = try await cluster.run("member", "promote", "\(id)") }
                return try await cluster.members().voters.contains(id)
            }
        }
        #expect(try await cluster.members().voters == [1, 2, 3])
        try await cluster.putUntilDone("c", "3")

        try await cluster.stop(3)
        try await cluster.start(3, data: "found-3")
        try await eventually("the old node 3 is refused") {
            (1...3).contains { cluster.log(of: $0).contains("belongs to another cluster of the name test") }
        }
        try await cluster.putUntilDone("d", "4")
        try await cluster.stop(3)
        try await cluster.start(3, data: "again-3")
        // The others could not decide without it.
        try await cluster.stop(2)
        try await cluster.putUntilDone("e", "5")
        for (key, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")] {
            #expect(try await cluster.run("get", key).text == value)
        }
    }
}
