/// When a snapshot is built, and how much of the log goes when it is durable: the same in every role.
enum Snapshotting {
    /// False when the message is of another kind.
    static func handle(_ message: Message, _ baton: inout Baton, _ effects: inout Effects) -> Bool {
        switch message {
        case .triggerSnapshot(let ticket):
            if baton.snapshots.isEnabled {
                baton.snapshots.request(ticket, through: baton.applyOrdered)
            } else {
                effects.add(.fail([ticket], unable("its state machine makes none, or there is no store for them")))
            }
        case .snapshotBuilt(let manifest):
            let callers = baton.snapshots.end(manifest.id)
            baton.snapshots.succeeded()
            baton.note(manifest)
            effects.add(.succeedSnapshot(callers, manifest))
            effects.note("built \(manifest)")
        case .snapshotFailed(let id, let error):
            let callers = baton.snapshots.end(id)
            baton.snapshots.failed(now: baton.now, &baton.random)
            effects.add(.fail(callers, error))
            effects.warn("snapshot \(id) was not built: \(error.message)")
        case .snapshotUnreadable(let id, let error):
            baton.snapshots.noteDamage(id)
            effects.alarm("snapshot \(id) cannot be read, and another one is built: \(error.message)")
        case .snapshotInstalled(let manifest):
            effects.note("the state machine goes on from \(manifest)")
        default:
            return false
        }
        return true
    }

    private static func unable(_ reason: String) -> RaftError {
        RaftError(.snapshotFailed, "this node builds no snapshots: \(reason)")
    }

    /// A piece was written for a leader whom this role does not follow any more: nobody waits for the answer. A whole
    /// snapshot is of use if it is certainly of this log; else it waits for a start, which sees what the log is then.
    static func outlive(_ piece: SnapshotPieceResult, _ baton: inout Baton, _ effects: inout Effects) {
        let manifest = piece.manifest
        switch piece.outcome {
        case .written: break
        case .failed(let error):
            baton.snapshots.receiver.end(manifest.id)
            effects.warn("\(manifest) could not be received: \(error.message)")
        case .durable:
            baton.snapshots.receiver.end(manifest.id)
            let last = manifest.last
            guard last.index <= baton.commitIndex, let term = baton.log.term(at: last.index) else { return }
            if term == last.term { baton.note(manifest) } else { effects.add(.discardSnapshot(manifest.id)) }
        }
    }

    /// At the end of every turn.
    ///
    /// - Parameter held: the log behind this entry is still wanted by a peer.
    static func maintain(_ baton: inout Baton, held: LogIndex?, _ effects: inout Effects) {
        guard baton.snapshots.isEnabled else { return }
        build(&baton, &effects)
        purge(&baton, held: held, &effects)
    }

    private static func build(_ baton: inout Baton, _ effects: inout Effects) {
        let applied = baton.lastApplied
        // After an install the machine's state is not its own before it has taken the snapshot over.
        guard baton.snapshots.building == nil, applied >= baton.log.purged.index, !baton.isStopping else { return }
        // Whoever asked may have seen more applied than this node has heard of yet.
        guard applied >= baton.snapshots.requestedThrough else { return }
        let isWanted = baton.snapshots.isWanted
        let from = baton.snapshots.newest?.last.index ?? 0
        if isWanted, baton.snapshots.damaged == nil {
            if let newest = baton.snapshots.newest, from >= applied {
                effects.add(.succeedSnapshot(baton.snapshots.takeRequests(), newest))
                return
            }
            if applied == 0 {
                effects.add(.fail(baton.snapshots.takeRequests(), unable("nothing was applied here yet")))
                return
            }
        }
        guard baton.snapshots.mayBegin(baton.now), applied > 0 else { return }
        guard
            isWanted
                || baton.settings.snapshotPolicy.isDue(
                    entries: applied.distance(above: from), bytes: baton.log.bytes(after: from, through: applied),
                    stateBytes: baton.snapshots.newest?.byteCount ?? 0, age: baton.now - baton.snapshots.since)
        else { return }
        let id = SnapshotID(builder: baton.snapshots.builder, number: baton.random.next())
        baton.snapshots.begin(id)
        effects.add(.buildSnapshot(id))
    }

    /// Only behind a durable snapshot, never above what this machine has applied, and not what a receiver needs next.
    private static func purge(_ baton: inout Baton, held: LogIndex?, _ effects: inout Effects) {
        var target = min(baton.snapshots.purgeable, baton.lastApplied)
        if Mutant.isOn("purge-one-too-many"), target > 0 { target = min(target.next, baton.lastApplied) }
        if Mutant.isOn("purge-before-snapshot"), baton.snapshots.building != nil { target = baton.lastApplied }
        guard target > baton.log.purged.index else { return }
        if let held, held < target,
            baton.log.bytes(after: held, through: baton.log.last.index) <= baton.settings.maximumHeldBytes
        {
            target = held
        }
        guard target > baton.log.purged.index, let term = baton.log.term(at: target) else { return }
        baton.purge(through: LogID(term: term, index: target), &effects)
        effects.add(.pruneSnapshots(endingBefore: target))
    }
}

extension Baton {
    /// A snapshot is durable here: how much of the log need not be kept for it.
    mutating func note(_ manifest: SnapshotManifest) {
        let last = manifest.last.index
        let byEntries = last.advanced(by: -settings.maximumKeptEntries)
        let byBytes = log.index(before: last, maximumBytes: settings.maximumKeptBytes)
        snapshots.note(manifest, purgeable: max(byEntries, byBytes), now: now)
    }
}
