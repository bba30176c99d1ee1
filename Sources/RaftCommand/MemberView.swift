internal import Raft
internal import RaftClient

/// Who belongs to the cluster, and how far each has come.
struct MemberView: Hashable {
    struct Row: Hashable {
        var id: UInt64
        var address: String
        var isVoter: Bool
        var isLeader: Bool
        /// How many entries it is behind the leader; nil without a leader, or before that is known.
        var lag: UInt64?
        /// Whether the leader reaches it; nil without a leader.
        var isReachable: Bool?
        /// How long ago it last answered the leader; nil without a leader.
        var heardBefore: Duration?
        /// Whether it has been answering, and keeping up, for a while; nil without a leader.
        var isSteady: Bool?
        var preference: LeadershipPreference
        var isPromotedWhenReady: Bool
        var incarnation: String?

        var state: String {
            isLeader ? "leader" : isVoter ? "voter" : isPromotedWhenReady ? "learner, voter when ready" : "learner"
        }
    }

    var cluster: String
    var leader: UInt64?
    /// The entry that holds the members, `41@3`.
    var entry: String
    var isJoint: Bool
    var rows: [Row]
    /// As the leader counts; nil where it does not say.
    private var reportedTolerance: Int?

    init(_ status: ClusterStatus) {
        cluster = status.cluster
        leader = status.leader
        let statuses = status.nodes.compactMap(\.status)
        let leading = statuses.first { $0.id.rawValue == status.leader && $0.role == "leader" }
        // Without a leader whoever knows most.
        let source = leading ?? statuses.max { ($0.commit, $0.last) < ($1.commit, $1.last) }
        entry = source.map { "\($0.configuration)" } ?? "0@0"
        isJoint = source?.isJoint ?? false
        reportedTolerance = leading?.failureTolerance
        rows = (source?.members ?? []).map { member in
            let peer = leading?.peers.first { $0.id == member.id }
            let isLeader = member.id == leading?.id
            return Row(
                id: member.id.rawValue, address: member.address, isVoter: member.isVoter, isLeader: isLeader,
                lag: isLeader
                    ? 0
                    : leading.flatMap { leading in
                        // 0 on a connection that is new or gone: it may well hold the whole log.
                        peer.flatMap { $0.matchIndex > 0 ? $0.matchIndex : nil }
                            .map { leading.last.index.rawValue - min(leading.last.index, $0).rawValue }
                    },
                isReachable: isLeader ? true : peer?.isReachable,
                heardBefore: isLeader ? .zero : peer?.heardBefore,
                isSteady: isLeader ? true : peer.map { $0.steadyFor != nil }, preference: member.preference,
                isPromotedWhenReady: member.isPromotedWhenReady,
                incarnation: member.incarnation.map { "\($0)" })
        }
    }

    /// How many more voters may fail before nothing can be written any more; nil without a leader.
    var failureTolerance: Int? {
        if let reportedTolerance { return reportedTolerance }
        guard leader != nil, !isJoint else { return nil }
        let voters = rows.filter(\.isVoter)
        return voters.count { $0.isReachable == true } - Quorum.majority(of: voters.count)
    }

    var table: Table {
        var table = Table(["NODE", "ADDRESS", "STATE", "LAG", "HEARD", "STEADY", "REACHABLE"])
        for row in rows {
            table.add([
                .init("\(row.id)"), .init(row.address), .init(row.state, row.isLeader ? .green : .plain),
                .init(row.lag.map { "\($0)" } ?? "?"),
                .init(row.isLeader ? "-" : row.heardBefore.map { "\($0.formatted) ago" } ?? "?"),
                .init(row.isSteady.map { $0 ? "yes" : "no" } ?? "?"),
                row.isReachable == false ? .init("no", .red) : .init(row.isReachable == nil ? "?" : "yes"),
            ])
        }
        return table
    }

    /// What the table has no room for.
    var notes: [String] {
        var notes = ["members of entry \(entry)\(isJoint ? ", while the voters change" : "")"]
        if leader == nil { notes.append("no leader") }
        if let failureTolerance {
            notes.append(ClusterStatus.note(ofTolerance: failureTolerance))
        }
        return notes
    }

    var json: JSON {
        .object([
            .init("cluster", .string(cluster)), .init("leader", .number(leader)), .init("entry", .string(entry)),
            .init("changing", .bool(isJoint)),
            .init("mayFail", failureTolerance.map { $0 < 0 ? .null : .number(UInt64($0)) } ?? .null),
            .init(
                "members",
                .array(
                    rows.map { row in
                        .object([
                            .init("id", .number(row.id)), .init("address", .string(row.address)),
                            .init("voter", .bool(row.isVoter)), .init("leader", .bool(row.isLeader)),
                            .init("lag", .number(row.lag)),
                            .init("reachable", row.isReachable.map { .bool($0) } ?? .null),
                            .init("incarnation", .string(row.incarnation)),
                            .init("heardMillisecondsAgo", .number(row.heardBefore.map(\.wholeMilliseconds))),
                            .init("steady", row.isSteady.map { .bool($0) } ?? .null),
                            .init("preference", .string(row.preference.word)),
                            .init("promotedWhenReady", .bool(row.isPromotedWhenReady)),
                        ])
                    })),
        ])
    }
}

extension LeadershipPreference {
    /// As the program writes and reads it.
    var word: String {
        switch self {
        case .ordinary: "ordinary"
        case .preferred: "preferred"
        case .never: "never"
        }
    }
}

extension Duration {
    var wholeMilliseconds: UInt64 {
        UInt64(clamping: components.seconds) * 1000 + UInt64(clamping: components.attoseconds / 1_000_000_000_000_000)
    }
}
