internal import Raft

/// Which "sometimes" marks a run has come to, and which disturbances it makes: the simulation's end of ``Probe``.
final class MarkTally: Probe, @unchecked Sendable {
    // @unchecked: as the scheduler.
    private var bits: (UInt64, UInt64) = (0, 0)
    private let armed: Set<UInt8>
    private var random: RandomSource
    var isDisturbing = true
    /// Told of sessions.
    var sessions: SessionChecker?

    /// Each point is armed in one run of four, and then fires one time in four: the rare ones more rarely.
    ///
    /// - Parameter probesEmptily: every other run has probes that bring nothing, armed or not: they alone show a follower
    ///   that commits what was not compared.
    init(seed: UInt64, isArmed: Bool, probesEmptily: Bool = false) {
        var random = RandomSource(seed: seed)
        var armed: Set<UInt8> = []
        for point in Disturbance.allCases where random.next() % 4 == 0 { armed.insert(point.rawValue) }
        // Which changes nothing but what can be seen.
        if !isArmed { armed.formIntersection([Disturbance.freshStatus.rawValue]) }
        if probesEmptily, random.next() % 2 == 0 { armed.insert(Disturbance.emptyProbe.rawValue) }
        self.armed = armed
        self.random = random
    }

    func reached(_ mark: Mark) {
        if mark.rawValue < 64 {
            bits.0 |= 1 << UInt64(mark.rawValue)
        } else {
            bits.1 |= 1 << UInt64(mark.rawValue - 64)
        }
    }

    func applied(_ event: SessionEvent, on node: NodeID) { sessions?.applied(event, on: node) }
    func sessions(_ digest: UInt64, through index: LogIndex, on node: NodeID) {
        sessions?.compare(digest, through: index, on: node)
    }

    func expired(_ session: SessionID, unheardSince index: LogIndex, by id: LogID, on node: NodeID) {
        sessions?.expired(session, unheardSince: index, by: id, on: node)
    }

    func disturbs(_ point: Disturbance) -> Bool {
        guard isDisturbing, armed.contains(point.rawValue) else { return false }
        let odds: UInt64 =
            switch point {
            case .earlyCampaign: 200
            case .brokenStream, .earlyProbe: 40
            case .freshStatus: 1
            case .emptyProbe: 2
            default: 4
            }
        return random.next() % odds == 0
    }

    /// The names of the marks that were reached, in order of their declaration.
    var marks: MarkSet { MarkSet(low: bits.0, high: bits.1) }
}

/// A set of "sometimes" marks.
public struct MarkSet: Hashable, Sendable {
    var low: UInt64 = 0
    var high: UInt64 = 0

    init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    private func contains(_ mark: Mark) -> Bool {
        (mark.rawValue < 64 ? low >> UInt64(mark.rawValue) : high >> UInt64(mark.rawValue - 64)) & 1 == 1
    }

    /// Those that only runs in which members come and go can reach.
    public static let namesOfChurn = Set(
        [Mark.learnerPromotedItself, .selfPromotionRefused, .leaverPassedOn, .changeRedirected, .memberBeganAnew].map {
            String(describing: $0)
        })

    /// Every mark that there is, by name, and whether this run has reached it.
    public var all: [(name: String, isReached: Bool)] {
        Mark.allCases.map { (String(describing: $0), contains($0)) }
    }

    /// Everything that can be met, by name.
    public static var names: [String] { Mark.allCases.map { String(describing: $0) } }
}
