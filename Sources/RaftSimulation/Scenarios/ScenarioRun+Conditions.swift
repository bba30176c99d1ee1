internal import Raft

// Whether what a line says is so, now.

extension ScenarioRun {
    /// Why a condition does not hold; nil when it does.
    func untrue(_ condition: Condition) throws -> String? {
        switch condition {
        case .aLeader: return world.leader == nil ? "nobody leads" : nil
        case .noLeader: return world.leader.map { "node \($0.id) leads" }
        case .oneLeader:
            let leaders = world.nodes.filter { $0.node?.status.role == .leader }.map(\.id)
            return leaders.count == 1 ? nil : "leaders: \(leaders)"
        case .leads(let set, let leads, let term):
            for id in try resolve(set) {
                let status = world.node(id).node?.status
                let isLeading = status?.role == .leader && (term == nil || status?.currentTerm == term)
                if isLeading != leads { return "node \(id): \(status?.description ?? "down")" }
            }
            return nil
        case .node(let set, let attributes):
            for id in try resolve(set) {
                for attribute in attributes {
                    if let reason = untrue(attribute, of: id) { return "node \(id): \(reason)" }
                }
            }
            return nil
        case .agree(let set): return try disagreement(of: resolve(set))
        case .committed(let id, let isWanted):
            let committed = world.checker.committed
            let isCommitted = committed.contains { $0.id == id }
            return isCommitted == isWanted ? nil : "committed: \(committed.suffix(5).map(\.id))"
        case .count, .term, .sameLeader: return try changed(condition)
        case .call, .refused, .sees, .reads, .answersAs, .fails: return try call(condition)
        }
    }

    private func untrue(_ attribute: Attribute, of id: NodeID) -> String? {
        if case .isDown = attribute { return world.node(id).isUp ? "is up" : nil }
        let mirror = world.node(id).checker.mirrors[id]
        switch attribute {
        case .log(let ids):
            let held = mirror?.ids.dropFirst() ?? []
            return held.elementsEqual(ids) ? nil : "its disk holds \(Array(held))"
        case .vote(let vote):
            let held = mirror?.hardState.votedFor
            return held == vote ? nil : "its vote is \(held?.description ?? "none")"
        default: break
        }
        guard let status = world.node(id).node?.status else { return "is down" }
        func compare(_ comparison: Comparison, _ have: UInt64, _ want: UInt64, _ what: String) -> String? {
            comparison.holds(have, want) ? nil : "\(what) \(have)"
        }
        switch attribute {
        case .role(let role): return status.role == role ? nil : status.description
        case .term(let comparison, let term):
            return compare(comparison, status.currentTerm.rawValue, term.rawValue, "term")
        case .last(let last): return status.last == last ? nil : "log ends \(status.last)"
        case .durable(let comparison, let index):
            return compare(comparison, status.durableIndex.rawValue, index.rawValue, "durable")
        case .commit(let comparison, let index):
            return compare(comparison, status.commitIndex.rawValue, index.rawValue, "commit")
        case .applied(let comparison, let index):
            return compare(comparison, status.lastApplied.rawValue, index.rawValue, "applied")
        case .leader(let leader):
            return status.leader?.id == leader ? nil : "leader \(status.leader?.id.description ?? "none")"
        case .voters(let ids):
            let voters = status.configuration?.voters ?? []
            return voters == ids.sorted() ? nil : "voters \(voters)"
        case .learners(let ids):
            let learners = status.configuration?.learners ?? []
            return learners == ids.sorted() ? nil : "learners \(learners)"
        case .joint(let isWanted):
            return status.configuration?.isJoint == isWanted ? nil : "\(status.configuration?.description ?? "none")"
        case .removed: return status.isRemoved ? nil : "is not removed"
        case .snapshot(let comparison, let index):
            return compare(comparison, status.snapshot?.last.index.rawValue ?? 0, index.rawValue, "snapshot")
        case .purged(let comparison, let index):
            return compare(comparison, status.purged.rawValue, index.rawValue, "purged")
        case .tolerance(let count):
            let tolerance = status.failureTolerance
            return tolerance == count ? nil : "may lose \(tolerance.map(String.init) ?? "unknown")"
        case .isDown, .log, .vote: return nil
        }
    }

    private func disagreement(of ids: [NodeID]) throws -> String? {
        let nodes = ids.map(world.node)
        guard let first = nodes.first?.node?.status else { return "node \(ids[0]) is down" }
        for node in nodes {
            guard let status = node.node?.status else { return "node \(node.id) is down" }
            guard status.last == first.last, status.commitIndex == first.commitIndex,
                status.lastApplied == first.lastApplied, node.logHash == nodes[0].logHash
            else { return "\(first), but \(status)" }
        }
        return nil
    }

    private func changed(_ condition: Condition) throws -> String? {
        switch condition {
        case .count(let comparison, let limit, let kinds, let from, let to, let since):
            let count = try count(kinds, from, to, since: since)
            return comparison.holds(UInt64(count), UInt64(limit)) ? nil : "\(count) were sent"
        case .term(let set, let comparison, let above, let since):
            let terms = try mark(since).terms
            for id in try resolve(set) {
                let now = world.node(id).term
                let before = terms[id] ?? 0
                // A node that is down has no term to compare.
                guard world.node(id).isUp else { continue }
                if now < before || !comparison.holds(now.rawValue - before.rawValue, above) {
                    return "node \(id): term \(before) then, \(now) now"
                }
            }
            return nil
        case .sameLeader(let since):
            let before = try mark(since).leader
            return world.leader?.id == before
                ? nil : "leader \(before?.description ?? "none") then, \(world.leader?.id.description ?? "none") now"
        default: return nil
        }
    }

    private func call(_ condition: Condition) throws -> String? {
        func calls(_ name: String) throws -> [ScenarioCalls.Call] {
            guard let calls = world.calls[name] else { throw Untrue(reason: "there is no call \(name)") }
            return calls
        }
        switch condition {
        case .call(let name, let wanted):
            for call in try calls(name) where wanted == .settled ? call.state == .pending : call.state != wanted {
                return "\(name) is \(call.state)\(call.error.map { " (\($0.message))" } ?? "")"
            }
            return nil
        case .answersAs(let name, let other):
            guard let call = try calls(name).last, call.state == .ok else { return "\(name) was not answered" }
            guard let first = try calls(other).last, first.state == .ok else { return "\(other) was not answered" }
            return call.index == first.index && call.isDone == first.isDone
                ? nil : "\(name) was applied at \(call.index ?? 0), \(other) at \(first.index ?? 0)"
        case .fails(let name, let code):
            guard let call = try calls(name).last else { return "there is no \(name)" }
            return call.error?.code.description == code
                ? nil : "\(name) is \(call.state)\(call.error.map { " (\($0.code))" } ?? "")"
        case .refused(let name, let code):
            for call in try calls(name) where call.state != .refused || call.error?.code.description != code {
                return "\(name) is \(call.state)\(call.error.map { " as \($0.code) (\($0.message))" } ?? "")"
            }
            return nil
        case .reads(let name, let wanted):
            guard let read = try calls(name).last, read.state == .ok else { return "\(name) has read nothing" }
            return read.value == wanted ? nil : "\(name) read \(read.value ?? "nothing")"
        case .sees(let reader, let writer, let isWanted):
            guard let seen = try calls(reader).last?.index else { return "\(reader) has read nothing" }
            guard let written = try calls(writer).last?.index else { return "\(writer) was not acknowledged" }
            return (seen >= written) == isWanted
                ? nil : "\(reader) saw everything through entry \(seen), \(writer) is \(written)"
        default: return nil
        }
    }
}
