import ArgumentParser
import Raft
import RaftClient
import Testing

@testable import RaftCommand

@Suite("raft chaos")
struct ChaosReportTests {
    @Test("The table shows every run, and below it why one did not hold")
    func table() {
        var held = ChaosReport(number: 1, seed: 41)
        held.faults = [.kill: 9, .power: 8]
        held.loss = .init(writes: 7, names: 6)
        var tally = BenchTally()
        tally.done(.get, .milliseconds(2))
        tally.failed(RaftClientError(.outcomeUnknown, "lost"))
        tally.failed(RaftClientError(.unavailable, "no leader"))
        tally.longestCall = .milliseconds(3040)
        held.add(tally, timeout: .seconds(3))
        tally.longestCall = .milliseconds(10)
        held.add(tally, timeout: .seconds(3))
        #expect((held.done, held.refused, held.unknown) == (2, 2, 2))
        var void = ChaosReport(number: 2, seed: 42)
        void.verdict = .void("12 calls a second before the first fault")
        var failed = ChaosReport(number: 3, seed: 43)
        failed.add(BenchTally(), timeout: .seconds(3))
        failed.verdict = .failed("3 acknowledged writes are lost")
        #expect(held.summary == "held, 0 cycles, 2 calls")
        #expect(failed.summary == "failed: 3 acknowledged writes are lost")
        let text = ChaosReport.text([held, void, failed], color: false)
        let lines = text.split(separator: "\n")
        #expect(lines.count == 6)
        for part in ["7+6", "40 ms", "linearizable"] { #expect(lines[1].contains(part), "\(lines[1])") }
        #expect(lines[3].contains("none"))
        #expect(lines[4] == "run 2 is void, seed 42: 12 calls a second before the first fault")
        #expect(lines[5] == "run 3 failed, seed 43: 3 acknowledged writes are lost")
    }

    @Test("A run ends after 50 faults unless it is told otherwise")
    func arguments() throws {
        let chaos = try #require(try RaftCommand.parseAsRoot(["chaos", "mixed", "--seconds", "60"]) as? Chaos)
        #expect((chaos.mode, chaos.seconds, chaos.cycles, chaos.runs) == (.mixed, 60, nil, 1))
        #expect(chaos.electionTimeout.duration == .milliseconds(200))
    }

    @Test(
        "What cannot be is refused with its flag and its range",
        arguments: [
            (["flood"], "kill, power, pause, partition, mixed"), (["kill", "--nodes", "10"], "--nodes 10: 1 to 9"),
            (["kill", "--cycles", "0"], "--cycles 0: 1 to"), (["kill", "--seconds", "0"], "--seconds 0.0: above 0"),
            (["partition", "--nodes", "1"], "one node cannot be parted"),
            (["kill", "--rate", "50"], "is below --least-rate 100.0"),
            (["kill", "--election-timeout", "20ms"], "--election-timeout 20 ms: at least 50 ms"),
        ])
    func refusals(_ arguments: [String], _ part: String) {
        let error = #expect(throws: (any Error).self) { try RaftCommand.parseAsRoot(["chaos"] + arguments) }
        let message = error.map { RaftCommand.fullMessage(for: $0) } ?? ""
        #expect(message.contains(part), "\(message)")
    }
}
