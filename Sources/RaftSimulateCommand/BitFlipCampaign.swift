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
        var rest = tasks[...]
        var failure: (any Error)?
        await concurrently(jobs) {
            rest.popFirst()
        } _: { file, moment in
            let begin = Date()
            return (Result { try flips.run(file, moment, every: every) }, Date().timeIntervalSince(begin))
        } done: { result, seconds in
            switch result {
            case .success(let report):
                print(Self.text(report, seconds))
                placeCount += report.placeCount
                faultCount += report.faults.count
            case .failure(let error): failure = failure ?? error
            }
        }
        if let failure { throw failure }
        print("\(placeCount) flipped bits, \(faultCount) faults")
        return faultCount == 0
    }

    /// One line, and one more for each of the first faults.
    static func text(_ report: BitFlips.Report, _ seconds: Double, maximumFaults: Int = 5) -> String {
        let line =
            "\(report.file), \(report.moment.rawValue): \(report.placeCount) of \(report.byteCount) bytes; \(report.refusedCount) times the node said so and stopped, \(report.survivedCount) times it served on; \(report.faults.count) faults, \(Int(seconds)) s"
        return CrashStateCampaign.text(line, report.faults, maximumFaults)
    }
}
