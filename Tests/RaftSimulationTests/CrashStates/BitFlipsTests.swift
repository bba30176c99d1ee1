import TestTraits
import Testing

@testable import RaftSimulation

@Suite("One bit of a member's disk turns over", .heavy)
struct BitFlipsTests {
    @Test("Wherever it is, nothing acknowledged is lost and no read is wrong", arguments: BitFlips.Moment.allCases)
    func slice(_ moment: BitFlips.Moment) throws {
        let flips = BitFlips()
        let files = try flips.files()
        for kind in ["vote", "identity", "log/", "snapshots/"] {
            #expect(files.contains { $0.name.hasPrefix(kind) }, "no \(kind) among \(files.map(\.name))")
        }
        var (refused, survived) = (0, 0)
        for (name, byteCount) in files {
            let report = try flips.run(name, moment, every: max(byteCount / 5, 1) | 1)
            #expect(report.faults.isEmpty, "\(name): \(report.faults.prefix(3))")
            refused += report.refusedCount
            survived += report.survivedCount
        }
        if moment == .stopped { #expect(refused > 0 && survived > 0) }
    }

    @Test("A file that is not there has no bytes to turn over")
    func nothing() throws {
        #expect(try BitFlips().run("nothing", .stopped).placeCount == 0)
    }
}
