/// Applies a log to a state machine without a node, and writes the state that it comes to as a snapshot: with the same
/// Applier as a node's, on the caller's own thread.
package enum OfflineReplay {
    /// - Parameters:
    ///   - machine: new, or with state of this very log.
    ///   - log: open; only read.
    ///   - recovered: what it held when it was opened.
    ///   - manifests: the snapshots that `store` can read, newest first.
    ///   - store: takes the snapshot that is written.
    ///   - id: what that one is called.
    /// - Returns: what was written, as the log's own configuration has it.
    /// - Throws: ``RaftError/Code/corrupt`` when log and snapshots do not fit together,
    ///   ``RaftError/Code/stateMachine``, ``RaftError/Code/snapshotFailed``, ``RaftError/Code/storage``.
    package static func writeSnapshot<Machine: StateMachine>(
        of machine: sending Machine, log: any LogStore, recovered: RecoveredLog, manifests: [SnapshotManifest],
        to store: any SnapshotStore, as id: SnapshotID, settings: Configuration
    ) throws(RaftError) -> SnapshotManifest {
        guard Machine.makesSnapshots else {
            throw RaftError(.snapshotFailed, "\(Machine.self) makes no snapshots")
        }
        let recovery = try SnapshotRecovery(recovered, manifests) { manifest in
            (try? store.reader(of: manifest.id).verify()) != nil
        }
        let loop = OfflineLoop()
        let mailbox = Mailbox<Message>(loop: loop)
        let applier = Applier<Machine>(
            machine: machine, loop: loop, node: mailbox, reader: LogReader(store: log, loop: loop),
            maximumBytes: settings.maximumApplyBytes,
            builder: SnapshotBuilder(store: store, builds: loop, reads: loop), settings: settings)
        let opened = Lock<Result<LogID?, RaftError>?>(nil)
        let start = ApplierStart(
            logEnd: recovery.log.last, purged: recovery.log.purged, snapshots: recovery.snapshots,
            configurations: recovery.configurations, bootstrap: recovery.membership.bootstrap)
        applier.open(start) { result in opened.withLock { $0 = result } }
        loop.run()
        let applied = try opened.withLock { $0 }?.get()?.index ?? 0
        if applied < recovery.log.last.index {
            applier.apply(
                ApplyOrder(first: applied.next, through: recovery.log.last.index, entries: nil, tickets: []))
            loop.run()
        }
        applier.build(id)
        loop.run()
        applier.close { _ in }
        loop.run()
        var messages: [Message] = []
        mailbox.takeAll(into: &messages)
        for message in messages {
            switch message {
            case .applyFailed(let error): throw error
            case .snapshotFailed(_, let error): throw error
            case .snapshotBuilt(let manifest): return manifest
            default: continue
            }
        }
        throw RaftError(.snapshotFailed, "nothing was built of the log through \(recovery.log.last)")
    }

    /// Lets a machine take over a snapshot, as a node's Applier does, to see whether it can.
    ///
    /// - Throws: what is wrong with the snapshot, or what the machine throws.
    package static func takeOver<Machine: StateMachine>(
        _ snapshot: any SnapshotReader, with machine: sending Machine
    ) throws {
        var machine = machine
        var contents = SnapshotContents(snapshot)
        let sessions = try contents.takeSessions()
        try machine.restore(&contents, through: snapshot.manifest.last, sessions: sessions.records)
        // Whatever the machine has left: the checksum of the whole comes with the last of it.
        while try contents.next() != nil {}
    }
}

/// A loop that its one user turns on its own thread. It has no time: nothing that is replayed waits for any.
private final class OfflineLoop: Loop, @unchecked Sendable {
    // @unchecked: made, used and dropped by one call on one thread.
    private var units: [any Activated] = []

    var now: Instant { .zero }
    func post(_ unit: any Activated) { units.append(unit) }
    func after(_ delay: Duration, _ unit: any Activated) {}
    func enqueue(_ job: consuming ExecutorJob) {
        UnownedJob(job).runSynchronously(on: asUnownedSerialExecutor())
    }
    func checkIsolated() {}
    func isIsolatingCurrentContext() -> Bool? { true }

    func run() {
        while !units.isEmpty { units.removeFirst().activate() }
    }
}
