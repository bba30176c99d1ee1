/// What a majority of voters has agreed on, counted on each set of a configuration by itself (§6): in a joint
/// configuration a decision needs a majority of the old voters *and* one of the new.
public struct Quorum: Sendable {
    private let sets: [[NodeID]]
    /// - Parameter configuration: whose voters decide.
    public init(_ configuration: ClusterConfiguration) {
        if Mutant.isOn("joint-quorum-of-union") {
            sets = [configuration.voters]
        } else if Mutant.isOn("learner-counts") {
            sets = configuration.voterSets.map { $0 + configuration.learners }
        } else {
            sets = configuration.voterSets
        }
    }

    /// How many of a set of `count` voters are a majority.
    public static func majority(of count: Int) -> Int { count / 2 + 1 }

    /// Whether the voters for which `agrees` holds are a quorum. Everyone else's opinion is not asked.
    public func isReached(where agrees: (NodeID) -> Bool) -> Bool {
        sets.allSatisfy { set in set.count(where: agrees) >= Self.majority(of: set.count) }
    }

    /// Whether a quorum can no longer be reached, given who has refused.
    public func isLost(where refuses: (NodeID) -> Bool) -> Bool {
        sets.contains { set in set.count - set.count(where: refuses) < Self.majority(of: set.count) }
    }

    /// The greatest value that a quorum has reached: in each set the majority-th greatest, and of these the least.
    public func agreed<Value: Comparable>(_ value: (NodeID) -> Value) -> Value {
        var least: Value?
        for set in sets {
            // A turn asks for this several times: nothing is allocated.
            let reached = withUnsafeTemporaryAllocation(of: Value.self, capacity: set.count) { buffer in
                var values = buffer
                defer { values.deinitialize() }
                for (at, id) in set.enumerated() { values.initializeElement(at: at, to: value(id)) }
                if !Mutant.isOn("quorum-unsorted") { values.sort(by: >) }
                return values[Self.majority(of: set.count) - 1]
            }
            least = least.map { min($0, reached) } ?? reached
        }
        // A configuration has at least one set, and no set is empty: its initialiser sees to that.
        return least!
    }
}
