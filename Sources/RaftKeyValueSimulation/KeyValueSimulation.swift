public import RaftSimulation

/// Simulated clusters that serve keys, transactions, watches and leases: the production state machine on LMDB, the
/// production rim above it, and production clients, on the simulation's network, disks and clocks.
///
/// What is checked, beside all that holds for every cluster, is I26 to I30, L11 and L12 of the article Invariants.
public enum KeyValueSimulation {
    /// Makes a run from its seed.
    ///
    /// - Parameters:
    ///   - nodeCount: 1 to 7; drawn from the seed when nil.
    ///   - profile: what the run is made of; drawn from the seed when nil.
    ///   - faults: exactly these faults happen, instead of drawn ones.
    ///   - onLine: takes one line for everything worth reading that happens, with its time.
    /// - Throws: when no directory can be made for the states of the nodes.
    public static func make(
        seed: UInt64, nodeCount: Int? = nil, profile: SimulationProfile? = nil, faults: [TimedFault]? = nil,
        onLine: (@Sendable (String) -> Void)? = nil
    ) throws -> Simulation {
        try make(seed: seed, nodeCount: nodeCount, profile: profile, faults: faults, onLine: onLine).simulation
    }

    /// As above, with what the run meets.
    ///
    /// - Parameter lie: what is told wrongly to clients, to see that it is noticed.
    package static func make(
        seed: UInt64, nodeCount: Int? = nil, profile: SimulationProfile? = nil, faults: [TimedFault]? = nil,
        lie: Lie? = nil, onLine: (@Sendable (String) -> Void)? = nil
    ) throws -> (simulation: Simulation, tally: KeyValueTally) {
        let tally = KeyValueTally()
        let guest = KeyValueGuest(tally: tally, lie: lie)
        let simulation = try Simulation(
            seed: seed, nodeCount: nodeCount, name: .keyvalue, profile: profile, faults: faults, guest: guest,
            onLine: onLine)
        return (simulation, tally)
    }
}

/// How often a run has met what it is for.
package final class KeyValueTally: @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    package enum Event: String, CaseIterable, Sendable {
        case transactionSucceeded, transactionElse, transactionRefused
        case leaseGranted, leaseKept, leaseExpired, leaseRevoked, leaseGoneWhenKept, leaseKeptOverLeaderChange,
            leaseEndedInLaterTerm, keysWentWithLease
        case watchBegan, watchFromPast, watchCompacted, watchEndedAsSlow, watchResumedElsewhere, streamOpened, change
        case historyCompacted
        case stateKept, stateRebuilt, stateReplaced
        case connectionBroken
        case getLinearizable, getByLease, getLocal, getAtLeast, readOfRange, transactionOfReads, leasesListed
        case swapDone, swapFailed, rangeDeleted, putWithPrevious, revokeAnswered
    }
    private var counts: [Event: Int] = [:]

    func met(_ event: Event) { counts[event, default: 0] += 1 }

    package func count(_ event: Event) -> Int { counts[event] ?? 0 }
    /// One line, in order.
    package var line: String {
        Event.allCases.map { "\($0.rawValue) \(count($0))" }.joined(separator: ", ")
    }
}

/// What is told wrongly on its way to a client, in a run that is to show that it is noticed.
package enum Lie: String, CaseIterable, Sendable {
    /// A watch that begins behind a position is told nothing of the first change.
    case skipsFirstChange
    /// A message of a watch is lost, and the stream goes on.
    case losesMessage
    /// Two messages of a watch come in the other order.
    case swapsMessages
    /// From some message on a watch is told nothing more, and its stream stays open.
    case silencesWatch
    /// A watch for what is new is told nothing at all, and its stream stays open.
    case neverBeginsWatch
    /// A watch is told changes, and not how far it has come while there are none.
    case losesProgress
    /// A node hears nothing of what a watching client has dealt with, and takes it for slow.
    case losesReports
    /// A watch that needs what is not kept any more is told what is there.
    case servesCompacted
    /// A keep-alive that failed is said to have been done.
    case keepsLeasesByItself
    /// Nodes measure leases by clocks that run at half again the speed.
    case hastensLeases
    /// Nodes measure leases as if no clock were ever fast.
    case ignoresDrift
    /// Who begins to lead takes leases to end when it had last known them to.
    case remembersLeases
    /// Nodes measure leases by clocks that stand still.
    case stopsLeases
    /// A read is told what the one before it was told.
    case readsOldAnswer
    /// A write that was done is said to have been refused by a node that does not lead.
    case deniesWrites
    /// What the commands mean is taken as if less were less or equal.
    case comparesWrongly
    /// What the commands mean is taken as if keys outlived their lease.
    case keepsKeysOfLeases
    /// What the commands mean is taken as if a lease still counted keys that were put anew without it.
    case keepsLeftKeys
}
