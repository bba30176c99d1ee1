internal import Raft

/// What the world of a scenario is made of: the lines before anything happens.
struct ScenarioSettings {
    /// The durable state that a node, or a ghost, begins with.
    struct Beginning {
        var state = HardState()
        /// Entry 1, the cluster's configuration, is not among them: every log begins with it.
        var log: [LogID] = []
    }

    enum Change {
        case nodes(Int)
        case real([NodeID])
        case seed(UInt64)
        case electionTimeout(ClosedRange<Duration>, of: [NodeID]?)
        case heartbeat(Duration)
        case delay(ClosedRange<Int64>)
        case disk(ClosedRange<Int64>)
        case duplicates(perMille: Int)
        case losses(perMille: Int)
        case reorders
        case preparesSegments
        case window(Int)
        case appendLimit(Int)
        case uncommittedLimit(Int)
        case tailLimit(Int)
        case applyLimit(Int)
        case snapshotEvery(Int?)
        case pieces(Int)
        case keep(Int)
        case lagLimit(Int)
        case sessionTimeout(Duration)
        case sessions(Int)
        case begins([NodeID], Beginning)
        case prefers([NodeID], LeadershipPreference)
        case joins([NodeID])
        case steady(Duration)
        case preferenceInterval(Duration)
        case leases(Duration)
        case drift(partsPerMillion: Int)
    }

    var nodeCount = 3
    /// Whether nodes purge their logs behind snapshots.
    var makesSnapshots = false
    /// What the cluster begins with.
    var leaseWindow: Duration?
    var real: [NodeID]?
    var seed: UInt64 = 1
    var configuration = Configuration(id: 1, cluster: "scenario")
    var ownTimeouts: [NodeID: ClosedRange<Duration>] = [:]
    var network = NetworkProfile()
    var diskLatency: ClosedRange<Int64> = 50_000...200_000
    /// Whether logs make their next segment ahead of its need.
    var preparesSegments = false
    var beginnings: [NodeID: Beginning] = [:]
    var preferences: [NodeID: LeadershipPreference] = [:]
    /// Who belongs to no cluster at first.
    var joining: [NodeID] = []

    init() {
        configuration.electionTimeout = .milliseconds(150)...(.milliseconds(300))
        configuration.heartbeatInterval = .milliseconds(50)
        configuration.maximumBackoff = .milliseconds(200)
        configuration.snapshotPolicy = .manual
        network.delay = 500_000...1_000_000
    }

    var ids: [NodeID] { (1...nodeCount).map { NodeID(UInt64($0)) } }
    func isReal(_ id: NodeID) -> Bool { real?.contains(id) ?? true }

    mutating func make(_ change: Change) {
        switch change {
        case .nodes(let count): nodeCount = count
        case .real(let ids): real = ids
        case .seed(let value): seed = value
        case .electionTimeout(let range, nil): configuration.electionTimeout = range
        case .electionTimeout(let range, let ids?): for id in ids { ownTimeouts[id] = range }
        case .heartbeat(let interval): configuration.heartbeatInterval = interval
        case .delay(let range): network.delay = range
        case .disk(let range): diskLatency = range
        case .duplicates(let count): network.duplicatePerMille = count
        case .losses(let count): network.lossPerMille = count
        case .reorders: network.isOrdered = false
        case .preparesSegments: preparesSegments = true
        case .window(let count): configuration.maximumInflightAppends = count
        case .appendLimit(let bytes): configuration.maximumAppendBytes = bytes
        case .uncommittedLimit(let bytes): configuration.maximumUncommittedBytes = bytes
        case .tailLimit(let bytes): configuration.maximumTailBytes = bytes
        case .applyLimit(let bytes): configuration.maximumApplyBytes = bytes
        case .snapshotEvery(let count):
            configuration.snapshotPolicy.entryCount = count
            makesSnapshots = true
        case .pieces(let bytes): configuration.snapshotPieceBytes = bytes
        case .keep(let count): configuration.maximumKeptEntries = count
        case .lagLimit(let count): configuration.maximumReplicationLag = count
        case .sessionTimeout(let time): configuration.sessionTimeout = time
        case .sessions(let count): configuration.maximumSessions = count
        case .begins(let ids, let beginning): for id in ids { beginnings[id] = beginning }
        case .prefers(let ids, let preference): for id in ids { preferences[id] = preference }
        case .joins(let ids): joining += ids
        case .steady(let interval): configuration.steadyInterval = interval
        case .preferenceInterval(let interval): configuration.preferenceInterval = interval
        case .leases(let window): leaseWindow = window
        case .drift(let bound): configuration.maximumClockDrift = bound
        }
    }
}
