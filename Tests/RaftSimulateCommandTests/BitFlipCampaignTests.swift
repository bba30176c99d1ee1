import ArgumentParser
import RaftSimulation
import TestTraits
import Testing

@testable import RaftSimulateCommand

@Suite("raft-simulate --bit-flips", .heavy)
struct BitFlipCampaignTests {
    @Test("What does not belong together is refused", arguments: [["--every", "5"], ["--bit-flips", "--every", "0"]])
    func refused(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try BitFlipOptions.parse(arguments).check() }
    }

    @Test("A report has a line for the file, and one for each of the first faults")
    func text() throws {
        var report = try BitFlips(eventsAfter: 200).run("vote", .stopped, every: 4000)
        let line = BitFlipCampaign.text(report, 2.5)
        #expect(line.hasPrefix("vote, stopped: \(report.placeCount) of \(report.byteCount) bytes; "), "\(line)")
        #expect(line.hasSuffix("0 faults, 2 s"), "\(line)")
        report.faults = (1...7).map { "fault \($0)" }
        let lines = BitFlipCampaign.text(report, 2.5).split(separator: "\n")
        #expect(lines.count == 7)
        #expect(lines[1] == "    fault 1")
        #expect(lines.last == "    and 2 more")
    }
}
