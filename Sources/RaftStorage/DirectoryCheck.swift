public import Raft

/// Everything in the data directory of a node that is not running, read and compared with its checksums. Changes nothing.
///
/// The key-value state is not looked at: it is made anew from snapshot and log whenever it does not fit them.
public struct DirectoryCheck: Sendable {
    /// Whether a node may be started on it.
    public enum State: String, Sendable {
        case whole
        /// The next start mends it; nothing is lost.
        case repairable
        /// The next start refuses it, or goes on without it.
        case damaged
    }

    /// What was found of one part.
    public struct Finding: Hashable, Sendable {
        /// `term and vote`, `peers`, `log` or `snapshot`.
        public let part: String
        public let path: String
        public let state: State
        /// What is there, or what is wrong with it, and what to do.
        public let text: String
    }

    /// Whose directory it is.
    public let identity: Identity
    /// What was found, in the order in which it was looked at.
    public private(set) var findings: [Finding] = []

    /// Whether nothing is damaged.
    public var isWhole: Bool { !findings.contains { $0.state == .damaged } }

    /// - Parameter progress: told from time to time up to which entry, and of how many, the log was read.
    /// - Throws: `.wrongDirectory`, `.corrupt` and `.storage` as ``OfflineLog/init(_:fileSystem:)``: what cannot be looked
    ///   at at all.
    public init(
        _ path: String, fileSystem: any FileSystem = POSIXFileSystem(),
        progress: (_ index: LogIndex, _ last: LogIndex) -> Void = { _, _ in }
    ) throws(RaftError) {
        let log = try OfflineLog(path, fileSystem: fileSystem)
        defer { log.close() }
        identity = log.identity
        let vote = log.path + "/vote"
        look("term and vote", vote) { () throws(RaftError) in
            let (state, isWhole) = try VoteFile.inspect(
                vote, incarnation: log.identity.incarnation, fileSystem: fileSystem)
            return isWhole
                ? (.whole, "\(state), in both copies")
                : (.repairable, "\(state) in one copy; the next start writes it to the other")
        }
        look("peers", log.path + "/peers") { () throws(RaftError) in
            (.whole, "of \(try PeerFile(directory: log.path, fileSystem: fileSystem).count) other members")
        }
        var end: LogIndex = 0
        for (file, manifest) in try SnapshotDirectory.inspect(log.path, verifies: true, fileSystem: fileSystem) {
            look("snapshot", file) { () throws(RaftError) in
                let manifest = try manifest.get()
                end = max(end, manifest.last.index)
                return (.whole, "through \(manifest.last), \(manifest.byteCount) bytes, \(manifest.configuration)")
            }
        }
        look("log", DataDirectory.logPath(log.path)) { () throws(RaftError) in
            if let damage = log.damage { throw damage }
            try Self.readAll(log, progress)
            guard end >= log.purged.index else {
                throw RaftError(
                    .corrupt,
                    "begins behind entry \(log.purged), and no whole snapshot goes that far. Nothing was changed. \(Format.cure)"
                )
            }
            let text =
                log.last == log.purged
                ? "no entry behind \(log.purged)"
                : "entries \(log.purged.index.next) through \(log.last), in \(log.segmentCount) segments"
            guard let torn = log.torn else { return (.whole, text) }
            return (
                .repairable,
                "\(text); at offset \(torn.offset) of \(torn.path) a write that a crash cut short and nobody was told of"
            )
        }
    }

    private mutating func look(
        _ part: String, _ path: String, _ body: () throws(RaftError) -> (state: State, text: String)
    ) {
        do throws(RaftError) {
            let (state, text) = try body()
            findings.append(Finding(part: part, path: path, state: state, text: text))
        } catch {
            findings.append(Finding(part: part, path: path, state: .damaged, text: error.message))
        }
    }

    /// Each record has a checksum of its own, beside its frame's.
    private static func readAll(_ log: OfflineLog, _ progress: (LogIndex, LogIndex) -> Void) throws(RaftError) {
        var next = log.purged.index.next
        while next <= log.last.index {
            do {
                next = try log.read(from: next, through: log.last.index, maximumBytes: 1 << 20).lastIndex.next
            } catch {
                throw RaftError(error, or: .storage)
            }
            progress(LogIndex(next.rawValue - 1), log.last.index)
        }
    }
}
