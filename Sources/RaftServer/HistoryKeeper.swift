internal import Raft
internal import RaftKeyValue

/// How much of the history of changes is kept: what exceeds one of these is forgotten, soon after.
public struct HistoryLimits: Hashable, Sendable {
    /// About the most revisions, which are entries of the log.
    public var maximumRevisions: UInt64
    /// About the most bytes, on disk.
    public var maximumBytes: Int
    /// The longest time; nil for ever.
    public var maximumAge: Duration?
    public init(maximumRevisions: UInt64 = 100_000, maximumBytes: Int = 256 << 20, maximumAge: Duration? = nil) {
        self.maximumRevisions = maximumRevisions
        self.maximumBytes = maximumBytes
        self.maximumAge = maximumAge
    }
}

/// Decides what of the history goes. Pure: a value that is told what there is, at which time.
///
/// Every node knows how old its revisions are, since it was there when it applied them; after a start it takes all that
/// is there for new. Only the leader's decision counts, and it becomes an entry of the log.
struct HistoryRules {
    struct Sight {
        /// Since some fixed point.
        var now: Duration
        var applied: UInt64
        var compacted: UInt64
        var historyBytes: Int
    }
    let limits: HistoryLimits
    /// What was applied at which time, the oldest first.
    private var samples: [(at: Duration, revision: UInt64)] = []
    /// Into so many parts the longest age is cut: none is forgotten later than one of them after its time.
    private static let sampleCount = 32
    private static let leastPart: UInt64 = 8

    init(_ limits: HistoryLimits) { self.limits = limits }

    /// - Returns: through which revision the history is to go; nil when nothing is to.
    mutating func compaction(_ sight: Sight) -> UInt64? {
        var target: UInt64 = 0
        if let age = limits.maximumAge {
            if samples.last.map({ sight.now - $0.at >= age / Self.sampleCount }) ?? true {
                samples.append((sight.now, sight.applied))
            }
            while let first = samples.first, sight.now - first.at >= age {
                target = first.revision
                samples.removeFirst()
            }
        }
        // By parts, so that not every look makes an entry: a compaction is one, too, and must never be the reason for the
        // next.
        let count = sight.applied - min(sight.applied, sight.compacted)
        if count > limits.maximumRevisions + max(limits.maximumRevisions / 8, Self.leastPart) {
            target = max(target, sight.applied - limits.maximumRevisions)
        }
        if sight.historyBytes > limits.maximumBytes { target = max(target, sight.compacted + (count + 1) / 2) }
        return target > sight.compacted ? target : nil
    }
}

/// Lets the cluster forget what of its history is too much, while this node leads.
final class HistoryKeeper: Sendable {
    /// How often it looks: what comes in between is kept beyond the limit, and the file of the state grows by it.
    static let tick = Duration.milliseconds(500)

    private let node: RaftNode<KeyValueMachine>
    private let rules: Lock<HistoryRules>
    private let now: @Sendable () -> Duration

    /// - Parameter now: since some fixed point.
    init(node: RaftNode<KeyValueMachine>, _ limits: HistoryLimits, now: @escaping @Sendable () -> Duration) {
        self.node = node
        self.now = now
        rules = Lock(HistoryRules(limits))
    }

    func look() {
        node.read(.local) { [self] machine in
            let sight = HistoryRules.Sight(
                now: now(), applied: machine.lastApplied?.index.rawValue ?? 0, compacted: machine.compacted,
                historyBytes: try machine.historyBytes())
            return rules.withLock { $0.compaction(sight) }
        } completion: { [self] result in
            guard case .success(.success(let target?)) = result, node.status.role == .leader else { return }
            // What comes of it the next look shows.
            try? node.submit(.compact(through: target))
        }
    }
}
