internal import Benchmarking

/// What a run of `mailbox` found; medians of the passes.
struct MailboxReport: Codable, Sendable {
    /// From so many threads to one.
    struct HandOvers: Codable, Sendable {
        var producers: Int
        var messagesPerSecond: Double
        /// How many the consumer found each time that it was woken.
        var messagesPerWake: Double
        /// Units posted to the loop, without a mailbox.
        var wakesPerSecond: Double
        var barePerSecond: Double
        var barePerWake: Double

        /// The mailbox's rate over that of the bare hand-over.
        var ratio: Double { messagesPerSecond / barePerSecond }
    }

    struct RoundTrip: Codable, Sendable {
        /// In each pass.
        var count: Int
        var microseconds: Double
        var bareMicroseconds: Double

        /// The loops' time over that of bare threads.
        var ratio: Double { microseconds / bareMicroseconds }
    }

    var handOvers: [HandOvers]
    var roundTrip: RoundTrip

    var text: String {
        var table = TextTable([
            "THREADS", "MESSAGES/S", "BARE", "RATIO", "A WAKE", "BARE", "NS EACH", "BARE", "WAKE-UPS/S",
        ])
        for series in handOvers {
            table.add([
                "\(series.producers)", shown(series.messagesPerSecond), shown(series.barePerSecond),
                shown(series.ratio), shown(series.messagesPerWake), shown(series.barePerWake),
                shown(1e9 / series.messagesPerSecond), shown(1e9 / series.barePerSecond),
                shown(series.wakesPerSecond),
            ])
        }
        return table.text + """
            the mailbox is not compiled for its messages here, as the library's own are: see --help
            there and back between two loops: \(shown(roundTrip.microseconds)) µs, between bare threads \(shown(roundTrip.bareMicroseconds)) µs, \(shown(roundTrip.ratio)) times as long

            """
    }
}
