import ArgumentParser
import Foundation
import RaftSimulation

/// `--crash-states`, and what belongs to it.
struct CrashStateOptions: ParsableArguments {
    @Flag(help: "Start a node's storage on everything that a crash may leave, behind each change of its disk.")
    var crashStates = false
    @Option(
        help:
            "Only what this script does: \(CrashScript.allCases.map(\.rawValue).joined(separator: ", ")). May be given again."
    )
    var script: [CrashScript] = []
    @Option(help: "How many things each script does; 40 to 300 unless given.")
    var steps: Int?
    @Option(help: "Start on at most so many states of each script, evenly chosen; on all unless given.")
    var limit: Int?
    @Option(help: "Try further crashes in so many starts of each script, evenly chosen.")
    var recoveries = 200

    /// - Throws: for what does not belong together.
    func check() throws {
        guard crashStates else {
            guard script.isEmpty, steps == nil, limit == nil else {
                throw ValidationError("--script, --steps and --limit belong to --crash-states")
            }
            return
        }
        if let steps, steps < 1 { throw ValidationError("--steps \(steps) is not above zero") }
        if let limit, limit < 1 { throw ValidationError("--limit \(limit) is not above zero") }
        guard recoveries >= 0 else { throw ValidationError("--recoveries \(recoveries) is below zero") }
    }
}

extension CrashScript: ExpressibleByArgument {}

/// Tries the crashes of each script, several scripts at a time.
struct CrashStateCampaign {
    var options: CrashStateOptions
    var jobs: Int

    /// Returns whether nothing went wrong.
    func run() async -> Bool {
        let scripts = options.script.isEmpty ? CrashScript.allCases : options.script
        var faultCount = 0
        var rest = scripts[...]
        await concurrently(jobs) {
            rest.popFirst().map {
                CrashStates(
                    $0, steps: options.steps, limit: options.limit ?? .max, recoveryCount: options.recoveries)
            }
        } _: { states in
            let begin = Date()
            return (states.run(), Date().timeIntervalSince(begin))
        } done: { report, seconds in
            print(Self.text(report, seconds))
            faultCount += report.faults.count
        }
        print("\(scripts.count) scripts, \(faultCount) faults")
        return faultCount == 0
    }

    /// One line, and one more for each of the first faults.
    static func text(_ report: CrashStateReport, _ seconds: Double, maximumFaults: Int = 5) -> String {
        let line =
            "\(report.script.rawValue): \(report.changeCount) changes of the disk, \(report.imageCount) states after a crash, \(report.startCount) starts; \(report.secondStartCount) starts behind crashes in \(report.recoveryCount) of them; \(report.faults.count) faults, \(Int(seconds)) s"
        return text(line, report.faults, maximumFaults)
    }

    /// A line, and one more for each of the first faults.
    static func text(_ line: String, _ faults: [String], _ maximumFaults: Int) -> String {
        let shown = faults.prefix(maximumFaults).map { "    \($0)" }
        let rest = faults.count - shown.count
        return ([line] + shown + (rest > 0 ? ["    and \(rest) more"] : [])).joined(separator: "\n")
    }
}
