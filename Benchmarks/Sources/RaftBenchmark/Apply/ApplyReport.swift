internal import Benchmarking

/// What a run of `apply` found.
struct ApplyReport: Codable, Sendable {
    /// Runs of one size; medians of the passes.
    struct Series: Codable, Sendable {
        /// Commands in each run.
        var run: Int
        /// In each pass.
        var commands: Int
        var commandsPerSecond: Double
        var barePerSecond: Double
        var cpuMicrosecondsPerCommand: Double

        /// The machine's rate over that of bare LMDB.
        var ratio: Double { commandsPerSecond / barePerSecond }
    }

    var keys: Int
    var valueBytes: Int
    var series: [Series]

    var text: String {
        var table = TextTable(["RUN", "COMMANDS/S", "BARE LMDB", "RATIO", "US EACH", "BARE", "CPU US"])
        for series in series {
            table.add([
                "\(series.run)", shown(series.commandsPerSecond), shown(series.barePerSecond), shown(series.ratio),
                shown(1e6 / series.commandsPerSecond), shown(1e6 / series.barePerSecond),
                shown(series.cpuMicrosecondsPerCommand),
            ])
        }
        return table.text + "\(keys) keys of \(FixedKeys.keyBytes) bytes, values of \(valueBytes) bytes\n"
    }
}
