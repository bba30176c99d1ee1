internal import Benchmarking

/// What a run of `flood` found.
struct FloodReport: Codable, Sendable {
    struct Phase: Codable, Sendable {
        var name: String
        var puts: Times.Summary
        var errors: [WriteLedger.ErrorCount]
        var longestPauseMilliseconds: Double?
        /// The most that any node had.
        var maximumResidentMebibytes: Double
        /// Of all nodes together; 1 is one processor.
        var processors: Double
    }

    var floors: Floors
    var electionTimeoutMilliseconds: Double
    var rate: Double
    var valueBytes: Int
    var halfOpen: Int
    /// From how many addresses.
    var addresses: Int
    /// Handshakes begun and never ended, and those that could not even begin.
    var opened: Int
    var notOpened: Int
    /// Handshakes with a bad certificate: refused, closed before anything was worked out for them or not ended in
    /// time, and let in.
    var refused: Int
    var cutOff: Int
    var letIn: Int
    var verdict: WriteLedger.Verdict
    var phases: [Phase]
    var leadershipMoves: Int

    var isSound: Bool { verdict.isSound && leadershipMoves == 0 && letIn == 0 }

    static let goalFactor = 2.0
    static let goalMilliseconds = 50.0
    var meetsGoal: Bool {
        guard phases.count == 3, let before = phases[0].puts.p99Milliseconds,
            let during = phases[1].puts.p99Milliseconds
        else { return false }
        return during <= max(before * Self.goalFactor, Self.goalMilliseconds)
    }

    var text: String {
        var text = floors.text
        text +=
            "\(shown(rate)) puts a second of \(valueBytes) bytes beside \(halfOpen) half-open handshakes (\(opened) begun, \(notOpened) could not be) and handshakes that fail, from \(addresses) addresses: \(refused) refused, \(cutOff) cut off, \(letIn) let in\n\n"
        var table = TextTable([
            "PHASE", "P50 ms", "P99 ms", "MAX ms", "LONGEST PAUSE ms", "PUTS", "ERRORS", "MEMORY MiB", "CPUS",
        ])
        for phase in phases {
            table.add([
                phase.name, shown(phase.puts.p50Milliseconds), shown(phase.puts.p99Milliseconds),
                shown(phase.puts.maximumMilliseconds), shown(phase.longestPauseMilliseconds), "\(phase.puts.count)",
                "\(phase.errors.reduce(0) { $0 + $1.count })", shown(phase.maximumResidentMebibytes),
                shown(phase.processors),
            ])
        }
        text += table.text + "\n"
        for phase in phases { for error in phase.errors { text += "\(phase.name): \(error.text)\n" } }
        text += verdict.text + "\n"
        text +=
            "leader unchanged, no write lost, nobody let in: \(isSound ? "met" : "MISSED") (\(leadershipMoves) moves)\n"
        text +=
            "p99 at most \(shown(Self.goalFactor)) × before, or \(shown(Self.goalMilliseconds)) ms: \(meetsGoal ? "met" : "MISSED")\n"
        return text
    }
}
