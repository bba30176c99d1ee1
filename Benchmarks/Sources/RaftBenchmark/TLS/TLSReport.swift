internal import Benchmarking

/// What a run of `tls` found.
struct TLSReport: Codable, Sendable {
    static let goal = 0.7
    /// From which size on the goal holds.
    static let goalBytes = 16 << 10

    /// Messages of one size; medians of the passes.
    struct Figures: Codable, Sendable {
        var bytes: Int
        /// In each pass.
        var messages: Int
        var messagesPerSecond: Double
        var mebibytesPerSecond: Double
        var bareMebibytesPerSecond: Double
        var sealingMebibytesPerSecond: Double
        /// Both ends together.
        var cpuMicrosecondsPerMessage: Double
        /// The medians of each pass's.
        var roundTripMicroseconds: Double
        var bareRoundTripMicroseconds: Double

        /// The transport's throughput over that of the bare stream.
        var ratio: Double { mebibytesPerSecond / bareMebibytesPerSecond }
        /// The transport's time over that of the bare connection.
        var roundTripRatio: Double { roundTripMicroseconds / bareRoundTripMicroseconds }
    }

    var sizes: [Figures]

    var text: String {
        var table = TextTable([
            "BYTES", "MESSAGES/S", "MIB/S", "BARE", "RATIO", "AES-GCM", "CPU US", "THERE AND BACK US", "BARE", "TIMES",
        ])
        for size in sizes {
            table.add([
                "\(size.bytes)", shown(size.messagesPerSecond), shown(size.mebibytesPerSecond),
                shown(size.bareMebibytesPerSecond), shown(size.ratio), shown(size.sealingMebibytesPerSecond),
                shown(size.cpuMicrosecondsPerMessage), shown(size.roundTripMicroseconds),
                shown(size.bareRoundTripMicroseconds), shown(size.roundTripRatio),
            ])
        }
        var text = table.text
        for size in sizes where size.bytes >= Self.goalBytes {
            text +=
                "\(size.bytes) bytes: at least \(shown(Self.goal * 100)) % of the bare stream: \(size.ratio >= Self.goal ? "met" : "MISSED")\n"
        }
        return text
    }
}
