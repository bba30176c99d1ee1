internal import RaftClient

/// A benchmark's figures, for people and for programs.
struct BenchReport {
    let plan: BenchPlan
    let tally: BenchTally
    let elapsed: Duration
    /// Calls that were due before the end, but that no client came to make. Only with a rate.
    let overdueCount: Int

    private var seconds: Double { max(Double(elapsed.nanoseconds) / 1e9, 1e-9) }
    private var throughput: Double { Double(tally.doneCount) / seconds }

    static let shares: [(name: String, share: Double)] = [
        ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999),
    ]

    /// What was run, in a line.
    var title: String {
        let clients = plan.clientCount == 1 ? "1 client" : "\(plan.clientCount) clients"
        return "\(plan.workload.rawValue): \(clients), \(plan.keyCount) keys"
    }

    func text(color: Bool) -> String {
        let pace =
            plan.rate.map { "\(Self.number($0)) calls a second, latencies from when each was due" }
            ?? "each client calls again when it has its answer"
        var table = Table(["CALL", "DONE"] + Self.shares.map { $0.name.uppercased() } + ["MAX"])
        var rows = BenchCall.allCases.compactMap { call in tally.latencies[call].map { (call.rawValue, $0) } }
        if rows.count > 1 { rows.append(("all", tally.all)) }
        for (name, latencies) in rows {
            let times = Self.shares.map { latencies.percentile($0.share) } + [latencies.maximum]
            table.add([.init(name), .init("\(latencies.count)")] + times.map { .init(Self.shown($0)) })
        }
        var text = "\(title); \(pace)\n"
        text += "\(tally.doneCount) done in \(Self.number(seconds)) s, \(Self.number(throughput)) a second\n"
        if !rows.isEmpty { text += table.text(color: color) }
        if tally.failedSwapCount > 0 {
            text += "\(tally.failedSwapCount) of the cas calls found another value, and changed nothing\n"
        }
        if overdueCount > 0 { text += "\(overdueCount) calls were due and were never made: all clients were busy\n" }
        for (code, count) in errors {
            let meaning = code == .outcomeUnknown ? "may have been applied" : "nothing happened"
            text += "\(count) failed, \(code) (\(meaning)), such as: \(tally.messages[code] ?? "")\n"
        }
        return text
    }

    private var errors: [(key: RaftClientError.Code, value: Int)] {
        tally.errorCounts.sorted { "\($0.key)" < "\($1.key)" }
    }

    var json: JSON {
        func times(_ latencies: LatencyHistogram) -> JSON {
            .object(
                [.init("done", .number(UInt64(latencies.count)))]
                    + Self.shares.map { .init("\($0.name)Nanoseconds", .number(latencies.percentile($0.share))) }
                    + [.init("maximumNanoseconds", .number(latencies.count > 0 ? latencies.maximum : nil))])
        }
        let calls = BenchCall.allCases.compactMap { call in
            tally.latencies[call].map { JSON.Field(call.rawValue, times($0)) }
        }
        return .object([
            .init("workload", .string(plan.workload.rawValue)), .init("clients", .number(UInt64(plan.clientCount))),
            .init("keys", .number(UInt64(plan.keyCount))), .init("keyBytes", .number(UInt64(plan.keySize))),
            .init("valueBytes", .number(UInt64(plan.valueSize))),
            .init("elapsedNanoseconds", .number(UInt64(max(elapsed.nanoseconds, 0)))),
            .init("donePerSecond", .number(UInt64(throughput.rounded()))), .init("all", times(tally.all)),
            .init("calls", .object(calls)), .init("failedSwaps", .number(UInt64(tally.failedSwapCount))),
            .init("overdue", .number(UInt64(overdueCount))),
            .init("unknown", .number(UInt64(tally.unknownCount))),
            .init("nothingHappened", .number(UInt64(tally.nothingHappenedCount))),
            .init("errors", .object(errors.map { .init("\($0.key)", .number(UInt64($0.value))) })),
        ])
    }

    /// A time with three digits that count: `850 ns`, `12.3 µs`, `4.56 ms`, `1.20 s`.
    static func shown(_ nanoseconds: UInt64?) -> String {
        guard let nanoseconds else { return "-" }
        let units: [(String, Double)] = [("s", 1e9), ("ms", 1e6), ("µs", 1e3)]
        for (unit, size) in units where Double(nanoseconds) >= size {
            return "\(number(Double(nanoseconds) / size)) \(unit)"
        }
        return "\(nanoseconds) ns"
    }

    /// Three digits that count, or all before the point.
    static func number(_ value: Double) -> String {
        let digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
        let scale = digits == 2 ? 100 : digits == 1 ? 10 : 1
        let scaled = Int((value * Double(scale)).rounded())
        guard digits > 0 else { return "\(scaled)" }
        let fraction = String(scaled % scale)
        return "\(scaled / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
