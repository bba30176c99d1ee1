import Foundation
import TestTraits
import Testing

/// That it finds what is wrong; that the nodes hold is shown by `.ci/chaos`, which needs the machine for itself.
@Suite("raft chaos", .processes, .serialized, .timeLimit(.minutes(10)))
struct ChaosTests {
    #if os(Linux)
        @Test("Nodes that did not sync their log are found out")
        func forgetful() async throws {
            let directory = try TemporaryDirectory()
            let ending = try await RaftProgram.run(
                [
                    "chaos", "power", "--cycles", "25", "--seed", "1", "--election-timeout", "400ms", "--timeout",
                    "10s", "--rate", "100", "--least-rate", "0", "--data", directory.path,
                ], environment: ["DROP_UNSYNCED_FORGETS": ".segment"], in: directory.path)
            #expect(ending.code == 1, "\(ending.text)\(ending.errors)")
            #expect(ending.text.contains("run 1 failed, seed 1: "), "\(ending.text)")
        }
    #endif

    @Test("A run without enough calls is void, shows nothing, and is kept")
    func void() async throws {
        let directory = try TemporaryDirectory()
        let ending = try await RaftProgram.run(
            [
                "chaos", "kill", "--election-timeout", "400ms", "--timeout", "10s", "--least-rate", "100000000",
                "--data", directory.path,
            ], in: directory.path)
        #expect(ending.code == 3, "\(ending.text)\(ending.errors)")
        #expect(ending.text.contains("calls a second before the first fault"), "\(ending.text)")
        let kept = try #require(ending.errors.split(separator: "\n").first { $0.hasPrefix("kept: ") }).dropFirst(6)
        #expect(FileManager.default.fileExists(atPath: kept + "/run-1/history-1.jsonl"))
    }
}
