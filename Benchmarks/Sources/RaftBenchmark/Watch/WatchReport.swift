internal import Benchmarking

/// What a run of `watch` found.
struct WatchReport: Codable, Sendable {
    static let stalledGoal = 1.25

    /// Loads of one kind: medians of the passes.
    struct Load: Codable, Sendable {
        var stalled: Int
        /// How many events came, in all passes.
        var deliveries: Int
        var putP50Milliseconds: Double
        var putP99Milliseconds: Double
        var deliveryP50Milliseconds: Double
        var deliveryP99Milliseconds: Double
        var deliveryP999Milliseconds: Double
    }

    var floors: Floors
    var watchers: Int
    var keys: Int
    var rate: Double
    /// What one watch more adds to the node.
    var kibibytesPerWatcher: Double
    /// Of the watched node, without views of files: before the first watch, with all of them, and at the end.
    var mebibytesBefore: Double
    var mebibytesOpen: Double
    var mebibytesEnd: Double
    var loads: [Load]

    var text: String {
        var text = floors.text
        text +=
            "\(watchers) watches of \(keys) keys on one node, \(shown(rate)) puts a second\n"
        text +=
            "memory without views of files: \(shown(mebibytesBefore)) MiB before, \(shown(mebibytesOpen)) MiB with all watches (\(shown(kibibytesPerWatcher)) KiB each), \(shown(mebibytesEnd)) MiB at the end\n\n"
        var table = TextTable([
            "STALLED", "DELIVERIES", "PUT P50 ms", "P99 ms", "DELIVERY P50 ms", "P99 ms", "P99.9 ms",
        ])
        for load in loads {
            table.add([
                "\(load.stalled)", "\(load.deliveries)", shown(load.putP50Milliseconds), shown(load.putP99Milliseconds),
                shown(load.deliveryP50Milliseconds), shown(load.deliveryP99Milliseconds),
                shown(load.deliveryP999Milliseconds),
            ])
        }
        text += table.text + "\neach change once, in order, none missing\n"
        guard loads.count == 2 else { return text }
        let ratio = loads[1].deliveryP99Milliseconds / loads[0].deliveryP99Milliseconds
        return text
            + "\(loads[1].stalled) stalled watches: p99 of the others' deliveries \(shown(ratio)) times, goal \(shown(Self.stalledGoal)): \(ratio <= Self.stalledGoal ? "met" : "MISSED")\n"
    }
}
