internal import Raft

/// What one run came to.
struct ChaosReport: Hashable, Sendable {
    enum Verdict: Hashable, Sendable {
        case held
        /// Nothing is shown: why it does not count.
        case void(String)
        case failed(String)
    }

    var number: Int
    var seed: UInt64
    var elapsed = Duration.zero
    var cycles = 0
    /// Faults that were there, by kind.
    var faults: [ChaosFault.Kind: Int] = [:]
    /// Writes and names that power cuts took.
    var loss = UnsyncedJournal.Loss()
    /// Snapshots built and sent, and leaderships passed on, in between.
    var chores = 0
    var done = 0
    var refused = 0
    var unknown = 0
    var lostWrites = 0
    /// The least calls a second before the first fault of a round.
    var healthyRate: Double?
    /// By which the longest call outlasted its deadline; below zero when none did.
    var overrun: Duration?
    var terms: UInt64 = 0
    /// The longest from the end of the last fault until somebody led.
    var leaderless = Duration.zero
    var verdict = Verdict.held

    /// Adds what the calls of one round came to.
    mutating func add(_ tally: BenchTally, timeout: Duration) {
        done += tally.doneCount
        refused += tally.nothingHappenedCount
        unknown += tally.unknownCount
        overrun = max(overrun ?? .zero - timeout, tally.longestCall - timeout)
    }

    /// One line, for whoever waits for the others.
    var summary: String {
        switch verdict {
        case .held: "held, \(cycles) cycles, \(done) calls"
        case .void(let reason): "void: \(reason)"
        case .failed(let reason): "failed: \(reason)"
        }
    }

    static func text(_ reports: [ChaosReport], color: Bool) -> String {
        var table = Table([
            "RUN", "SECONDS", "CYCLES", "KILLS", "POWER CUTS", "UNDONE", "PAUSES", "PARTITIONS", "CHORES", "OK",
            "REFUSED",
            "UNKNOWN", "LOST", "PAST DEADLINE", "TERMS", "LEADER AFTER", "VERDICT",
        ])
        for report in reports { table.add(report.row) }
        var text = table.text(color: color)
        for report in reports {
            switch report.verdict {
            case .held: continue
            case .void(let reason): text += "run \(report.number) is void, seed \(report.seed): \(reason)\n"
            case .failed(let reason): text += "run \(report.number) failed, seed \(report.seed): \(reason)\n"
            }
        }
        return text
    }

    private var row: [Table.Cell] {
        let last: Table.Cell =
            switch verdict {
            case .held: .init("linearizable", .green)
            case .void: .init("void", .red)
            case .failed: .init("failed", .red)
            }
        func count(_ kind: ChaosFault.Kind) -> Table.Cell { .init("\(faults[kind] ?? 0)") }
        let past = overrun.map { $0 <= .zero ? "none" : $0 < .milliseconds(1) ? "under 1 ms" : $0.formatted } ?? "-"
        return [
            .init("\(number)"), .init("\(elapsed.components.seconds)"), .init("\(cycles)"), count(.kill),
            count(.power), .init("\(loss.writes)+\(loss.names)"), count(.pause), count(.partition), .init("\(chores)"),
            .init("\(done)"),
            .init("\(refused)"), .init("\(unknown)"), .init("\(lostWrites)"), .init(past), .init("\(terms)"),
            .init(leaderless.formatted), last,
        ]
    }
}
