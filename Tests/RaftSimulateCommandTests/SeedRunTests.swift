import ArgumentParser
import Foundation
import RaftSimulation
import TestTraits
import Testing

@testable import RaftSimulateCommand

@Suite("A seed and what belongs to it, as text", .heavy)
struct SeedRunTests {
    @Test("A line is read back as it was written")
    func roundTrip() throws {
        for run in [
            SeedRun(7), SeedRun(7, nodes: 3), SeedRun(.max, nodes: 7, events: 1, profile: .disk),
            SeedRun(1, profile: .long),
        ] {
            #expect(try SeedRun(parsing: run.line[...], "here") == run)
        }
    }

    @Test(
        "What cannot be a seed is refused, with its place",
        arguments: ["x", "1 nodes=8", "1 events=0", "1 profile=no", "1 2", "-1"])
    func refused(line: String) throws {
        let error = #expect(throws: ValidationError.self) { try SeedRun(parsing: line[...], "file, line 3") }
        #expect(error?.message.hasPrefix("file, line 3: ") == true)
    }

    @Test("A file that is not there is named")
    func noFile() {
        let error = #expect(throws: ValidationError.self) { try SeedRun.list(in: "/nowhere/seeds") }
        #expect(error?.message.contains("/nowhere/seeds") == true)
    }

    static let kept: [SeedRun] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "RaftSimulationTests/seeds.txt")
        return (try? SeedRun.list(in: file.path)) ?? []
    }()

    @Test("Seeds that once failed pass", arguments: kept)
    func keptSeeds(run: SeedRun) throws { _ = try run.run() }

    @Test("There are kept seeds")
    func thereAreSome() { #expect(Self.kept.count > 5) }

    @Test("A campaign counts what it ran, and names what failed")
    func campaign() async throws {
        let outcome = await Campaign(runs: (1...3).map { SeedRun($0, events: 500) }, jobs: 2, minutes: nil).run()
        #expect(outcome.done == 3 && outcome.failed.isEmpty)
        #expect(outcome.summary.hasPrefix("3 seeds, "))
        #expect(outcome.hashLines.split(separator: "\n").count == 3)
        #expect(outcome.markTable.contains("segmentRolled"))
        #expect(!outcome.missingMarks.isEmpty, "three short runs cannot meet everything")
        let late = await Campaign(runs: (1...3).map { SeedRun($0, events: 500) }, jobs: 1, minutes: -1).run()
        #expect(late.done == 0)
    }
}
