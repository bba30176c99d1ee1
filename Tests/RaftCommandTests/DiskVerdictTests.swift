import Raft
import RaftStorage
import Testing

@testable import RaftCommand

@Suite("Whether a disk will do")
struct DiskVerdictTests {
    private static func verdict(usual: Int64, longest: Int64, timeout: Duration = .seconds(1)) -> DiskVerdict {
        var syncs = LatencyHistogram()
        for _ in 0..<999 { syncs.record(usual * 1_000_000) }
        syncs.record(longest * 1_000_000)
        return DiskVerdict(syncs: syncs, electionTimeout: timeout)
    }

    @Test(
        "It is judged by the usual sync, of which an election needs four, and by the longest",
        arguments: [
            (1, 20, DiskVerdict.Fitness.fit), (99, 499, .fit), (110, 120, .doubtful), (1, 600, .doubtful),
            (1, 1000, .unfit), (260, 270, .unfit),
        ] as [(Int64, Int64, DiskVerdict.Fitness)])
    func verdicts(usual: Int64, longest: Int64, fitness: DiskVerdict.Fitness) {
        #expect(Self.verdict(usual: usual, longest: longest).fitness == fitness)
    }

    @Test("The same disk may do for longer election timeouts only, and the advice leads to one that fits")
    func advice() {
        #expect(Self.verdict(usual: 10, longest: 12, timeout: .milliseconds(20)).reason.contains("101 ms or more"))
        #expect(Self.verdict(usual: 10, longest: 12, timeout: .milliseconds(110)).fitness == .fit)
    }

    @Test("A directory is measured, and nothing stays in it; a missing one is named")
    func measured() throws {
        let directory = try TemporaryDirectory()
        let probe = try DiskProbe(in: directory.path, atMost: .milliseconds(20))
        #expect(probe.syncs.count > 0 && probe.bytesPerSecond > 0)
        #expect(try POSIXFileSystem().list(directory.path).isEmpty)
        #expect(throws: RaftError.self) { try DiskProbe(in: directory.path + "/no", atMost: .seconds(1)) }
    }
}
