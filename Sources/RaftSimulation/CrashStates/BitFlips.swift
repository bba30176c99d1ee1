internal import Raft

/// Turns over one bit of one member's disk, at every byte of its log, its vote and its snapshots, one at a time, and holds
/// the cluster to everything that it owes: nothing acknowledged is lost, no read is wrong, and a quorum of the others
/// serves.
///
/// Every run is the same up to the moment of the flip: three members that write, read and make snapshots. Then the bit of
/// the leader's disk turns over, while it is down and about to start again, or while it runs.
package struct BitFlips: Sendable {
    /// What the node is doing meanwhile.
    package enum Moment: String, CaseIterable, Sendable {
        case stopped, running
    }

    package struct Place: Hashable, Sendable {
        package var file: String
        package var offset: Int
    }

    package struct Report: Sendable {
        package var moment: Moment
        package var file: String
        package var byteCount: Int
        /// How many of its bytes were tried.
        package var placeCount = 0
        /// After how many of them the node said that its disk is damaged, and stopped or did not start.
        package var refusedCount = 0
        /// After how many it served on: nothing that counts was hit, or it was set right by another copy.
        package var survivedCount = 0
        package var faults: [String] = []
    }

    private let seed: UInt64
    private let eventsBefore: Int
    private let eventsAfter: Int

    package init(seed: UInt64 = 1, eventsBefore: Int = 2500, eventsAfter: Int = 1000) {
        self.seed = seed
        self.eventsBefore = eventsBefore
        self.eventsAfter = eventsAfter
    }

    private func simulation() throws -> Simulation {
        var profile = SimulationProfile(seed: seed, nodeCount: 3, name: .calm)
        profile.segmentBytes = 8 << 10
        profile.makesSnapshots = true
        profile.configuration.snapshotPolicy = SnapshotPolicy(entryCount: 50, logBytes: nil)
        profile.configuration.maximumKeptEntries = 100
        return try Simulation(seed: seed, profile: profile, faults: [])
    }

    /// Each of the leader's files at the moment of the flip, and how long it is.
    package func files() throws -> [(name: String, byteCount: Int)] {
        let simulation = try simulation()
        var files: [(String, Int)] = []
        try simulation.run(events: eventsBefore, then: { files = $0.damageableFiles }, events: 0)
        guard !files.isEmpty else {
            throw Violation(invariant: "L1", text: "nobody leads after \(eventsBefore) events")
        }
        return files
    }

    /// Tries every so manyth byte of a file, from the first on; each time another of its bits.
    package func run(_ file: String, _ moment: Moment, every stride: Int = 1) throws -> Report {
        let byteCount = try files().first { $0.name == file }?.byteCount ?? 0
        var report = Report(moment: moment, file: file, byteCount: byteCount)
        for offset in Swift.stride(from: 0, to: byteCount, by: stride) {
            report.placeCount += 1
            do {
                if try isRefused(Place(file: file, offset: offset), moment) {
                    report.refusedCount += 1
                } else {
                    report.survivedCount += 1
                }
            } catch { report.faults.append("byte \(offset), bit \(offset % 8): \(error)") }
        }
        return report
    }

    /// - Throws: the ``Violation``, when something is not as it must be.
    private func isRefused(_ place: Place, _ moment: Moment) throws -> Bool {
        let simulation = try simulation()
        var hurt: SimulatedNode?
        try simulation.run(
            events: eventsBefore,
            then: { leader in
                hurt = leader
                if moment == .stopped { leader.crash(losingPower: false) }
                leader.damage(place.file, at: place.offset, bit: place.offset % 8)
                if moment == .stopped { leader.start() }
            }, events: eventsAfter)
        return hurt?.stopReason?.code == .corrupt
    }
}

extension Simulation {
    /// Runs so many events, lets something happen to the leader, if there is one, runs on, and concludes.
    fileprivate func run(
        events before: Int, then change: (SimulatedNode) -> Void, events after: Int
    ) throws(Violation) {
        defer { end() }
        begin()
        while scheduler.eventCount < before { try step() }
        if let leader = nodes.first(where: { $0.node?.withStatus(\.role) == .leader }) { change(leader) }
        while scheduler.eventCount < before + after { try step() }
        if after > 0 { try conclude() }
    }
}
