/// What a process that runs the seeds of one mutant writes, one line each, so that whoever started it knows which seed
/// it was in when it died.
package enum TrialLine: Sendable, Hashable {
    case began(UInt64)
    case ended(UInt64)
    case killed(UInt64, invariant: String, text: String)

    package var text: String {
        switch self {
        case .began(let seed): "began \(seed)"
        case .ended(let seed): "ended \(seed)"
        case .killed(let seed, let invariant, let text):
            "killed \(seed) \(invariant) \(String(text.map { $0.isNewline ? " " : $0 }))"
        }
    }

    package init?(_ line: some StringProtocol) {
        let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 2, let seed = UInt64(parts[1]) else { return nil }
        switch (parts[0], parts.count) {
        case ("began", 2): self = .began(seed)
        case ("ended", 2): self = .ended(seed)
        case ("killed", 4): self = .killed(seed, invariant: String(parts[2]), text: String(parts[3]))
        default: return nil
        }
    }
}

/// What such a process has said so far.
package struct TrialProgress: Sendable, Hashable {
    /// Begun and not ended, lowest first.
    package private(set) var open: [UInt64] = []
    package private(set) var endedCount = 0
    package private(set) var kill: (seed: UInt64, invariant: String, text: String)?

    package init() {}

    package mutating func take(_ line: TrialLine) {
        switch line {
        case .began(let seed):
            open.append(seed)
            open.sort()
        case .ended(let seed):
            open.removeAll { $0 == seed }
            endedCount += 1
        case .killed(let seed, let invariant, let text):
            open.removeAll { $0 == seed }
            if seed < kill?.seed ?? .max { kill = (seed, invariant, text) }
        }
    }

    package static func == (a: Self, b: Self) -> Bool {
        a.open == b.open && a.endedCount == b.endedCount && a.kill.map { "\($0)" } == b.kill.map { "\($0)" }
    }
    package func hash(into hasher: inout Hasher) {
        hasher.combine(open)
        hasher.combine(endedCount)
    }
}

/// One seed for each mutant that is known to notice it: a line `number name seed`, tabs between.
package struct KeptSeed: Sendable, Hashable {
    package var number: String
    package var name: String
    package var seed: UInt64

    package init(number: String, name: String, seed: UInt64) {
        self.number = number
        self.name = name
        self.seed = seed
    }

    package var line: String { "\(number)\t\(name)\t\(seed)" }

    package init?(_ line: some StringProtocol) {
        let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
        guard parts.count == 3, let seed = UInt64(parts[2]), let known = DeclaredMutant.find(String(parts[1])),
            known.number == parts[0]
        else { return nil }
        self.init(number: known.number, name: known.name, seed: seed)
    }
}
