internal import Benchmarking

/// What a run of `cluster` found.
struct ClusterReport: Codable, Sendable {
    struct Series: Codable, Sendable {
        var clients: Int
        var callers: Callers
        /// Medians of the rounds.
        var commandsPerSecond: Double
        var barePerSecond: Double
        var cpuMicrosecondsPerCommand: Double

        var ratio: Double { commandsPerSecond / barePerSecond }
    }

    var batch: Int
    var valueSize: Int
    var loops: String
    var series: [Series]

    var text: String {
        var table = TextTable(["CALLERS", "CLIENTS", "COMMANDS/S", "BARE", "RATIO", "CPU US/COMMAND"])
        for series in series {
            table.add([
                series.callers.rawValue, "\(series.clients)", shown(series.commandsPerSecond),
                shown(series.barePerSecond), shown(series.ratio), shown(series.cpuMicrosecondsPerCommand),
            ])
        }
        return "three nodes in memory, loops: \(loops), commands of \(valueSize) bytes, \(batch) a call\n" + table.text
    }
}
