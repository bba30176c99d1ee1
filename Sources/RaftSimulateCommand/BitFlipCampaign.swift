import ArgumentParser
import Foundation
import RaftSimulation

/// `--bit-flips`, and what belongs to it.
struct BitFlipOptions: ParsableArguments {
    @Flag(help: "Turn over one bit of the leader's disk, at each byte of its log, vote and snapshots, one at a time.")
    var bitFlips = false
    @Option(help: "Only every so manyth byte of each file.")
    var every: Int?

    /// - Throws: for what does not belong together.
    func check() throws {
        guard let every else { return }
        guard bitFlips else { throw ValidationError("--every belongs to --bit-flips") }
        guard every > 0 else { throw ValidationError("--every \(every) is not above zero") }
    }
}

/// Tries each file in both moments, several at a time.
struct BitFlipCampaign {
    var options: BitFlipOptions
    var jobs: Int

    /// Returns whether nothing went wrong.
    func run() async throws -> Bool {
        let flips = BitFlips()
        let tasks = try BitFlips.Moment.allCases.flatMap { moment in try flips.files().map { ($0.name, moment) } }
        let every = options.every ?? 1
        var (placeCount, faultCount) = (0, 0)
        try await withThrowingTaskGroup(of: (BitFlips.Report, Double).self) { group in
            var rest = tasks[...]
            func startNext() {
                guard let (file, moment) = rest.popFirst() else { return }
                group.addTask {
                    let begin = Date()
                    return (try flips.run(file, moment, every: every), Date().timeIntervalSince(begin))
                }
            }
            for _ in 0..<jobs { startNext() }
            for try await (report, seconds) in group {
                print(Self.text(report, seconds))
                placeCount += report.placeCount
                faultCount += report.faults.count
                startNext()
            }
        }
        print("\(placeCount) flipped bits, \(faultCount) faults")
        return faultCount == 0
    }

    /// One line, and one more for each of the first faults.
    static func text(_ report: BitFlips.Report, _ seconds: Double, maximumFaults: Int = 5) -> String {
        let line =
            "\(report.file), \(report.moment.rawValue): \(report.placeCount) of \(report.byteCount) bytes; \(report.refusedCount) times the node said so and stopped, \(report.survivedCount) times it served on; \(report.faults.count) faults, \(Int(seconds)) s"
        let faults = report.faults.prefix(maximumFaults).map { "    \($0)" }
        let rest = report.faults.count - faults.count
        return ([line] + faults + (rest > 0 ? ["    and \(rest) more"] : [])).joined(separator: "\n")
    }
}
