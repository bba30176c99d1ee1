internal import ArgumentParser
internal import Raft
internal import RaftServer
internal import RaftTransport

/// The settings of `raft serve`, from flags or, where a flag is not given, from the environment.
struct ServeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("This node's id, above 0.  [RAFT_ID]", valueName: "n")) var id: String?
    @Option(help: ArgumentHelp("Where to listen.  [RAFT_LISTEN]", valueName: "host:port")) var listen: String?
    @Option(
        help: ArgumentHelp(
            "Where others reach this node; default: its entry in --members, else --listen.  [RAFT_ADVERTISE]",
            valueName: "host:port"))
    var advertise: String?
    @Option(
        help: ArgumentHelp(
            "Where to show metrics, at https://…/metrics, to certificates of role metrics or admin. Default: nowhere.  [RAFT_METRICS]",
            valueName: "host:port"))
    var metrics: String?
    @Option(help: ArgumentHelp("Where the node keeps its data.  [RAFT_DATA]", valueName: "dir")) var data: String?
    @Option(help: ArgumentHelp("The node's certificate, of role peer.  [RAFT_CERT]", valueName: "file"))
    var cert: String?
    @Option(help: ArgumentHelp("Its key, readable for its owner alone.  [RAFT_KEY]", valueName: "file"))
    var key: String?
    @Option(help: ArgumentHelp("The authority of the cluster's certificates.  [RAFT_CA]", valueName: "file"))
    var ca: String?
    @Option(
        help: ArgumentHelp(
            "The revocation lists of those authorities. Default: nothing is checked for revocation.  [RAFT_CRL]",
            valueName: "file"))
    var crl: String?
    @Option(
        help: ArgumentHelp(
            "What to do with certificates whose authority has no current list: fail-closed (refuse them) or fail-open. Default: fail-closed.  [RAFT_CRL_POLICY]",
            valueName: "policy"))
    var crlPolicy: String?
    @Option(
        help: ArgumentHelp(
            "The oldest TLS of clients and administrators: 1.3, or 1.2 with ECDHE and AEAD suites. Default: 1.3, as for members always.  [RAFT_TLS_MIN]",
            valueName: "version"))
    var tlsMin: String?
    @Option(help: ArgumentHelp("The cluster's name, as in the certificates.  [RAFT_CLUSTER]", valueName: "name"))
    var cluster: String?
    @Option(
        help: ArgumentHelp(
            "The initial members, the same on each: 1=host:port,2=host:port,…  [RAFT_MEMBERS]", valueName: "list"))
    var members: String?
    @Flag(
        help: """
            Only for the very first start of an initial member: begin the cluster with --members. Never leave \
            RAFT_BOOTSTRAP in a unit file: a member whose disk was lost would come back as a new one, and could undo \
            what was acknowledged.  [RAFT_BOOTSTRAP=1]
            """)
    var bootstrap = false
    @Flag(
        help: """
            Only for the very first start of any other member: wait until `raft member add` has told the leader of \
            it. It is a learner then, and has a vote after `raft member promote`.  [RAFT_JOIN=1]
            """)
    var join = false
    @Option(
        help: ArgumentHelp(
            "Campaign after hearing no leader for this to twice this, such as 1500ms. Default 1s.  [RAFT_ELECTION_TIMEOUT]",
            valueName: "time"))
    var electionTimeout: String?
    @Option(
        help: ArgumentHelp(
            "How often a leader is heard; less than half the election timeout. Default 100ms.  [RAFT_HEARTBEAT]",
            valueName: "time"))
    var heartbeat: String?
    @Option(
        help: ArgumentHelp(
            "How far clocks may drift, in millionths; only reads by lease or by age rely on it. Default 1000.  [RAFT_CLOCK_DRIFT]",
            valueName: "n"))
    var clockDrift: String?
    @Option(
        help: ArgumentHelp(
            "The largest value taken from clients, in bytes. Default 1572864.  [RAFT_MAX_VALUE_BYTES]",
            valueName: "n"))
    var maxValueBytes: String?
    @Option(
        help: ArgumentHelp(
            "The most comparisons, and operations in each list, of a transaction. Default 128.  [RAFT_MAX_TXN_OPERATIONS]",
            valueName: "n"))
    var maxTxnOperations: String?
    @Option(
        help: ArgumentHelp(
            "The most watches of clients at a time. Default 20000.  [RAFT_MAX_WATCHES]", valueName: "n"))
    var maxWatches: String?
    @Option(
        help: ArgumentHelp(
            "About the most revisions of which changes are kept for watches. Default 100000.  [RAFT_HISTORY_REVISIONS]",
            valueName: "n"))
    var historyRevisions: String?
    @Option(
        help: ArgumentHelp(
            "About the most bytes of changes that are kept. Default 268435456.  [RAFT_HISTORY_BYTES]", valueName: "n"))
    var historyBytes: String?
    @Option(
        help: ArgumentHelp(
            "How long changes are kept at most. Default: as long as the others allow.  [RAFT_HISTORY_AGE]",
            valueName: "time"))
    var historyAge: String?
    @Flag(
        help: """
            Give learners that are added while this node leads a vote once they have caught up and are steady, unless \
            `raft member add` says otherwise.  [RAFT_PROMOTE_LEARNERS=1]
            """)
    var promoteLearners = false
    @Option(
        help: ArgumentHelp(
            "How long a member must answer and keep up before it counts as steady. Default 10s.  [RAFT_STEADY_AFTER]",
            valueName: "time"))
    var steadyAfter: String?
    @Option(
        help: ArgumentHelp(
            "The least time between two moves of leadership to a preferred member. Default 60s.  [RAFT_PREFERENCE_INTERVAL]",
            valueName: "time"))
    var preferenceInterval: String?
    @Option(
        help: ArgumentHelp(
            "Send a snapshot to one member with at most so many bytes a second. Default: no limit.  [RAFT_SNAPSHOT_RATE]",
            valueName: "n"))
    var snapshotRate: String?
    @Option(
        help: ArgumentHelp(
            "The largest snapshot taken from a leader, in bytes. Default 1099511627776.  [RAFT_MAX_SNAPSHOT_BYTES]",
            valueName: "n"))
    var maxSnapshotBytes: String?
    @Option(
        help: ArgumentHelp(
            "The most connections at once; of them a part is kept for members. Default 1024.  [RAFT_MAX_CONNECTIONS]",
            valueName: "n"))
    var maxConnections: String?
    @Option(
        help: ArgumentHelp(
            "The most connections of clients from one address. Default 100.  [RAFT_MAX_CONNECTIONS_PER_ADDRESS]",
            valueName: "n"))
    var maxConnectionsPerAddress: String?
    @Flag(help: "Stop when standard input ends; so nodes end with the program that started them.")
    var stopOnEOF = false

    /// Everything that can be checked without looking at a file.
    ///
    /// - Throws: a ``Failure`` of code usage that names the flag and its variable.
    func configuration(
        environment: @escaping (String) -> String? = Console.environment
    ) throws(Failure) -> ServerConfiguration {
        let values = Values(environment: environment)
        let idText = try values.required(id, "--id")
        guard let number = UInt64(idText), number > 0 else {
            throw Failure(.usage, "--id \"\(idText)\": an id is a whole number above 0")
        }
        let listen = try values.required(listen, "--listen")
        try MembersArgument.checkAddress(listen, "--listen", anyPort: true)
        let members = try values.optional(members, "--members").map { text throws(Failure) in
            try MembersArgument.parse(text)
        }
        let advertise = values.optional(advertise, "--advertise")
        if let advertise { try MembersArgument.checkAddress(advertise, "--advertise") }
        if let members {
            guard let own = members.address(of: NodeID(number)) else {
                throw Failure(
                    .usage, "--members does not name node \(number), this one; it names \(values.list(members))")
            }
            if let advertise, own != advertise {
                throw Failure(
                    .usage,
                    "--advertise \(advertise), but --members says that node \(number) is at \(own); make them agree")
            }
        }
        let isBootstrap = try values.flag(bootstrap, "--bootstrap")
        let isJoin = try values.flag(join, "--join")
        if isBootstrap, isJoin { throw Failure(.usage, "--bootstrap and --join exclude each other; give one of them") }
        if isBootstrap, members == nil {
            throw Failure(.usage, "--bootstrap needs --members, the same list on each initial member")
        }
        var configuration = ServerConfiguration(
            id: NodeID(number), cluster: try values.required(cluster, "--cluster"), listen: listen,
            data: try values.required(data, "--data"), certificate: try values.required(cert, "--cert"),
            key: try values.required(key, "--key"), ca: try values.required(ca, "--ca"))
        configuration.advertise = advertise
        configuration.metrics = values.optional(metrics, "--metrics")
        if let metrics = configuration.metrics { try MembersArgument.checkAddress(metrics, "--metrics", anyPort: true) }
        configuration.crl = values.optional(crl, "--crl")
        if let text = values.optional(crlPolicy, "--crl-policy") {
            guard let policy = RevocationPolicy(rawValue: text) else {
                throw Failure(.usage, "--crl-policy \"\(text)\": write fail-closed or fail-open")
            }
            guard configuration.crl != nil else {
                throw Failure(
                    .usage, "--crl-policy \(text) means nothing without --crl; give a file of lists, or leave it out")
            }
            configuration.revocation = policy
        }
        switch values.optional(tlsMin, "--tls-min") {
        case nil, "1.3": break
        case "1.2": configuration.acceptsTLS12 = true
        case let other?: throw Failure(.usage, "--tls-min \"\(other)\": write 1.3 or 1.2")
        }
        configuration.members = members
        if isBootstrap { configuration.firstStart = .bootstrap }
        if isJoin { configuration.firstStart = .join }
        try setTimes(&configuration, values)
        configuration.promotesLearners = try values.flag(promoteLearners, "--promote-learners")
        let valueSizes = 1...ServerConfiguration.largestMaximumValueBytes
        if let count = try values.integer(maxValueBytes, "--max-value-bytes", valueSizes) {
            configuration.maximumValueBytes = count
        }
        let transactionCounts = 1...ServerConfiguration.largestMaximumTransactionCount
        if let count = try values.integer(maxTxnOperations, "--max-txn-operations", transactionCounts) {
            configuration.maximumTransactionCount = count
        }
        if let count = try values.integer(maxWatches, "--max-watches", 1...1_000_000) {
            configuration.maximumWatchCount = count
        }
        if let count = try values.integer(historyRevisions, "--history-revisions", 1...(1 << 40)) {
            configuration.history.maximumRevisions = UInt64(count)
        }
        if let count = try values.integer(historyBytes, "--history-bytes", (1 << 20)...(1 << 40)) {
            configuration.history.maximumBytes = count
        }
        if let age = try values.time(historyAge, "--history-age") { configuration.history.maximumAge = age }
        configuration.maximumSnapshotBytesPerSecond = try values.integer(
            snapshotRate, "--snapshot-rate", ServerConfiguration.snapshotRates, unit: " bytes a second")
        if let count = try values.integer(maxSnapshotBytes, "--max-snapshot-bytes", 1...Int.max, unit: " bytes") {
            configuration.maximumSnapshotBytes = count
        }
        if let count = try values.integer(maxConnections, "--max-connections", 16...65_536) {
            configuration.limits.maximumConnections = count
            configuration.limits.reservedPeerConnections = min(configuration.limits.reservedPeerConnections, count / 4)
            configuration.limits.maximumHandshakes = min(configuration.limits.maximumHandshakes, count / 2)
        }
        if let count = try values.integer(
            maxConnectionsPerAddress, "--max-connections-per-address", 1...65_536)
        {
            configuration.limits.maximumConnectionsPerAddress = count
        }
        return configuration
    }

    /// The election timeout and the heartbeat, of their flags, their variables or left as they are.
    private func setTimes(_ configuration: inout ServerConfiguration, _ values: Values) throws(Failure) {
        if let least = try values.time(electionTimeout, "--election-timeout") {
            configuration.electionTimeout = least...(least * 2)
        }
        if let time = try values.time(steadyAfter, "--steady-after") { configuration.steadyInterval = time }
        if let time = try values.time(preferenceInterval, "--preference-interval") {
            configuration.preferenceInterval = time
        }
        if let heartbeat = try values.time(heartbeat, "--heartbeat") { configuration.heartbeatInterval = heartbeat }
        if let drift = try values.integer(clockDrift, "--clock-drift", 0...500_000, unit: " millionths") {
            configuration.maximumClockDrift = drift
        }
        let (least, heartbeat) = (configuration.electionTimeout.lowerBound, configuration.heartbeatInterval)
        guard least > heartbeat * 2 else {
            throw Failure(
                .usage,
                "--election-timeout \(least.formatted) is not above twice --heartbeat \(heartbeat.formatted); raise the one or lower the other"
            )
        }
    }
}

/// Looks a setting up: the flag first, then its variable.
private struct Values {
    let environment: (String) -> String?

    static func variable(_ flag: String) -> String {
        "RAFT_" + flag.dropFirst(2).uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }

    func optional(_ value: String?, _ flag: String) -> String? {
        value ?? environment(Self.variable(flag)).flatMap { $0.isEmpty ? nil : $0 }
    }

    func required(_ value: String?, _ flag: String) throws(Failure) -> String {
        guard let found = optional(value, flag), !found.isEmpty else {
            throw Failure(.usage, "\(flag) is missing; give it, or set \(Self.variable(flag))")
        }
        return found
    }

    func flag(_ isSet: Bool, _ flag: String) throws(Failure) -> Bool {
        if isSet { return true }
        switch environment(Self.variable(flag)) ?? "" {
        case "", "0", "false", "no": return false
        case "1", "true", "yes": return true
        case let other: throw Failure(.usage, "\(Self.variable(flag))=\(other): write 1 or 0")
        }
    }

    func time(_ value: String?, _ flag: String) throws(Failure) -> Duration? {
        guard let text = optional(value, flag) else { return nil }
        do throws(ArgumentProblem) { return try TimeArgument(parsing: text).duration } catch {
            let source = value == nil ? Self.variable(flag) : flag
            throw Failure(.usage, "\(source): \(error)")
        }
    }

    func integer(
        _ value: String?, _ flag: String, _ range: ClosedRange<Int>, unit: String = ""
    ) throws(Failure) -> Int? {
        guard let text = optional(value, flag) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw Failure(.usage, "\(flag) \"\(text)\": \(range.lowerBound) to \(range.upperBound)\(unit)")
        }
        return number
    }

    func list(_ members: ClusterConfiguration) -> String {
        members.members.map { "\($0.id)=\($0.address)" }.joined(separator: ",")
    }
}
