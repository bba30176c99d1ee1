public import Raft
internal import RaftKeyValue
public import RaftStorage

/// Recovers the data directory of a key-value node, or makes one out of a saved snapshot.
public enum KeyValueRecovery {
    /// Applies a recovery: builds the state anew, in a directory within the new one that is gone afterwards.
    ///
    /// - Parameters:
    ///   - path: where the recovered node will live: absent or empty.
    ///   - progress: told from time to time.
    /// - Throws: as ``OfflineRecovery/apply(into:settings:machine:progress:)``.
    public static func apply(
        _ recovery: OfflineRecovery, into path: String,
        progress: @escaping @Sendable (OfflineRecovery.Progress) -> Void = { _ in }
    ) throws(RaftError) {
        var settings = Configuration(id: recovery.plan.survivor.node, cluster: recovery.plan.survivor.cluster)
        settings.maximumCommandBytes = ServerConfiguration.maximumCommandBytes
        try withState(in: path) { state throws(RaftError) in
            try recovery.apply(into: path, settings: settings, machine: { try machine(in: state) }, progress: progress)
        }
    }

    /// Makes the data directory of a member that begins with a saved snapshot. The key-value state itself is built by
    /// the node when it starts.
    ///
    /// - Parameters:
    ///   - path: where the node will live: absent or empty.
    ///   - progress: told from time to time.
    /// - Throws: as ``OfflineRestore/apply(into:machine:progress:)``.
    public static func apply(
        _ restore: OfflineRestore, into path: String,
        progress: @escaping @Sendable (OfflineRestore.Progress) -> Void = { _ in }
    ) throws(RaftError) {
        try withState(in: path) { state throws(RaftError) in
            try restore.apply(into: path, machine: { try machine(in: state) }, progress: progress)
        }
    }

    /// Runs `body` with a place for a key-value state within the new directory, which is gone afterwards.
    private static func withState(in path: String, _ body: (String) throws(RaftError) -> Void) throws(RaftError) {
        let state = path + "/replay.tmp"
        do throws(RaftError) { try body(state) } catch {
            // Only what this has made: the directory may be somebody's.
            if error.code != .wrongDirectory { try? KeyValueMachine.erase(directory: state) }
            throw error
        }
        // All is done; what is left of it only takes room.
        try? KeyValueMachine.erase(directory: state)
    }

    private static func machine(in directory: String) throws -> KeyValueMachine {
        // What a recovery left that did not get to its end may be of other data.
        try KeyValueMachine.erase(directory: directory)
        return try KeyValueMachine(directory: directory)
    }
}
