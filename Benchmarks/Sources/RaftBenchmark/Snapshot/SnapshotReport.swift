internal import Benchmarking

/// What a run of `snapshot` found.
struct SnapshotReport: Codable, Sendable {
    enum Step: String, Codable, Sendable {
        case build, read, install
    }

    /// One thing that is done with a snapshot; medians of the passes.
    struct Part: Codable, Sendable {
        var step: Step
        var mebibytesPerSecond: Double
        var bareMebibytesPerSecond: Double

        /// Its speed over that of its floor.
        var ratio: Double { mebibytesPerSecond / bareMebibytesPerSecond }
    }

    /// Of the snapshot.
    var mebibytes: Double
    var keys: Int
    var valueBytes: Int
    var parts: [Part]

    var text: String {
        var table = TextTable(["STEP", "MIB/S", "BARE", "RATIO", "THE FLOOR"])
        for part in parts {
            let floor =
                switch part.step {
                case .build: "a new file, written and synced"
                case .read: "the file, read with the checksum of every byte"
                case .install: "bare LMDB, the same keys and values"
                }
            table.add([
                part.step.rawValue, shown(part.mebibytesPerSecond), shown(part.bareMebibytesPerSecond),
                shown(part.ratio), floor,
            ])
        }
        return table.text + "a snapshot of \(shown(mebibytes)) MiB: \(keys) keys, values of \(valueBytes) bytes\n"
    }
}
