import ArgumentParser
import RaftSimulation
import TestTraits
import Testing

@testable import RaftSimulateCommand

@Suite("raft-simulate --crash-states", .heavy)
struct CrashStateCampaignTests {
    @Test(
        "What does not belong together is refused",
        arguments: [
            ["--script", "votes"], ["--limit", "5"], ["--steps", "5"], ["--crash-states", "--limit", "0"],
            ["--crash-states", "--steps", "0"], ["--crash-states", "--recoveries", "-1"],
        ])
    func refused(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try CrashStateOptions.parse(arguments).check() }
    }

    @Test("A script that there is not is refused with the names of those that there are")
    func unknownScript() {
        let error = #expect(throws: (any Error).self) {
            _ = try CrashStateOptions.parse(["--crash-states", "--script", "x"])
        }
        let text = error.map { CrashStateOptions.message(for: $0) } ?? ""
        #expect(text.contains("foundings"), "\(text)")
    }

    @Test("A campaign says of each script what was tried, and is well when nothing went wrong")
    func campaign() async throws {
        let options = try CrashStateOptions.parse([
            "--crash-states", "--script", "votes", "--steps", "2", "--limit", "20", "--recoveries", "1",
        ])
        #expect(await CrashStateCampaign(options: options, jobs: 1).run())
        let report = CrashStates(.votes, steps: 2, limit: 20, recoveryCount: 1).run()
        let text = CrashStateCampaign.text(report, 0)
        #expect(text.hasPrefix("votes: \(report.changeCount) changes of the disk, \(report.imageCount) states"))
        #expect(text.contains("20 starts; \(report.secondStartCount) starts behind crashes in 1 of them; 0 faults"))
    }
}
