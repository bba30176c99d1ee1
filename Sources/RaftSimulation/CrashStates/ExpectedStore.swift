internal import Raft

/// What the data directory of a node should hold, as far as the node was told.
struct ExpectedStore: Sendable {
    var path: String
    /// Nil until the directory was made.
    var incarnation: Incarnation?
    var hardState = HardState()
    /// The log begins anew behind this.
    var base = LogID.zero
    /// What need not be held any more.
    var purged = LogID.zero
    /// Every entry behind `base`.
    var entries: [HeldEntry] = []
    /// Newest first.
    var snapshots: [SnapshotManifest] = []
    /// Snapshots that may still be there.
    var leftovers: [SnapshotManifest] = []
    var peers: [NodeID: Incarnation] = [:]

    var last: LogID { entries.last?.id ?? base }

    func id(_ index: LogIndex) -> LogID {
        index == base.index ? base : entries[index.distance(above: base.index) - 1].id
    }

    mutating func perform(_ operation: LogOperation) {
        switch operation {
        case .hardState(let state): hardState = state
        case .truncate(let id): entries.removeLast(last.index.distance(above: id.index))
        case .append(let batch): entries += batch.entries
        case .purge(let id): purged = id
        case .reset(let id): (base, purged, entries) = (id, id, [])
        }
    }

    /// Every state that a crash during a write of `operations` may leave: after each of them, and after each entry.
    func states(during operations: [LogOperation]) -> [ExpectedStore] {
        var states = [self]
        var state = self
        for operation in operations {
            if case .append(let batch) = operation {
                for entry in batch.entries {
                    state.entries.append(entry)
                    states.append(state)
                }
            } else {
                state.perform(operation)
                states.append(state)
            }
        }
        return states
    }

    mutating func add(_ manifest: SnapshotManifest) {
        snapshots.insert(manifest, at: snapshots.firstIndex { $0.last.index <= manifest.last.index } ?? snapshots.count)
    }

    /// As `SnapshotStore.prune` says: the newest stays, and the second if the log goes on from it.
    mutating func prune(endingBefore index: LogIndex) {
        snapshots = Array(snapshots.prefix(1) + snapshots.dropFirst().prefix(1).filter { $0.last.index >= index })
    }

    /// What is wrong with `found`, or nil if it is this.
    func difference(from found: FoundStore) -> String? {
        guard found.isNew == (incarnation == nil) else {
            return found.isNew ? "the directory is a new one" : "a directory that was never made is there"
        }
        if let incarnation, found.incarnation != incarnation { return "incarnation \(found.incarnation)" }
        guard found.hardState == hardState else { return "\(found.hardState), expected \(hardState)" }
        guard found.last == last else { return "the log ends with \(found.last), expected \(last)" }
        guard found.purged.index >= base.index, found.purged.index <= max(purged.index, base.index),
            found.purged == id(found.purged.index)
        else { return "the log begins behind \(found.purged), expected \(base) to \(purged)" }
        let kept = entries[found.purged.index.distance(above: base.index)...]
        guard found.entries.elementsEqual(kept) else {
            let position = zip(found.entries, kept).prefix { $0 == $1 }.count
            return "entry \(found.purged.index.advanced(by: position + 1)) is not what was written"
        }
        guard found.termStarts == Self.termStarts(kept) else { return "terms begin at \(found.termStarts)" }
        guard found.configurations == kept.filter({ $0.kind == .configuration }).map(\.id) else {
            return "configurations \(found.configurations)"
        }
        guard found.damagedSnapshots.isEmpty else { return "a damaged snapshot: \(found.damagedSnapshots[0])" }
        if let lost = snapshots.first(where: { !found.snapshots.contains($0) }) { return "\(lost) is lost" }
        if let odd = found.snapshots.first(where: { !snapshots.contains($0) && !leftovers.contains($0) }) {
            return "\(odd) should not be there"
        }
        guard found.peers == peers else { return "peers \(found.peers), expected \(peers)" }
        return nil
    }

    static func termStarts(_ entries: ArraySlice<HeldEntry>) -> [LogID] {
        var starts: [LogID] = []
        for entry in entries where entry.id.term != starts.last?.term { starts.append(entry.id) }
        return starts
    }
}

/// What was found in a data directory.
struct FoundStore {
    var isNew: Bool
    var incarnation: Incarnation
    var hardState: HardState
    var purged: LogID
    var last: LogID
    var termStarts: [LogID]
    var configurations: [LogID]
    var entries: [HeldEntry]
    var snapshots: [SnapshotManifest]
    var damagedSnapshots: [String]
    var peers: [NodeID: Incarnation]
}
