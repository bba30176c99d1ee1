internal import Benchmarking

/// What a run of `snapshot-move` found.
struct SnapshotMoveReport: Codable, Sendable {
    enum Kind: String, Codable, CaseIterable, Sendable {
        case throttled, unthrottled, proxied, cut

        var isThroughProxy: Bool { self == .proxied || self == .cut }
    }

    struct Move: Codable, Sendable {
        var kind: Kind
        var before: Times.Summary
        var during: Times.Summary
        /// The 99th percentile of puts while the state moved, over that before.
        var p99Ratio: Double?
        /// How long the bytes took, and from adding the node until it had caught up.
        var transferSeconds: Double
        var caughtUpSeconds: Double
        var stateMebibytes: Double
        var mebibytesPerSecond: Double
        /// Of what one bare TLS stream moves.
        var shareOfTLS: Double
        /// Of the rate that was allowed.
        var shareOfThrottle: Double?
        /// Towards the node, on the snapshot's connections; with a proxy only.
        var snapshotBytes: CuttingProxy.Count?
        var cuts: Int?
        /// Bytes beyond those of the uncut run, over those.
        var extraShare: Double?
        var errors: [WriteLedger.ErrorCount]
    }

    var floors: Floors
    var floorsAfter: Floors
    var electionTimeoutMilliseconds: Double
    var rate: Double
    var valueBytes: Int
    var mebibytes: Int
    var throttleMebibytesPerSecond: Int
    var fillSeconds: Double
    var moves: [Move]

    static let goalRatio = 2.0
    static let goalExtra = 0.01

    /// Every error was a definite refusal.
    var isSound: Bool { moves.allSatisfy { $0.errors.allSatisfy { $0.outcome != "unknown" } } }

    /// The mean of the floors before and after.
    static func tlsFloor(_ before: Floors, _ after: Floors) -> Double {
        (before.tlsMebibytesPerSecond + after.tlsMebibytesPerSecond) / 2
    }

    var text: String {
        var text = "before:\n\(floors.text)after:\n\(floorsAfter.text)"
        text +=
            "\(mebibytes) MiB of state, filled in \(shown(fillSeconds)) s (\(shown(Double(mebibytes) / fillSeconds)) MiB/s); \(shown(rate)) puts a second of \(valueBytes) bytes; throttled to \(throttleMebibytesPerSecond) MiB/s\n\n"
        var table = TextTable([
            "RUN", "P99 BEFORE ms", "DURING ms", "RATIO", "MAX DURING ms", "PUTS DURING", "TRANSFER s", "CAUGHT UP s",
            "MiB/s", "OF TLS", "CUTS", "MiB ON THE WAY", "EXTRA",
        ])
        for move in moves {
            table.add([
                move.kind.rawValue, shown(move.before.p99Milliseconds), shown(move.during.p99Milliseconds),
                shown(move.p99Ratio), shown(move.during.maximumMilliseconds), "\(move.during.count)",
                shown(move.transferSeconds), shown(move.caughtUpSeconds), shown(move.mebibytesPerSecond),
                "\(shown(move.shareOfTLS * 100)) %", move.cuts.map { "\($0)" } ?? "-",
                move.snapshotBytes.map { shown(Double($0.forward) / Double(1 << 20)) } ?? "-",
                move.extraShare.map { "\(shown($0 * 100)) %" } ?? "-",
            ])
        }
        text += table.text + "\n"
        for move in moves {
            for error in move.errors { text += "\(move.kind.rawValue): \(error.text)\n" }
        }
        for move in moves where !move.kind.isThroughProxy {
            let isMet = move.p99Ratio.map { $0 <= Self.goalRatio } ?? false
            text +=
                "\(move.kind.rawValue): p99 of puts at most \(shown(Self.goalRatio)) × its value before: \(isMet ? "met" : "MISSED")\n"
        }
        for move in moves {
            guard let extra = move.extraShare else { continue }
            text +=
                "cut \(move.cuts ?? 0) times: less than \(shown(Self.goalExtra * 100)) % extra bytes: \(extra < Self.goalExtra ? "met" : "MISSED")\n"
        }
        return text
    }
}
