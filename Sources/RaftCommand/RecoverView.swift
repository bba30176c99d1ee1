internal import Raft

/// What `raft recover` is about to do, for whoever must decide.
struct RecoverView {
    let plan: RecoveryPlan
    let data: String

    private var survivor: Survivor { plan.survivor }

    /// How many entries the log has that need not be committed.
    private var uncertainCount: UInt64 {
        survivor.last.index.rawValue - (survivor.snapshot?.index.rawValue ?? 0)
    }

    private static func life(_ incarnation: Incarnation?) -> String {
        incarnation.map { "incarnation \($0)" } ?? "incarnation unknown"
    }

    var text: String {
        var rows: [(String, String)] = [
            ("node", "\(survivor.node) of cluster \(survivor.cluster), \(Self.life(survivor.incarnation)), in \(data)"),
            ("log", "ends at \(survivor.last)"),
            ("term", "\(survivor.hardState)"),
            ("committed", committed),
        ]
        for other in plan.others { rows.append(("compared", "node \(other.node): its log ends at \(other.last)")) }
        rows += [
            ("members now", "\(survivor.configuration), entry \(survivor.configurationID)"),
            ("members then", "\(plan.configuration), entry \(plan.id)"),
            ("new life", "\(plan.incarnation) of node \(survivor.node); a new cluster of the same name"),
            ("may be lost", "what was acknowledged and is behind \(survivor.last) on the lost members only"),
        ]
        if uncertainCount > 0 {
            rows.append(("may appear", "what is in these \(uncertainCount) entries and was never acknowledged"))
        }
        let lost = plan.lost.map { "node \($0.id) (\(Self.life($0.incarnation)))" }
        rows.append(
            (
                "never again",
                "start \((lost + ["node \(survivor.node) in \(data)"]).joined(separator: ", ")) on the data that they have"
            ))
        return Table(rows: rows.map { [$0, $1] }).text(color: false)
    }

    private var committed: String {
        let certain = survivor.snapshot.map { "through \($0), by a snapshot" } ?? "nothing by a snapshot"
        return uncertainCount == 0
            ? certain : "\(certain); the \(uncertainCount) entries behind it are taken for committed"
    }

    var json: JSON {
        func id(_ id: LogID) -> JSON { .string("\(id)") }
        func members(_ configuration: ClusterConfiguration) -> JSON {
            .array(
                configuration.members.map {
                    .object([
                        .init("id", .number($0.id.rawValue)), .init("address", .string($0.address)),
                        .init("voter", .bool(configuration.isVoter($0.id))),
                    ])
                })
        }
        return .object([
            .init("node", .number(survivor.node.rawValue)), .init("cluster", .string(survivor.cluster)),
            .init("data", .string(data)), .init("incarnation", .string("\(survivor.incarnation)")),
            .init("term", .number(survivor.hardState.currentTerm.rawValue)), .init("last", id(survivor.last)),
            .init("committed", survivor.snapshot.map(id) ?? .null), .init("uncertain", .number(uncertainCount)),
            .init("members", members(survivor.configuration)), .init("entry", id(survivor.configurationID)),
            .init("newMembers", members(plan.configuration)), .init("newEntry", id(plan.id)),
            .init(
                "lost",
                .array(
                    plan.lost.map {
                        .object([
                            .init("id", .number($0.id.rawValue)),
                            .init("incarnation", $0.incarnation.map { .string("\($0)") } ?? .null),
                        ])
                    })),
        ])
    }
}
