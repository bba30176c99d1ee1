internal import Raft

// Snapshots: what a log that was purged or replaced still owes, and what a state that was taken over must be.

extension SafetyChecker {
    /// Everything through `id` as the ground truth has it; nil unless that entry is committed.
    func history(through id: LogID) -> [(term: Term, prefix: UInt64, bytes: Int)]? {
        let count = Int(id.index.rawValue)
        guard count <= committed.count, count == 0 || committed[count - 1].id == id else { return nil }
        return committed[..<count].map { ($0.id.term, $0.prefix, 0) }
    }

    /// The committed ones among these configurations, through `id`, in order.
    func history(of configurations: [LogID: ClusterConfiguration], through id: LogID) -> [LogID] {
        configurations.keys.filter { known in
            let position = Int(known.index.rawValue) - 1
            return known.index <= id.index && position < committed.count && committed[position].id == known
        }.sorted { $0.index < $1.index }
    }

    /// I22: there is one of each entry, and another only for each that may be damaged.
    func snapshotBuilt(_ manifest: SnapshotManifest, on node: NodeID) {
        let index = manifest.last.index
        builds[node, default: [:]][index, default: 0] += 1
        let (count, rotCount) = (builds[node]![index]!, rotCounts[node] ?? 0)
        guard count > 1 else { return }
        reached(.snapshotBuiltAgain)
        if count > 1 + rotCount {
            fail("I22", "node \(node) built \(count) snapshots of entry \(index); \(rotCount) files were damaged")
        }
    }

    /// The newest snapshot of a node that is down was damaged.
    func damagedSnapshot(of node: NodeID) {
        guard let newest = newestSnapshot(of: node)?.last else { return }
        // Where two end there, the other one may be whole.
        if snapshots[node]!.manifests.count(where: { $0.last == newest }) == 1 { damagedAtStart[node] = newest }
    }

    /// I20, I7: a snapshot ends with a committed entry.
    func snapshotDurable(_ manifest: SnapshotManifest, on node: NodeID) {
        if damagedAtStart[node] == manifest.last { damagedAtStart[node] = nil }
        guard history(through: manifest.last) != nil else {
            return fail("I7", "node \(node) made durable a \(manifest), which ends with no committed entry")
        }
        snapshots[node, default: DurableSnapshots()].add(manifest)
    }

    /// I21: the newest that was durable is there, or a newer one.
    func recoveredSnapshots(_ found: RecoveredSnapshots, on node: NodeID) {
        guard !isRotten(node) else {
            snapshots[node] = DurableSnapshots()
            for manifest in found.manifests { snapshots[node]!.add(manifest) }
            return
        }
        for line in found.damaged { fail("I21", "node \(node) came back with a damaged snapshot: \(line)") }
        let newest = found.manifests.first?.last.index ?? 0
        if let known = newestSnapshot(of: node), newest < known.last.index {
            fail("I21", "node \(node) came back without \(known)")
        }
        snapshots[node] = DurableSnapshots()
        for manifest in found.manifests { snapshotDurable(manifest, on: node) }
    }

    func newestSnapshot(of node: NodeID) -> SnapshotManifest? {
        snapshots[node]?.manifests.max { $0.last.index < $1.last.index }
    }

    /// Where the newest durable snapshot of this node ends; 0 when it has none.
    func snapshotEnd(of node: NodeID) -> LogIndex { snapshots[node]?.end ?? 0 }

    /// What a durable snapshot stands for, before the log begins anew behind it: a start completes that.
    func snapshotPrefix(at index: LogIndex, on node: NodeID) -> UInt64? {
        guard index > 0, index <= snapshotEnd(of: node) else { return nil }
        return committed[Int(index.rawValue) - 1].prefix
    }

    /// I10: nothing is purged that a durable snapshot does not have, or that the machine has yet to read.
    func purged(through id: LogID, on node: NodeID) {
        if let applied = before[node]?.lastApplied, id.index > applied {
            fail("I10", "node \(node) purged through \(id), its machine has applied \(applied)")
        }
        guard snapshotEnd(of: node) > 0, snapshotEnd(of: node) >= id.index else {
            return fail(
                "I10",
                "node \(node) purged through \(id), its newest snapshot is \(newestSnapshot(of: node).map { "\($0)" } ?? "none")"
            )
        }
    }

    /// The log begins anew behind `id`: a durable snapshot must end there, and nothing committed be lost.
    func reset(to id: LogID, on node: NodeID) -> [(term: Term, prefix: UInt64, bytes: Int)] {
        if snapshots[node]?.manifests.contains(where: { $0.last == id }) != true {
            fail("I10", "node \(node) began its log anew behind \(id), where no durable snapshot of it ends")
        }
        if damagedAtStart[node] == id {
            fail("I21", "node \(node) began its log anew behind \(id) by a snapshot that was damaged before it started")
        }
        let held = mirrors[node]!
        if let next = committed.dropFirst(Int(id.index.rawValue)).first, held.prefix(at: next.id.index) == next.prefix {
            fail("I7", "node \(node) began its log anew behind \(id), and held the committed entry \(next.id)")
        }
        guard let history = history(through: id) else {
            fail("I7", "node \(node) began its log anew behind \(id), which is not committed")
            return []
        }
        return history
    }

    /// I8, I10: what a node says of its snapshot, of where its log begins, and of its disk.
    func checkSnapshot(_ status: NodeStatus) {
        let node = status.id
        let index = status.snapshot?.last.index ?? 0
        if let old = before[node], index < old.snapshot || status.purged < old.purged {
            fail("I8", "node \(node): its snapshot or its log's beginning went back")
        }
        if status.purged > index { fail("I10", "node \(node) purged above its snapshot") }
        if index > status.commitIndex { fail("I10", "node \(node) has a snapshot above its commitIndex") }
        let onDisk = mirrors[node]?.entries.count ?? 0
        if status.durableIndex.rawValue > UInt64(onDisk),
            status.durableIndex > snapshotEnd(of: node)
        {
            fail("I10", "node \(node) counts \(status.durableIndex) as durable, its disk ends at \(onDisk)")
        }
        // What a snapshot holds is durable, whatever the log behind it still is.
        let end = Int(status.last.index.rawValue)
        if status.durableIndex == status.last.index, end > Int(snapshotEnd(of: node).rawValue),
            end <= onDisk, case let held = mirrors[node]!.entries[end - 1].term, held != status.last.term
        {
            fail("I10", "node \(node) counts \(status.last) as durable; its disk has that entry of term \(held)")
        }
    }

    /// I20: the state is the one after applying every entry through `last`.
    func restored(_ state: UInt64, after command: LogIndex, through last: LogID, on node: NodeID) {
        if command > 0, let expected = applied[command]?.state, expected != state {
            fail("I20", "node \(node) took over a state of entry \(command) that is not the one after it")
        }
        for index in stride(from: command.rawValue + 1, through: last.index.rawValue, by: 1)
        where applied[LogIndex(index)] != nil {
            fail("I20", "node \(node) took over a snapshot through \(last) without entry \(index)")
        }
        if let applied = appliedOn[node], applied > last.index {
            fail("I8", "node \(node) went back from entry \(applied) to a snapshot through \(last)")
        }
        appliedOn[node] = last.index
    }
}

extension Entry {
    /// How many bytes a caller has put into the log with it.
    var proposedBytes: Int {
        switch kind {
        case .command, .sessionCommand, .session: payload.count
        case .blank, .configuration: 0
        }
    }
}
