/// Every write of a run, what its caller was told, and at the end what is there.
///
/// A write is one key of its own with a value that nobody else writes, so what became of each can be told for certain.
public struct WriteLedger: Sendable {
    public enum Outcome: Hashable, Sendable {
        /// The cluster said that it is done.
        case acknowledged
        /// It certainly did not happen, and will not; with the kind of the refusal.
        case refused(String)
        /// It may have happened, or may yet; with the kind of the error.
        case unknown(String)
    }

    public struct Write: Hashable, Sendable {
        public var serial: Int
        /// When it was to be made, by the rate; nanoseconds.
        public var due: Int64
        /// When its outcome was known.
        public var ended: Int64
        public var outcome: Outcome
        public init(serial: Int, due: Int64, ended: Int64, outcome: Outcome) {
            self.serial = serial
            self.due = due
            self.ended = ended
            self.outcome = outcome
        }
    }

    public private(set) var writes: [Write] = []
    /// One message for each kind of error.
    public private(set) var samples: [String: String] = [:]

    public init() {}

    public mutating func note(_ write: Write, message: String? = nil) {
        writes.append(write)
        switch write.outcome {
        case .acknowledged: break
        case .refused(let kind), .unknown(let kind): if let message, samples[kind] == nil { samples[kind] = message }
        }
    }

    // MARK: While it runs

    /// The times from when each write was due to its acknowledgement, of those that were due in the window.
    public func latencies(from start: Int64 = .min, to end: Int64 = .max) -> Times {
        Times(
            writes.filter { $0.outcome == .acknowledged && $0.due >= start && $0.due < end }.map { $0.ended - $0.due })
    }

    /// When the first of the writes was acknowledged that were due from a moment on; nil while none is.
    public func firstAcknowledgement(dueFrom start: Int64) -> Int64? {
        writes.lazy.filter { $0.outcome == .acknowledged && $0.due >= start }.map(\.ended).min()
    }

    public var acknowledgedMoments: [Int64] { writes.filter { $0.outcome == .acknowledged }.map(\.ended) }

    public struct ErrorCount: Codable, Hashable, Sendable {
        public var kind: String
        /// `nothingHappened` or `unknown`.
        public var outcome: String
        public var count: Int
        public var example: String?

        /// For people.
        public var text: String {
            let fate = outcome == "unknown" ? "may have been applied" : "nothing happened"
            return "\(count) × \(kind), \(fate), such as: \(example ?? "")"
        }
    }

    /// Errors of writes whose outcome came within the window, by kind and outcome.
    public func errors(from start: Int64 = .min, to end: Int64 = .max) -> [ErrorCount] {
        var counts: [Outcome: Int] = [:]
        for write in writes where write.ended >= start && write.ended < end {
            counts[write.outcome, default: 0] += 1
        }
        return counts.compactMap { outcome, count -> ErrorCount? in
            switch outcome {
            case .acknowledged: nil
            case .refused(let kind):
                ErrorCount(kind: kind, outcome: "nothingHappened", count: count, example: samples[kind])
            case .unknown(let kind): ErrorCount(kind: kind, outcome: "unknown", count: count, example: samples[kind])
            }
        }.sorted { ($0.outcome, $0.kind) < ($1.outcome, $1.kind) }
    }

    // MARK: At the end

    /// What the outcomes came to, once everything was read back.
    public struct Verdict: Codable, Hashable, Sendable {
        public var made = 0
        public var acknowledged = 0
        /// Acknowledged, and not there, or there with another value.
        public var lost = 0
        public var refused = 0
        /// Refused for certain, and there all the same: the refusal lied.
        public var refusedYetApplied = 0
        public var unknown = 0
        /// Of those with an unknown outcome: there, and not there.
        public var unknownApplied = 0
        public var unknownNotApplied = 0
        /// There, though nobody wrote it.
        public var strange = 0
        /// Serials of a few that are lost, refused yet applied, or strange.
        public var examples: [Int] = []

        /// For people.
        public var text: String {
            "\(made) puts: \(acknowledged) acknowledged, of which \(lost) lost; \(refused) refused, of which \(refusedYetApplied) applied all the same; \(unknown) unknown"
        }

        public var isSound: Bool { lost == 0 && refusedYetApplied == 0 && strange == 0 }
    }

    /// - Parameter found: by serial, whether the value read back is the one that was written.
    public func verdict(found: [Int: Bool]) -> Verdict {
        var verdict = Verdict()
        var rest = found
        func example(_ serial: Int) { if verdict.examples.count < 10 { verdict.examples.append(serial) } }
        for write in writes {
            verdict.made += 1
            let isThere = rest.removeValue(forKey: write.serial)
            switch write.outcome {
            case .acknowledged:
                verdict.acknowledged += 1
                if isThere != true {
                    verdict.lost += 1
                    example(write.serial)
                }
            case .refused:
                verdict.refused += 1
                if isThere != nil {
                    verdict.refusedYetApplied += 1
                    example(write.serial)
                }
            case .unknown:
                verdict.unknown += 1
                if isThere == true { verdict.unknownApplied += 1 }
                if isThere == nil { verdict.unknownNotApplied += 1 }
                if isThere == false {
                    verdict.strange += 1
                    example(write.serial)
                }
            }
        }
        verdict.strange += rest.count
        for serial in rest.keys.sorted() { example(serial) }
        return verdict
    }
}
