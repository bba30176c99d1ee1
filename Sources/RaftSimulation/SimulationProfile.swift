public import Raft

/// What one run is made of. Drawn from the seed: every run has other faults, and some have none (Groce et al., "Swarm
/// Testing", ISSTA 2012).
public struct SimulationProfile: Sendable {
    /// Which kinds of fault a run may have.
    public struct Kinds: OptionSet, Hashable, Sendable, CustomStringConvertible {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let crashes = Kinds(rawValue: 1)
        public static let powerFailures = Kinds(rawValue: 2)
        public static let partitions = Kinds(rawValue: 4)
        public static let clogs = Kinds(rawValue: 8)
        public static let transfers = Kinds(rawValue: 16)
        public static let pauses = Kinds(rawValue: 32)
        /// Writes and syncs that fail, and disks that are full.
        public static let diskErrors = Kinds(rawValue: 64)
        /// Disks that are slow, or answer nothing for a while.
        public static let slowDisks = Kinds(rawValue: 128)
        /// Bits that turn over, on so few nodes that every committed entry has a good copy.
        public static let rot = Kinds(rawValue: 256)
        public static let drift = Kinds(rawValue: 512)
        /// Rot on any number of nodes: what is left must stop, and never be wrong. Nothing is asked of liveness.
        public static let rotEverywhere = Kinds(rawValue: 1024)
        /// Members that come back with an empty disk, on so few nodes as rot.
        public static let lostDisks = Kinds(rawValue: 2048)
        /// State machines that fail.
        public static let machineFailures = Kinds(rawValue: 4096)
        /// Members come and go.
        public static let churn = Kinds(rawValue: 8192)
        /// Snapshots built and sent at any moment; no fault, but seldom so often.
        public static let snapshots = Kinds(rawValue: 16384)
        /// Several faults within moments, of any kind that must not stop a run: see ``Strokes``.
        public static let strokes = Kinds(rawValue: 32768)

        private static let names: [(Kinds, String)] = [
            (.crashes, "crashes"), (.powerFailures, "power failures"), (.partitions, "partitions"), (.clogs, "clogs"),
            (.transfers, "transfers"), (.pauses, "pauses"), (.diskErrors, "disk errors"), (.slowDisks, "slow disks"),
            (.rot, "rot"), (.drift, "drift"), (.rotEverywhere, "rot everywhere"),
            (.lostDisks, "lost disks"), (.machineFailures, "machine failures"), (.churn, "members that come and go"),
            (.snapshots, "snapshots"), (.strokes, "strokes"),
        ]
        /// The one of this name in ``description``.
        static func named(_ name: Substring) -> Kinds? { names.first { $0.1 == name }?.0 }
        public var description: String {
            let list = Self.names.filter { contains($0.0) }.map(\.1).joined(separator: ", ")
            return list.isEmpty ? "none" : list
        }
    }

    /// A profile that the command line can name: which kinds of fault are drawn from.
    public enum Name: String, CaseIterable, Sendable {
        /// Everything.
        case swarm
        /// No fault at all.
        case calm
        /// No fault and no client: what a cluster costs when nothing happens.
        case idle
        /// Only what a network does.
        case network
        /// Only what processes and clocks do.
        case process
        /// Only what disks do, and crashes.
        case disk
        /// Everything, in a run of half an hour with quiet clients.
        case long
        /// Everything but rot, while members come and go.
        case churn
        /// Everything but rot everywhere and machines that fail, on nodes that serve keys, watches and leases: a run that is
        /// made by `KeyValueSimulation`.
        case keyvalue

        var kinds: Kinds {
            switch self {
            case .swarm, .long:
                [
                    .crashes, .powerFailures, .partitions, .clogs, .transfers, .pauses, .diskErrors, .slowDisks, .rot,
                    .drift, .rotEverywhere, .lostDisks, .machineFailures, .snapshots, .strokes,
                ]
            case .churn:
                [
                    .crashes, .powerFailures, .partitions, .clogs, .transfers, .pauses, .diskErrors, .slowDisks, .drift,
                    .churn, .snapshots, .strokes,
                ]
            case .keyvalue:
                [
                    .crashes, .powerFailures, .partitions, .clogs, .transfers, .pauses, .diskErrors, .slowDisks, .rot,
                    .drift, .lostDisks, .snapshots, .strokes,
                ]
            case .calm, .idle: []
            case .network: [.partitions, .clogs, .transfers, .snapshots]
            case .process: [.crashes, .pauses, .drift, .transfers, .machineFailures, .snapshots]
            case .disk:
                [.crashes, .powerFailures, .diskErrors, .slowDisks, .rot, .rotEverywhere, .lostDisks, .snapshots]
            }
        }
    }

    /// Which of the kinds of runs it is.
    public var name: Name
    /// How many members the cluster has at first.
    public var nodeCount: Int
    /// Nodes beside them that belong to no cluster at first.
    public var spareCount = 0
    public var faults: Kinds
    /// Who should lead, may, or must not, in order of id, as the cluster begins; who is not named, may.
    public var preferences: [LeadershipPreference] = []
    public var network = NetworkProfile()
    public var workload = WorkloadProfile()
    public var configuration: Configuration
    public var segmentBytes = 16 << 10
    /// Whether segments are made ahead of their use.
    public var preparesSegments = false
    /// Whether nodes purge their logs behind snapshots; when is part of the configuration.
    public var makesSnapshots = false
    /// What the cluster begins with: see ``ClusterConfiguration/leaseWindow``.
    public var leaseWindow: Duration?
    /// How long a disk takes for one write, in nanoseconds.
    public var diskLatency: ClosedRange<Int64> = 50_000...2_000_000
    /// How long a slow state machine takes for what it is told at once, in nanoseconds, and on which of the nodes one is
    /// slow: a bit for each, in order of id.
    public var applyLatency: ClosedRange<Int64> = 1_000...100_000
    public var slowMachines = 0
    /// Nanoseconds between two faults, at most.
    public var faultPause: Int64 = 1_000_000_000
    /// Whether the production code's own points of disturbance fire.
    public var isDisturbed = false
    /// Writes stop some virtual seconds before everything is healed, and begin again only when the logs agree: what
    /// only a new write would set right must not stay hidden (L9).
    public var isQuietAtEnd = false
    /// Only a random quorum is healed; the others stay dead or cut off.
    public var healsCoreOnly = false
    /// Whether the windows of L1, L5 and L6 have their whole length.
    public var hasLongWindows = false
    /// Whether a healthy follower is cut off once more at the end, and must come back quietly (L8).
    public var hasReturn = false

    /// - Parameter nodeCount: 1 to 7; drawn when nil.
    public init(seed: UInt64, nodeCount given: Int? = nil, name: Name = .swarm) {
        var random = RandomSource(seed: seed)
        func chance(_ percent: UInt64) -> Bool { random.next() % 100 < percent }
        func pick<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }
        self.name = name
        let isCalm = name == .calm || name == .idle
        let drawn = pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 7])
        nodeCount = given ?? drawn

        var settings = Configuration(id: 1, cluster: "simulated")
        let heartbeat = pick([20, 50, 70])
        let minimum = pick([150, 300, 450, 600])
        settings.heartbeatInterval = .milliseconds(heartbeat)
        settings.electionTimeout = .milliseconds(minimum)...(.milliseconds(minimum * pick([3, 4, 4, 6]) / 2))
        settings.maximumAppendBytes = pick([64, 1 << 10, 1 << 20])
        settings.maximumInflightAppends = pick([1, 2, 8, 64])
        settings.maximumInflightBytes = pick([256, 64 << 10, 4 << 20])
        settings.maximumTailBytes = pick([0, 1 << 10, 1 << 20])
        settings.maximumApplyBytes = pick([64, 1 << 10, 1 << 20])
        settings.maximumUncommittedBytes = pick([1 << 10, 16 << 10, 64 << 20])
        settings.maximumWaitingCalls = pick([4, 64, 65_536])
        configuration = settings

        workload.clientCount = pick([1, 2, 4, 8, 16])
        workload.pause = pick([100_000...20_000_000, 1_000_000...40_000_000, 5_000_000...200_000_000])
        workload.patience = pick([500_000_000, 3_000_000_000])
        workload.keyCount = pick([1, 4, 12])
        workload.padding = pick([0, 0, 200, 3000])

        network.delay = pick([10_000...100_000, 50_000...2_000_000, 100_000...20_000_000, 1_000_000...80_000_000])
        network.lossPerMille = pick([0, 0, 0, 10, 100, 300])
        network.duplicatePerMille = pick([0, 0, 10, 100])
        network.strayPerMille = pick([0, 0, 0, 5, 50])
        network.isOrdered = chance(60)
        network.letsRepliesSlip = chance(50)
        if isCalm {
            network.lossPerMille = 0
            network.duplicatePerMille = 0
            network.strayPerMille = 0
            network.delay = 50_000...2_000_000
        }

        segmentBytes = pick([4 << 10, 4 << 10, 16 << 10, 64 << 10])
        preparesSegments = chance(50)
        diskLatency = pick([50_000...200_000, 50_000...2_000_000, 1_000_000...30_000_000, 100_000...400_000_000])
        if isCalm { diskLatency = 50_000...2_000_000 }

        var kinds: Kinds = []
        func draw(_ kind: Kinds, _ percent: UInt64) { if chance(percent) { kinds.insert(kind) } }
        draw(.crashes, 60)
        draw(.powerFailures, kinds.contains(.crashes) ? 60 : 0)
        draw(.partitions, 60)
        draw(.clogs, 25)
        draw(.transfers, 30)
        draw(.pauses, 25)
        draw(.diskErrors, 20)
        draw(.slowDisks, 20)
        draw(.rot, 10)
        draw(.drift, 30)
        draw(.rotEverywhere, 2)
        draw(.lostDisks, 10)
        draw(.machineFailures, 8)
        faults = kinds.intersection(name.kinds)
        if drawSnapshots(RandomSource(seed: seed ^ 0x736E_6170)), name.kinds.contains(.snapshots) {
            faults.insert(.snapshots)
        }
        drawStrokes(RandomSource(seed: seed ^ 0x7374_726F))
        drawLeases(RandomSource(seed: seed ^ 0x6C65_6173))
        drawSessions(RandomSource(seed: seed ^ 0x5345_5353))
        if !isCalm {
            drawPreferences(RandomSource(seed: seed ^ 0x7072_6566))
            drawMachine(RandomSource(seed: seed ^ 0x6D61_6368))
        }
        faultPause = pick([300_000_000, 1_000_000_000, 4_000_000_000])
        isDisturbed = chance(30) && !isCalm
        isQuietAtEnd = chance(25)
        healsCoreOnly = chance(25)
        hasLongWindows = chance(20)
        hasReturn = chance(25)
        if name == .idle {
            workload.clientCount = 0
            workload.sessionClientCount = 0
        }
        if name == .keyvalue {
            // Leases live for seconds: with fewer heartbeats more of them fit into a run.
            configuration.heartbeatInterval = .milliseconds(100)
            configuration.electionTimeout = .milliseconds(500)...(.milliseconds(minimum < 400 ? 750 : 1200))
            leaseWindow = leaseWindow.map { _ in configuration.electionTimeout.lowerBound }
            configuration.maximumClockDrift = min(configuration.maximumClockDrift, 50_000)
            if workload.silence > 0 { makeSessionsShort() }
            // From numbers of its own: what the clocks do to leases is what such a run is for.
            var drifts = RandomSource(seed: seed ^ 0x6472_6966)
            if drifts.next() % 2 == 0 { faults.insert(.drift) }
            // What the service itself asks of its node must find room.
            configuration.maximumWaitingCalls = max(configuration.maximumWaitingCalls, 64)
        }
        if name == .churn {
            faults.insert(.churn)
            spareCount = pick([1, 2, 3])
            configuration.maximumReplicationLag = pick([1, 10, 1000])
            // Who belongs to the cluster at the end is not known before.
            healsCoreOnly = false
            hasReturn = false
        }
        if name == .long {
            workload.clientCount = min(workload.clientCount, 4)
            workload.pause = 200_000_000...3_000_000_000
            faultPause = 20_000_000_000
            settings.heartbeatInterval = .milliseconds(100)
            settings.electionTimeout = .milliseconds(600)...(.milliseconds(1200))
            configuration.heartbeatInterval = settings.heartbeatInterval
            configuration.electionTimeout = settings.electionTimeout
            leaseWindow = leaseWindow.map { _ in settings.electionTimeout.lowerBound }
            if workload.silence > 0 { makeSessionsShort() }
        }
    }

    /// Not much longer than they must be, with clients that come back when they end.
    private mutating func makeSessionsShort() {
        configuration.sessionTimeout = configuration.electionTimeout.upperBound * 9 / 8
        workload.silence = configuration.sessionTimeout.nanoseconds
    }

    /// From numbers of its own, so that a run without strokes is what it was before there were any.
    private mutating func drawStrokes(_ source: RandomSource) {
        var random = source
        guard name.kinds.contains(.strokes), random.next() % 100 < 30 else { return }
        faults.insert(.strokes)
        // A whole snapshot on its way at once, and few of them but those that are asked for.
        if makesSnapshots, random.next() % 2 == 0 {
            configuration.snapshotPieceBytes = 64 << 10
            configuration.snapshotPolicy = SnapshotPolicy(entryCount: nil, logBytes: nil)
        }
    }

    private mutating func drawLeases(_ source: RandomSource) {
        var random = source
        let shortest = configuration.electionTimeout.lowerBound
        leaseWindow = [nil, shortest, shortest, shortest * 3 / 4][Int(random.next() % 4)]
        configuration.maximumClockDrift = random.next() % 2 == 0 ? 50_000 : 200_000
        if configuration.unfitness(ofLeaseWindow: leaseWindow ?? shortest) != nil {
            configuration.maximumClockDrift = 50_000
            leaseWindow = leaseWindow.map { _ in shortest }
        }
    }

    /// From numbers of its own, too: a run without sessions is what it was before there were any.
    private mutating func drawSessions(_ source: RandomSource) {
        var random = source
        func pick<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }
        guard random.next() % 100 < 30 else { return }
        workload.sessionClientCount = pick([1, 2, 2, 4])
        configuration.maximumSessions = pick([1, 2, 3, 100])
        configuration.maximumSessionReplies = pick([1, 3, 8, 256])
        configuration.maximumSessionReplyBytes = pick([8, 20, 100, 64 << 10])
        configuration.sessionTimeout = pick([.milliseconds(2500), .seconds(10), .seconds(3600)])
        if random.next() % 100 < 25 { makeSessionsShort() }
    }

    /// Now and then machines are slow. From numbers of its own, so that a run in which they are not is what it was before.
    private mutating func drawMachine(_ source: RandomSource) {
        var random = source
        guard random.next() % 100 < 15 else { return }
        let slow: [ClosedRange<Int64>] = [100_000...10_000_000, 1_000_000...60_000_000, 10_000_000...400_000_000]
        applyLatency = slow[Int(random.next() % 3)]
        slowMachines = Int(random.next() % 1024)
    }

    func applyLatency(of node: NodeID) -> ClosedRange<Int64> {
        slowMachines >> Int(node.rawValue - 1) & 1 == 1 ? applyLatency : 1_000...100_000
    }

    /// From numbers of its own, so that a run without preferences is what it was before there were any.
    private mutating func drawPreferences(_ source: RandomSource) {
        var random = source
        func pick<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }
        configuration.steadyInterval = pick([.milliseconds(50), .milliseconds(500), .seconds(2)])
        configuration.preferenceInterval = pick([.milliseconds(300), .seconds(1), .seconds(5)])
        configuration.promotesLearners = random.next() % 2 == 0
        guard random.next() % 100 < 35 else { return }
        preferences = (0..<nodeCount).map { _ in pick([.ordinary, .ordinary, .preferred, .never, .never]) }
    }

    /// What the cluster begins with. Somebody may always lead, however few nodes are left of a run that is cut down.
    func preference(ofNodeAt position: Int) -> LeadershipPreference {
        guard preferences.indices.contains(position) else { return .ordinary }
        let isHopeless = preferences.prefix(nodeCount).allSatisfy { $0 == .never }
        return isHopeless && position == 0 ? .ordinary : preferences[position]
    }

    /// From numbers of its own, so that a run without snapshots is what it was before there were any. Returns whether
    /// some are also asked for.
    private mutating func drawSnapshots(_ source: RandomSource) -> Bool {
        var random = source
        func pick<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }
        makesSnapshots = random.next() % 100 < 60
        configuration.snapshotPolicy = SnapshotPolicy(entryCount: pick([1, 3, 10, 50, 250, nil]), logBytes: nil)
        configuration.maximumKeptEntries = pick([0, 1, 5, 20, 300])
        configuration.maximumHeldBytes = pick([0, 1 << 30])
        configuration.snapshotPieceBytes = pick([20, 64, 200, 4096])
        configuration.maximumInflightSnapshotPieces = pick([1, 2, 8])
        return makesSnapshots && random.next() % 2 == 0
    }
}

extension SimulationProfile: CustomStringConvertible {
    public var description: String {
        """
        \(nodeCount) nodes\(spareCount > 0 ? " and \(spareCount) beside them" : ""); faults: \(faults)\(isDisturbed ? "; disturbed" : "")\(preferences.isEmpty ? "" : "; \((0..<nodeCount).map { "\($0 + 1) \(preference(ofNodeAt: $0))" }.joined(separator: ", "))")
        network: \(network)
        disk: \(diskLatency) ns a write, segments of \(segmentBytes) bytes\(preparesSegments ? " made ahead" : ""); slow machines \(String(slowMachines, radix: 2)): \(applyLatency) ns
        clients: \(workload)
        sessions: at most \(configuration.maximumSessions) for \(configuration.sessionTimeout), each with \(configuration.maximumSessionReplies) replies and \(configuration.maximumSessionReplyBytes) bytes
        election timeout \(configuration.electionTimeout), heartbeat \(configuration.heartbeatInterval), \(leaseWindow.map { "leases of \($0)" } ?? "no leases"), drift to \(configuration.maximumClockDrift) ppm
        \(makesSnapshots ? "snapshots after \(configuration.snapshotPolicy.entryCount.map(String.init) ?? "no") entries in pieces of \(configuration.snapshotPieceBytes) bytes, keeping \(configuration.maximumKeptEntries)" : "no snapshots")
        appends of \(configuration.maximumAppendBytes) bytes, \(configuration.maximumInflightAppends) and \(configuration.maximumInflightBytes) bytes in flight, tail \(configuration.maximumTailBytes)
        """
    }
}
