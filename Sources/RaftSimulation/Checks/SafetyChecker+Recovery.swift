internal import Raft

extension SafetyChecker {
    /// The truth about a cluster that was made by a recovery (``RecoveryPlan``). It begins anew: its history is what the
    /// survivor's disk holds, all of it committed now, and the entry that the new members are. What only the others held
    /// is gone; and terms, votes and lives of the old cluster say nothing about the new one.
    ///
    /// Whoever stays in the old cluster is held to the old truth for as long as it runs.
    ///
    /// - Parameter spares: who belongs to no cluster yet.
    convenience init(after old: SafetyChecker, _ plan: RecoveryPlan, spares: [NodeID]) {
        let node = plan.survivor.node
        self.init(voters: [node], spares: spares, limits: old.limits, tally: old.tally)
        watchTime(old.now)
        mirrors[node]!.hardState = plan.hardState
        committed = old.mirrors[node]!.ids.map { id in (id, old.mirrors[node]!.prefix(at: id.index)!) }
        var builder = EntryBatch.Builder(first: plan.id.index, term: plan.id.term)
        builder.append(.configuration, plan.configuration.encoded)
        if let entry = builder.finish()?[0] {
            committed.append((plan.id, Self.extend(committed.last?.prefix ?? 0, by: entry)))
        }
        committedBy = committed.map(\.id.term)
        for (id, prefix) in committed {
            known[id] = prefix
            configurations[id] = old.configurations[id]
            // Another entry may have been applied there, on who is lost now.
            let position = Int(id.index.rawValue) - 1
            guard position < old.committed.count, old.committed[position].prefix == prefix,
                let command = old.applied[id.index]
            else { continue }
            applied[id.index] = command
            appliedSerials[command.serial] = id.index
        }
        configurations[plan.id] = plan.configuration
        refusedSerials = old.refusedSerials
    }
}
