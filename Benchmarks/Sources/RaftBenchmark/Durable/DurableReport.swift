internal import Benchmarking

/// What a run of `durable` found.
struct DurableReport: Codable, Sendable {
    enum Work: String, Codable, Sendable, CaseIterable {
        case write, read
    }

    struct Series: Codable, Sendable {
        var work: Work
        var clients: Int
        var callers: Callers
        /// Medians of the rounds. Processor time is of the whole process: three nodes and their callers.
        var callsPerSecond: Double
        var cpuMicrosecondsPerCall: Double
        /// Of the leader's disk.
        var syncsPerCall: Double
        /// What a single caller would have to wait for at least, over what it waited; nil with more callers.
        var floorRatio: Double?
    }

    var valueSize: Int
    var floors: Floors
    var series: [Series]

    var text: String {
        var table = TextTable([
            "WORK", "CALLERS", "CLIENTS", "CALLS/S", "CPU US/CALL", "SYNCS/CALL", "ONE CALLER'S FLOOR",
        ])
        for series in series {
            table.add([
                series.work.rawValue, series.callers.rawValue, "\(series.clients)", shown(series.callsPerSecond),
                shown(series.cpuMicrosecondsPerCall), shown(series.syncsPerCall),
                series.floorRatio.map { shown($0) } ?? "",
            ])
        }
        return "three nodes in one process, on the disk, mutual TLS between them, commands of \(valueSize) bytes\n"
            + floors.text + table.text
    }
}
