internal import Raft
internal import RaftClient

/// The whole cluster, put together from what each node says of itself. Needs no leader.
struct ClusterStatus: Hashable {
    struct Node: Hashable {
        /// Nil when nobody told which node listens there.
        var id: UInt64?
        var address: String
        /// What the node says; nil when it did not answer.
        var status: MemberStatus?
        /// Why it did not answer.
        var problem: String?
    }

    var cluster: String
    var leader: UInt64?
    /// The highest term that a node has seen.
    var term: UInt64
    var nodes: [Node]
    /// How many more voters may fail before nothing can be written any more, as the leader counts; nil without one.
    var failureTolerance: Int? {
        nodes.compactMap(\.status).first { $0.id.rawValue == leader && $0.role == "leader" }?.failureTolerance
    }

    /// - Parameter answers: of every endpoint that was asked.
    init(cluster: String, answers: [(endpoint: String, result: Result<MemberStatus, RaftClientError>)]) {
        self.cluster = cluster
        let statuses = answers.compactMap { try? $0.result.get() }
        term = statuses.map(\.term.rawValue).max() ?? 0
        // In one term at most one node leads; one that has not heard of the newer term yet is not it.
        leader = statuses.filter { $0.role == "leader" }.max { $0.term < $1.term }?.id.rawValue
        // The newest configuration names the members, whether they answer or not.
        let members = statuses.max { ($0.commit, $0.last) < ($1.commit, $1.last) }?.members ?? []
        nodes = answers.map { answer in
            switch answer.result {
            case .success(let status):
                let address = members.first { $0.id == status.id }?.address ?? answer.endpoint
                return Node(id: status.id.rawValue, address: address, status: status, problem: nil)
            case .failure(let error):
                let id = members.first { $0.address == answer.endpoint }?.id.rawValue
                return Node(id: id, address: answer.endpoint, status: nil, problem: error.message)
            }
        }
        nodes.sort { ($0.id ?? .max, $0.address) < ($1.id ?? .max, $1.address) }
    }

    /// Members that the answers name and that were not asked.
    static func missing(
        _ answers: [(endpoint: String, result: Result<MemberStatus, RaftClientError>)]
    ) -> [String] {
        let statuses = answers.compactMap { try? $0.result.get() }
        let answered = Set(statuses.map(\.id))
        let asked = Set(answers.map(\.endpoint))
        var addresses: [String] = []
        for member in statuses.flatMap(\.members)
        where !answered.contains(member.id) && !asked.contains(member.address) && !addresses.contains(member.address) {
            addresses.append(member.address)
        }
        return addresses
    }

    var json: JSON {
        .object([
            .init("cluster", .string(cluster)), .init("leader", .number(leader)), .init("term", .number(term)),
            .init("mayFail", failureTolerance.map { $0 < 0 ? .null : .number(UInt64($0)) } ?? .null),
            .init(
                "nodes",
                .array(
                    nodes.map { node in
                        .object([
                            .init("id", .number(node.id)), .init("address", .string(node.address)),
                            .init("role", .string(node.status?.role)),
                            .init("term", .number(node.status?.term.rawValue)),
                            .init("last", .number(node.status?.last.index.rawValue)),
                            .init("commit", .number(node.status?.commit.rawValue)),
                            .init("applied", .number(node.status?.applied.rawValue)),
                            .init("snapshot", .number(node.status?.snapshot.rawValue)),
                            .init("reachable", .bool(node.status != nil)),
                            .init("diskFull", node.status.map { .bool($0.logShortage != nil) } ?? .null),
                            .init(
                                "certificateDaysLeft",
                                .number(node.status?.certificates.map { UInt64(clamping: $0.daysLeft) })),
                        ])
                    })),
        ])
    }

    var table: Table {
        var table = Table(["NODE", "ADDRESS", "ROLE", "TERM", "LAST", "COMMIT", "APPLIED", "CERT"])
        for node in nodes {
            let id = node.id.map(String.init) ?? "?"
            guard let status = node.status else {
                table.add([.init(id), .init(node.address), .init("unreachable", .red)])
                continue
            }
            let style: Table.Style =
                switch status.role {
                case "leader": .green
                case "stopped": .red
                default: .plain
                }
            table.add([
                .init(id), .init(node.address), .init(status.role, style), .init("\(status.term)"),
                .init("\(status.last.index)"), .init("\(status.commit)"), .init("\(status.applied)"),
                .init(
                    status.certificates.map { "\($0.daysLeft)d" } ?? "?",
                    status.certificates?.problem == nil ? .plain : .red),
            ])
        }
        return table
    }

    static func note(ofTolerance count: Int) -> String {
        count < 0
            ? "no majority of the voters is reached" : "\(count) more voter\(count == 1 ? "" : "s") may fail"
    }

    /// What the table has no room for.
    var notes: [String] {
        var notes = leader == nil ? ["no leader"] : []
        if let failureTolerance { notes.append(Self.note(ofTolerance: failureTolerance)) }
        for node in nodes {
            let name = node.id.map { "node \($0)" } ?? node.address
            // A client's message begins with the address, which may be all there is for a name.
            if let problem = node.problem {
                notes.append(problem.hasPrefix("\(name): ") ? problem : "\(name): \(problem)")
            }
            if node.status?.isRemoved == true { notes.append("\(name) was removed from the cluster; stop it") }
            if let shortage = node.status?.logShortage { notes.append("\(name): its disk is full: \(shortage)") }
            if let problem = node.status?.certificates?.problem { notes.append("\(name): \(problem)") }
            if let reason = node.status?.stopReason { notes.append("\(name) has stopped: \(reason)") }
        }
        return notes
    }
}
