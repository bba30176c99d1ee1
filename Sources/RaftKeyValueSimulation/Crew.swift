internal import Raft

/// What the clients of one run have in common.
final class Crew: @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    /// They make no further calls.
    var isResting = false
    var acknowledgedCount = 0
    var readCount = 0
    var unknownCount = 0
    /// Leases that somebody holds or has held.
    private var leases: [UInt64] = []

    func granted(_ lease: UInt64) {
        leases.append(lease)
        if leases.count > 4 { leases.removeFirst() }
    }

    /// By number of the client that watches.
    var watching: [Int: Watching] = [:]

    /// What a watching client is at.
    struct Watching {
        /// Since when it has dealt with everything, and waits for more; nil while it deals with something.
        var waitsSince: Int64?
        /// Whether this watch has told a change.
        var hasTold = false
        /// Which node served it last.
        var node: NodeID?
    }

    func someLease(_ drawn: UInt64) -> UInt64? {
        leases.isEmpty ? nil : leases[Int(drawn % UInt64(leases.count))]
    }
}
