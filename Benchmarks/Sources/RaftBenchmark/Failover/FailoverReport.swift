internal import Benchmarking

/// What a run of `failover` found.
struct FailoverReport: Codable, Sendable {
    struct Idle: Codable, Sendable {
        /// Of one node, as a share of one processor; the middle of the three.
        var processorShare: Double
        /// The most that any had.
        var residentMebibytes: Double
        /// The same without views of files.
        var anonymousMebibytes: Double
    }

    var floors: Floors
    var electionTimeoutMilliseconds: Double
    var rate: Double
    var idle: Idle
    /// From the leader's end to the acknowledgement of a put that was made after it.
    var killed: Times.Summary
    var stopped: Times.Summary
    /// From the start of the first process to the first acknowledged put.
    var started: Times.Summary
    var verdict: WriteLedger.Verdict
    var errors: [WriteLedger.ErrorCount]

    var text: String {
        var text = floors.text
        text +=
            "idle, each of three: \(shown(idle.processorShare * 100)) % of a processor, \(shown(idle.residentMebibytes)) MiB, \(shown(idle.anonymousMebibytes)) MiB without views of files\n"
        text +=
            "\(shown(rate)) puts a second, election timeout \(shown(electionTimeoutMilliseconds)) ms: the next acknowledged put after\n\n"
        var table = TextTable(["WHAT", "TIMES", "P50 ms", "P90 ms", "MAX ms"])
        for (name, times) in [("leader killed", killed), ("leader silent", stopped), ("cold start", started)] {
            table.add([
                name, "\(times.count)", shown(times.p50Milliseconds), shown(times.p90Milliseconds),
                shown(times.maximumMilliseconds),
            ])
        }
        text += table.text + "\n"
        for error in errors { text += error.text + "\n" }
        text += verdict.text + "\n"
        return text + goals
    }

    private var goals: String {
        var text = ""
        func goal(_ what: String, _ value: Double?, atMost goal: Double, _ unit: String) {
            guard let value else { return }
            text += "\(what): \(shown(value)) \(unit), goal \(shown(goal)): \(value <= goal ? "met" : "MISSED")\n"
        }
        goal("killed, median", killed.p50Milliseconds, atMost: 250, "ms")
        goal("killed, worst", killed.maximumMilliseconds, atMost: 2 * electionTimeoutMilliseconds, "ms")
        goal("silent, median", stopped.p50Milliseconds, atMost: 1.5 * electionTimeoutMilliseconds, "ms")
        goal("cold start, median", started.p50Milliseconds, atMost: 300, "ms")
        goal("idle", idle.processorShare * 100, atMost: 0.5, "% of a processor")
        goal("idle", idle.residentMebibytes, atMost: 25, "MiB")
        return text
    }
}
