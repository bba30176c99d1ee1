internal import Raft

/// Makes a run of a seed, of what it is made of and of exactly these faults; the last takes lines about what happens.
public typealias SimulationMaker = (
    UInt64, SimulationProfile, [TimedFault], (@Sendable (String) -> Void)?
) throws -> Simulation

extension Simulation {
    /// Of the simulation's own state machine and clients.
    public static func again(
        seed: UInt64, profile: SimulationProfile, faults: [TimedFault], onLine: (@Sendable (String) -> Void)?
    ) throws -> Simulation {
        try Simulation(seed: seed, profile: profile, faults: faults, onLine: onLine)
    }
}

/// Cuts a failing run down to what it takes to fail: fewer faults, fewer nodes and clients, a plainer network and disk.
///
/// Every candidate is a whole run; it is kept if it fails with the same invariant. Delta debugging over the list of
/// faults (Zeller and Hildebrandt 2002), then over everything that the profile can do without, and once more.
public struct Shrinker {
    private let seed: UInt64
    private(set) var profile: SimulationProfile
    private(set) var faults: [TimedFault]
    private(set) var events: Int
    private var failure: Violation?
    private var attempts = 0
    private let maximumAttempts: Int
    /// Says how a run fails: by running it, but in the shrinker's own tests.
    var judge: ((SimulationProfile, [TimedFault], Int) -> Violation?)?

    private let make: SimulationMaker

    /// - Parameter make: how a run is made of what is left of it.
    public init(
        seed: UInt64, profile: SimulationProfile, faults: [TimedFault], events: Int, maximumAttempts: Int = 2000,
        making make: @escaping SimulationMaker = Simulation.again
    ) {
        self.make = make
        self.seed = seed
        self.profile = profile
        self.faults = faults
        self.events = events
        self.maximumAttempts = maximumAttempts
    }

    private func violation(
        _ profile: SimulationProfile, _ faults: [TimedFault], _ events: Int,
        onLine: (@Sendable (String) -> Void)? = nil
    ) -> (Violation, Simulation)? {
        guard let simulation = try? make(seed, profile, faults, onLine) else {
            return nil
        }
        do throws(Violation) {
            _ = try simulation.run(events: events)
            return nil
        } catch {
            return (error, simulation)
        }
    }

    private func judged(_ profile: SimulationProfile, _ faults: [TimedFault], _ events: Int) -> Violation? {
        if let judge { return judge(profile, faults, events) }
        return violation(profile, faults, events)?.0
    }

    /// Keeps a smaller run if it fails in the same way.
    private mutating func accept(_ profile: SimulationProfile, _ faults: [TimedFault], _ events: Int) -> Bool {
        guard attempts < maximumAttempts else { return false }
        attempts += 1
        guard let violation = judged(profile, faults, events), violation.invariant == failure?.invariant else {
            return false
        }
        self.profile = profile
        self.faults = faults
        self.events = events
        return true
    }

    /// Returns the smallest run that was found, as a text that ``Scenario`` reads: behind comments about what happened,
    /// and each node at the end, what the run is made of, and its faults one a line.
    ///
    /// - Parameter report: takes a line now and then about how far it has come.
    /// - Throws: when the run does not fail with its faults given instead of drawn: then there is nothing to keep.
    public mutating func run(report: (String) -> Void) throws -> String {
        guard reduce(report: report) else {
            throw RaftError(
                .invariantViolated,
                "the run does not fail when its faults are given instead of drawn; nothing can be taken away")
        }
        return script()
    }

    /// As ``run(report:)``, without the script. False when there is nothing to reduce.
    mutating func reduce(report: (String) -> Void) -> Bool {
        guard let first = judged(profile, faults, events) else { return false }
        failure = first
        var size = Int.max
        while attempts < maximumAttempts, size > faults.count + profile.nodeCount + profile.workload.clientCount {
            size = faults.count + profile.nodeCount + profile.workload.clientCount
            dropFaults()
            report("\(attempts) runs: \(faults.count) faults are left")
            simplify()
            report(
                "\(attempts) runs: \(profile.nodeCount) nodes, \(profile.workload.clientCount) clients, \(events) events"
            )
        }
        return true
    }

    /// Delta debugging: leaves out halves, then quarters, then single faults.
    private mutating func dropFaults() {
        if !faults.isEmpty, accept(profile, [], events) { return }
        var chunk = max(faults.count / 2, 1)
        while chunk >= 1, !faults.isEmpty {
            var start = 0
            while start < faults.count {
                var fewer = faults
                fewer.removeSubrange(start..<min(start + chunk, faults.count))
                if !accept(profile, fewer, events) { start += chunk }
            }
            if chunk == 1 { break }
            chunk /= 2
        }
    }

    private mutating func simplify() {
        func changed(_ change: (inout SimulationProfile) -> Void) -> SimulationProfile {
            var copy = profile
            change(&copy)
            return copy
        }
        while profile.nodeCount > 1, accept(changed { $0.nodeCount -= 1 }, faults, events) {}
        while profile.spareCount > 0, accept(changed { $0.spareCount -= 1 }, faults, events) {}
        while profile.workload.clientCount > 0, accept(changed { $0.workload.clientCount /= 2 }, faults, events) {}
        while profile.workload.clientCount > 0, accept(changed { $0.workload.clientCount -= 1 }, faults, events) {}
        let simpler: [(inout SimulationProfile) -> Void] = [
            { $0.isDisturbed = false }, { $0.makesSnapshots = false }, { $0.network.strayPerMille = 0 },
            { $0.network.duplicatePerMille = 0 },
            { $0.network.lossPerMille = 0 }, { $0.network.isOrdered = true }, { $0.network.delay = 100_000...200_000 },
            { $0.diskLatency = 100_000...200_000 }, { $0.preparesSegments = false }, { $0.isQuietAtEnd = false },
            { $0.healsCoreOnly = false }, { $0.hasLongWindows = false }, { $0.hasReturn = false },
            { $0.workload.padding = 0 }, { $0.workload.keyCount = 1 },
            { $0.configuration.maximumTailBytes = 1 << 20 }, { $0.configuration.maximumApplyBytes = 1 << 20 },
            { $0.configuration.maximumAppendBytes = 1 << 20 }, { $0.configuration.maximumInflightAppends = 64 },
            { $0.configuration.maximumInflightBytes = 4 << 20 },
            { $0.configuration.maximumUncommittedBytes = 64 << 20 },
            { $0.configuration.maximumWaitingCalls = 65_536 }, { $0.segmentBytes = 64 << 10 },
        ]
        for change in simpler { _ = accept(changed(change), faults, events) }
        while events > 100, accept(profile, faults, events / 2) {}
        while events > 100, accept(profile, faults, events * 9 / 10) {}
    }

    private func script() -> String {
        let lines = Lines()
        guard let (violation, simulation) = violation(profile, faults, events, onLine: { lines.add($0) }) else {
            return "the shortest run stopped failing, a bug of the shrinker"
        }
        let shown = lines.all.suffix(60).map { "#   \($0)" }.joined(separator: "\n")
        let nodes = simulation.nodeLines.map { "#   \($0)" }.joined(separator: "\n")
        return """
            # Seed \(seed) breaks \("\(violation)".split(separator: "\n")[0]).
            # Cut down to what that takes in \(attempts) runs; again: raft-simulate --scenario THIS-FILE
            # What happened last:
            \(shown)
            # The nodes at the end:
            \(nodes)
            \(SavedRun(seed: seed, events: events, profile: profile, faults: faults).text)
            """
    }

    private final class Lines: @unchecked Sendable {
        // @unchecked: as the scheduler.
        private(set) var all: [String] = []
        func add(_ line: String) {
            all.append(line)
            if all.count > 400 { all.removeFirst(200) }
        }
    }
}
