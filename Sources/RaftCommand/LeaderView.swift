internal import Raft
internal import RaftClient

/// Who leads, who should, and how far a change of leader has come.
struct LeaderView: Hashable {
    var cluster: String
    var leader: UInt64?
    var address: String?
    var term: UInt64
    var members: [MemberView.Row]
    var transfer: MemberStatus.Transfer?

    init(_ status: ClusterStatus) {
        let view = MemberView(status)
        let leading = status.nodes.compactMap(\.status).first { $0.id.rawValue == status.leader && $0.role == "leader" }
        cluster = status.cluster
        leader = status.leader
        address = view.rows.first { $0.id == status.leader }?.address
        term = leading?.term.rawValue ?? status.term
        members = view.rows
        transfer = leading?.transfer
    }

    var table: Table {
        var table = Table(["NODE", "ADDRESS", "STATE", "PREFERENCE", "LAG", "STEADY"])
        for row in members {
            table.add([
                .init("\(row.id)"), .init(row.address), .init(row.state, row.isLeader ? .green : .plain),
                .init(row.preference.word), .init(row.lag.map { "\($0)" } ?? "?"),
                .init(row.isSteady.map { $0 ? "yes" : "no" } ?? "?"),
            ])
        }
        return table
    }

    /// Who leads, in one line.
    var headline: String {
        guard let leader else { return "no leader; the highest term seen is \(term)" }
        return "node \(leader)\(address.map { " at \($0)" } ?? "") leads term \(term)"
    }

    /// How far a transfer has come; nil when there is none.
    var progress: String? {
        transfer.map { transfer in
            transfer.isTold
                ? "node \(transfer.target) was told to campaign"
                : "node \(transfer.target) is brought up to date: \(transfer.lag) entries to go"
        }
    }

    var json: JSON {
        .object([
            .init("cluster", .string(cluster)), .init("leader", .number(leader)), .init("address", .string(address)),
            .init("term", .number(term)),
            .init(
                "transfer",
                transfer.map {
                    .object([
                        .init("target", .number($0.target.rawValue)), .init("told", .bool($0.isTold)),
                        .init("lag", .number($0.lag)),
                    ])
                } ?? .null),
            .init(
                "members",
                .array(
                    members.map {
                        .object([
                            .init("id", .number($0.id)), .init("voter", .bool($0.isVoter)),
                            .init("leader", .bool($0.isLeader)), .init("preference", .string($0.preference.word)),
                            .init("lag", .number($0.lag)), .init("steady", $0.isSteady.map { .bool($0) } ?? .null),
                        ])
                    })),
        ])
    }
}
