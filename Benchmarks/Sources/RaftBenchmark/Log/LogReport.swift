internal import Benchmarking

/// What a run of `log` found.
struct LogReport: Codable, Sendable {
    static let appendGoal = 0.9
    static let openingGoal = 0.7

    /// Batches of one size.
    struct Appends: Codable, Sendable {
        /// Entries in each batch.
        var waiting: Int
        var batches: Int
        var entriesPerSecond: Double
        var bareEntriesPerSecond: Double
        /// One batch, written and synced.
        var batch: Times.Summary
        var bareBatch: Times.Summary
        var syncsPerEntry: Double

        /// The log's throughput over that of the bare calls.
        var ratio: Double { entriesPerSecond / bareEntriesPerSecond }
    }

    struct Opening: Codable, Sendable {
        var mebibytes: Double
        var segments: Int
        /// Medians.
        var mebibytesPerSecond: Double
        var bareMebibytesPerSecond: Double

        var ratio: Double { mebibytesPerSecond / bareMebibytesPerSecond }
    }

    var appends: [Appends]
    var opening: Opening

    var text: String {
        var table = TextTable([
            "WAITING", "ENTRIES/S", "BARE", "RATIO", "SYNCS/ENTRY", "P50 MS", "BARE", "P99 MS", "BARE",
        ])
        for series in appends {
            table.add([
                "\(series.waiting)", shown(series.entriesPerSecond), shown(series.bareEntriesPerSecond),
                shown(series.ratio), shown(series.syncsPerEntry), shown(series.batch.p50Milliseconds),
                shown(series.bareBatch.p50Milliseconds), shown(series.batch.p99Milliseconds),
                shown(series.bareBatch.p99Milliseconds),
            ])
        }
        var text = table.text
        for series in appends {
            text +=
                "\(series.waiting) waiting: at least \(shown(Self.appendGoal * 100)) % of bare calls: \(verdict(series.ratio, Self.appendGoal))\n"
        }
        return text + """
            opening \(shown(opening.mebibytes)) MiB in \(opening.segments) segments: \(shown(opening.mebibytesPerSecond)) MiB/s, read bare \(shown(opening.bareMebibytesPerSecond)) MiB/s, ratio \(shown(opening.ratio))
            opening: at least \(shown(Self.openingGoal * 100)) % of reading with checksums alone: \(verdict(opening.ratio, Self.openingGoal))

            """
    }

    private func verdict(_ ratio: Double, _ goal: Double) -> String { ratio >= goal ? "met" : "MISSED" }
}
