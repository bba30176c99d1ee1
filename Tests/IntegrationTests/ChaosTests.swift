import Foundation
import Testing

/// A slice of what `raft chaos` does for hours.
@Suite("raft chaos", .serialized, .timeLimit(.minutes(3)))
struct ChaosTests {
    /// Machines that run tests are busy: more time for elections and answers, and fewer calls to count.
    private static let patience = ["--election-timeout", "400ms", "--grace", "30s", "--least-rate", "10"]

    private func run(
        _ arguments: String..., environment: [String: String] = [:]
    ) async throws -> (RaftProgram.Ending, TemporaryDirectory) {
        let directory = try TemporaryDirectory()
        let all = ["chaos"] + arguments + Self.patience + ["--seed", "1", "--data", directory.path]
        return (try await RaftProgram.run(all, environment: environment, in: directory.path), directory)
    }

    @Test("Ten times kill -9 under load lose nothing, and leave nothing behind")
    func kill() async throws {
        let (ending, directory) = try await run("kill", "--cycles", "10")
        #expect(ending.code == 0, "\(ending.text)\(ending.errors)")
        #expect(ending.text.contains("linearizable"), "\(ending.text)")
        let left = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(!left.contains { $0.hasPrefix("raft-chaos-") }, "\(left)")
    }

    #if os(Linux)
        @Test("Five times kill -9 with everything gone that was not synced lose nothing")
        func power() async throws {
            let (ending, _) = try await run("power", "--cycles", "5")
            #expect(ending.code == 0, "\(ending.text)\(ending.errors)")
            #expect(ending.text.contains("linearizable"), "\(ending.text)")
        }

        @Test("Nodes that did not sync their log are found out")
        func forgetful() async throws {
            let (ending, _) = try await run(
                "power", "--cycles", "25", environment: ["DROP_UNSYNCED_FORGETS": ".segment"])
            #expect(ending.code == 1, "\(ending.text)\(ending.errors)")
            #expect(ending.text.contains("run 1 failed, seed 1: "), "\(ending.text)")
        }
    #endif

    @Test("A run without enough calls is void, shows nothing, and is kept")
    func void() async throws {
        let directory = try TemporaryDirectory()
        let ending = try await RaftProgram.run(
            ["chaos", "kill", "--least-rate", "100000000", "--data", directory.path], in: directory.path)
        #expect(ending.code == 3, "\(ending.text)\(ending.errors)")
        #expect(ending.text.contains("calls a second before the first fault"), "\(ending.text)")
        let kept = try #require(ending.errors.split(separator: "\n").first { $0.hasPrefix("kept: ") }).dropFirst(6)
        #expect(FileManager.default.fileExists(atPath: kept + "/run-1/history-1.jsonl"))
    }
}
