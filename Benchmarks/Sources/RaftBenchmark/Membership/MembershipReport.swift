internal import Benchmarking

/// What a run of `membership` found.
struct MembershipReport: Codable, Sendable {
    struct Step: Codable, Sendable {
        var name: String
        var voters: Int
        /// From the start of its nodes until one of the new voters leads the new members.
        var changeMilliseconds: Double
        var longestPauseMilliseconds: Double?
        var puts: Times.Summary
        var errors: [WriteLedger.ErrorCount]
        var leadershipMoves: Int
    }
    struct Move: Codable, Sendable {
        var from: UInt64
        var to: UInt64
        var term: UInt64
        var step: String
        var longestPauseMilliseconds: Double
        var pausesInAllMilliseconds: Double
        var pausesInAllElectionTimeouts: Double
    }

    var floors: Floors
    var electionTimeoutMilliseconds: Double
    var rate: Double
    var valueBytes: Int
    var usesSessions: Bool
    var seconds: Double
    var puts: Times.Summary
    /// The median put as a multiple of one fdatasync and one TLS round trip.
    var putsPerFloor: Double?
    var verdict: WriteLedger.Verdict
    var errors: [WriteLedger.ErrorCount]
    var steps: [Step]
    var moves: [Move]

    /// No write was lost, no refusal lied, and every error was a definite refusal.
    var isSound: Bool { verdict.isSound && verdict.unknown == 0 }

    static let goal = 2.0
    var worstMove: Double? { moves.map(\.pausesInAllElectionTimeouts).max() }

    static func ratio(_ puts: Times.Summary, _ floors: Floors) -> Double? {
        guard let put = puts.p50Milliseconds, let sync = floors.fdatasync.p50Milliseconds,
            let trip = floors.tlsRoundTrip.p50Milliseconds, sync + trip > 0
        else { return nil }
        return put / (sync + trip)
    }

    var text: String {
        var text = floors.text
        text +=
            "\(shown(rate)) puts a second of \(valueBytes) bytes\(usesSessions ? " in sessions" : "") for \(shown(seconds)) s: p50 \(shown(puts.p50Milliseconds)) ms, which is \(shown(putsPerFloor)) × (fdatasync + round trip); p99 \(shown(puts.p99Milliseconds)) ms\n\n"
        var table = TextTable(["STEP", "CHANGE ms", "LONGEST PAUSE ms", "P50 ms", "P99 ms", "PUTS", "ERRORS", "MOVES"])
        for step in steps {
            table.add([
                step.name, shown(step.changeMilliseconds), shown(step.longestPauseMilliseconds),
                shown(step.puts.p50Milliseconds), shown(step.puts.p99Milliseconds), "\(step.puts.count)",
                "\(step.errors.reduce(0) { $0 + $1.count })", "\(step.leadershipMoves)",
            ])
        }
        text += table.text + "\n"
        var moved = TextTable([
            "LEADERSHIP", "TERM", "STEP", "LONGEST PAUSE ms", "IN ALL ms", "ELECTION TIMEOUTS",
        ])
        for move in moves {
            moved.add([
                "\(move.from) → \(move.to)", "\(move.term)", move.step, shown(move.longestPauseMilliseconds),
                shown(move.pausesInAllMilliseconds), shown(move.pausesInAllElectionTimeouts),
            ])
        }
        text += moves.isEmpty ? "leadership never moved\n" : moved.text
        text += "\n"
        for error in errors { text += error.text + "\n" }
        text +=
            "\(verdict.text), of which \(verdict.unknownApplied) were applied and \(verdict.unknownNotApplied) not\n"
        if verdict.strange > 0 { text += "\(verdict.strange) values that nobody wrote\n" }
        if !verdict.examples.isEmpty { text += "look at puts \(verdict.examples)\n" }
        text += "no write lost, no error but definite refusals: \(isSound ? "met" : "MISSED")\n"
        if let worstMove {
            text +=
                "under \(shown(Self.goal)) election timeouts of pauses for each move of leadership: \(worstMove < Self.goal ? "met" : "MISSED") (worst \(shown(worstMove)))\n"
        }
        return text
    }
}
