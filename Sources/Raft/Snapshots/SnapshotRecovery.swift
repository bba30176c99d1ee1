/// What a start makes of a log and snapshots: each of the two is whole, but a crash may have come between them.
struct SnapshotRecovery: Sendable {
    /// As it is once `operations` are durable.
    private(set) var log: RecoveredLog
    /// Newest first: those from whose end the log goes on.
    private(set) var snapshots: [SnapshotManifest]
    /// What completes an install that a crash cut short.
    private(set) var operations: [LogOperation] = []
    private(set) var membership = MembershipHistory()
    /// In order of index; of the snapshots and of the log.
    private(set) var configurations: [(id: LogID, configuration: ClusterConfiguration)] = []

    /// - Parameter isReadable: reads a whole snapshot. Only asked about one that is about to replace the log.
    /// - Throws: ``RaftError/Code/corrupt`` when entries are missing between the snapshots and the log.
    init(
        _ recovered: RecoveredLog, _ found: [SnapshotManifest], isReadable: (SnapshotManifest) -> Bool = { _ in true }
    ) throws(RaftError) {
        log = recovered
        snapshots = []
        let terms = TermRuns(purged: recovered.purged, starts: recovered.termStarts, last: recovered.last)
        for manifest in found {
            let last = manifest.last
            if last.index < log.purged.index { continue }
            if snapshots.isEmpty {
                if terms.term(at: last.index) == last.term {
                    snapshots = [manifest]
                } else if last.index == log.purged.index {
                    throw RaftError(
                        .corrupt,
                        "\(manifest) contradicts the log, which begins behind entry \(log.purged). Nothing was changed. Remove this member and add it again with an empty directory and a new id"
                    )
                } else if isReadable(manifest) {
                    // The log that it replaces is not needed any more (§7): it ends before, or is another history.
                    operations = [.reset(to: last)]
                    log.purged = last
                    log.last = last
                    log.termStarts = []
                    log.configurations = []
                    snapshots = [manifest]
                }
            } else if terms.term(at: last.index) == last.term {
                snapshots.append(manifest)
            }
        }
        guard log.purged.index == 0 || !snapshots.isEmpty else {
            throw RaftError(
                .corrupt,
                "the log begins behind entry \(log.purged), and there is no snapshot that it goes on from. Nothing was changed. Put the snapshot back if it was moved; else remove this member and add it again with an empty directory and a new id"
            )
        }
        try collectConfigurations()
    }

    private mutating func collectConfigurations() throws(RaftError) {
        var held: [(id: LogID, configuration: ClusterConfiguration)] = []
        for (id, payload) in log.configurations {
            held.append((id, try ClusterConfiguration(decoding: payload)))
        }
        let through = snapshots.first?.last.index ?? 0
        for (id, configuration) in held where id.index <= through { membership.append(configuration, at: id) }
        if let newest = snapshots.first { membership.reset(to: newest) }
        for (id, configuration) in held where id.index > through { membership.append(configuration, at: id) }
        configurations = (snapshots.map { ($0.configurationID, $0.configuration) } + held).sorted {
            $0.id.index < $1.id.index
        }
    }
}
