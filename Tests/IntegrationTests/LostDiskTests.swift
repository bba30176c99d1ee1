import Foundation
import TestTraits
import Testing

@Suite("A lost disk", .processes, .serialized)
struct LostDiskTests {
    @Test("A member that comes back empty under its old id is refused by the others, and makes no majority")
    func wiped() async throws {
        let cluster = try await DevCluster()
        try await cluster.putUntilDone("a", "1")
        try await cluster.waitUntilAllCaughtUp()
        let leader = try await cluster.leader()
        let lost = leader == 1 ? 2 : 1
        let pid = try #require(cluster.processID(of: lost))
        // Gone before the process is started again, a second later.
        kill(pid, SIGKILL)
        try FileManager.default.removeItem(atPath: "\(cluster.data)/node-\(lost)")
        try await eventually("node \(lost) is started again") {
            cluster.processID(of: lost).map { $0 != pid } ?? false
        }
        try await eventually("the leader says why it does not serve node \(lost)") {
            let lines = try (1...3).map {
                try String(contentsOfFile: "\(cluster.data)/node-\($0).log", encoding: .utf8)
            }
            return lines.contains { $0.contains("node \(lost) came back without its data") }
        }
        // The two others go on.
        try await cluster.putUntilDone("b", "2")
        #expect(try await cluster.run("get", "a").text == "1")
    }
}
