/// Writes snapshots beside the node: the Applier takes the view, this writes it down, on a loop of its own.
final class SnapshotBuilder: Sendable {
    private struct State: Sendable {
        /// The newest build that nobody wants any more.
        var aborted: UInt64 = 0
        var newest: UInt64 = 0
        var hasStopped = false
    }

    let store: any SnapshotStore
    private let builds: any Loop
    private let reads: any Loop
    private let state = Lock(State())

    /// - Parameters:
    ///   - builds: where snapshots are written; busy for as long as one is.
    ///   - reads: where a machine in memory has its snapshot read.
    init(store: any SnapshotStore, builds: any Loop, reads: any Loop) {
        self.store = store
        self.builds = builds
        self.reads = reads
    }

    /// Thrown into a machine's writing when nobody wants the snapshot any more.
    private struct Aborted: Error {}

    func build(
        _ id: SnapshotID, of view: StateSnapshot, sessions: SessionTable, through last: LogID,
        configuration: ClusterConfiguration,
        configurationID: LogID, bootstrap: UInt64?, _ node: Mailbox<Message>
    ) {
        let number = state.withLock { state in
            state.newest += 1
            return state.newest
        }
        builds.post(
            Block { [self] in
                do {
                    // Before the state: what reads it knows from the manifest where that begins.
                    let front = sessions.encoded
                    let manifest = try write(number, front, view) { byteCount, checksum in
                        SnapshotManifest(
                            id: id, last: last, configuration: configuration, configurationID: configurationID,
                            bootstrap: bootstrap, byteCount: byteCount, checksum: checksum,
                            sessionBytes: UInt64(front.count))
                    }
                    node.post(.snapshotBuilt(manifest))
                } catch is Aborted {
                    node.post(.snapshotFailed(id, RaftError(.snapshotFailed, "it is not wanted any more")))
                } catch {
                    node.post(
                        .snapshotFailed(id, RaftError(error, or: .snapshotFailed)))
                }
            })
    }

    private func write(
        _ number: UInt64, _ front: [UInt8], _ view: StateSnapshot, _ describe: (UInt64, UInt32) -> SnapshotManifest
    ) throws -> SnapshotManifest {
        try check(number)
        let writer = try store.begin(.own)
        do {
            if !front.isEmpty { try writer.write(front[...]) }
            try view.write { bytes in
                try check(number)
                try writer.write(bytes)
            }
            try check(number)
            let manifest = describe(writer.byteCount, writer.checksum)
            try writer.commit(manifest)
            return manifest
        } catch {
            writer.abandon()
            throw error
        }
    }

    private func check(_ number: UInt64) throws {
        if state.withLock({ $0.hasStopped || number <= $0.aborted }) { throw Aborted() }
    }

    func abort() { state.withLock { $0.aborted = $0.newest } }
    func stop() { state.withLock { $0.hasStopped = true } }

    /// Opens a snapshot to be taken over. With `isInline` all of it is read first, beside the machine's loop, which
    /// must not wait for a disk.
    func read(
        _ manifest: SnapshotManifest, isInline: Bool,
        completion: @escaping @Sendable (Result<any SnapshotReader, RaftError>) -> Void
    ) {
        reads.post(
            Block { [store] in
                do {
                    let reader = try store.reader(of: manifest.id)
                    guard isInline else { return completion(.success(reader)) }
                    var contents = SnapshotContents(reader)
                    completion(.success(SnapshotInMemory(manifest: manifest, bytes: try contents.all())))
                } catch {
                    completion(.failure(RaftError(error, or: .storage)))
                }
            })
    }
}
