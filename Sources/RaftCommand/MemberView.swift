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
        var incarnation: String?
    }

    var cluster: String
    var leader: UInt64?
    /// The entry that holds the members, `41@3`.
    var entry: String
    var isJoint: Bool
    var rows: [Row]

    init(_ status: ClusterStatus) {
        cluster = status.cluster
        leader = status.leader
        let statuses = status.nodes.compactMap(\.status)
        let leading = statuses.first { $0.id.rawValue == status.leader && $0.role == "leader" }
        // Without a leader whoever knows most.
        let source = leading ?? statuses.max { ($0.commit, $0.last) < ($1.commit, $1.last) }
        entry = source.map { "\($0.configuration)" } ?? "0@0"
        isJoint = source?.isJoint ?? false
        rows = (source?.members ?? []).map { member in
            let peer = leading?.peers.first { $0.id == member.id }
            let isLeader = member.id == leading?.id
            return Row(
                id: member.id.rawValue, address: member.address, isVoter: member.isVoter, isLeader: isLeader,
                lag: isLeader
                    ? 0
                    : leading.flatMap { leading in
                        peer.map { leading.last.index.rawValue - min(leading.last.index, $0.matchIndex).rawValue }
                    },
                isReachable: isLeader ? true : peer?.isReachable,
                incarnation: member.incarnation.map { "\($0)" })
        }
    }

    /// How many more voters may fail before nothing can be written any more; nil without a leader, or while the voters
    /// change and there are two majorities to lose.
    var failureTolerance: Int? {
        guard leader != nil, !isJoint else { return nil }
        let voters = rows.filter(\.isVoter)
        return voters.count { $0.isReachable == true } - Quorum.majority(of: voters.count)
    }

    var table: Table {
        var table = Table(["NODE", "ADDRESS", "STATE", "LAG", "REACHABLE"])
        for row in rows {
            let state = row.isLeader ? "leader" : row.isVoter ? "voter" : "learner"
            table.add([
                .init("\(row.id)"), .init(row.address), .init(state, row.isLeader ? .green : .plain),
                .init(row.lag.map { "\($0)" } ?? "?"),
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
            notes.append(
                failureTolerance < 0
                    ? "no majority of the voters is reached"
                    : "\(failureTolerance) more voter\(failureTolerance == 1 ? "" : "s") may fail")
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
                        ])
                    })),
        ])
    }
}
