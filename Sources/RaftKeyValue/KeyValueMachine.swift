public import Raft
public import RaftKeyValueModel

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The key-value state of one node, on LMDB: a cache of the newest snapshot and the log behind it.
///
/// Commits are not synced. The state survives a clean end and the death of the process; after the death of the machine
/// it is thrown away and built again from those (see ``CleanMark``). `lastApplied` is written in the same transaction
/// as the values, so a command is never applied twice and never skipped.
///
/// Belongs to one thread at a time, like every state machine; reads are calls of ``get(_:)`` and
/// ``range(_:limit:maximumBytes:)`` from within `RaftNode.read`.
public final class KeyValueMachine: StateMachine {
    public typealias Command = KeyValueCommand
    public typealias Output = KeyValueOutput

    public static let execution = StateMachineExecution.worker

    /// The last log entry whose effect the state shows; nil when it is empty and the log is to be applied from its
    /// first entry on.
    public private(set) var lastApplied: LogID?
    /// Why a state that was there has been thrown away, for the log; nil when it was kept, or there was none.
    public private(set) var discardReason: String?

    private let directory: String
    private let initialMapBytes: Int
    private let maximumMapBytes: Int
    private let mark: CleanMark
    private var environment: Environment?
    /// Of the run that is being applied.
    private let changes = ChangeBuffer()
    /// The history is gone through this revision; 0 when all of it is there.
    public private(set) var compacted: UInt64 = 0
    /// Told, where commands are applied, of every run that changed something once it is applied, and of every state
    /// that another one was replaced by.
    package var observer: (@Sendable (StateNews) -> Void)?

    /// Opens the state in `directory`, which is made if it is not there. The caller sees to it that no other process
    /// uses it.
    ///
    /// - Parameters:
    ///   - initialMapBytes: the size of the map at first; it doubles whenever it is full. Taken from the disk at once.
    ///   - maximumMapBytes: the size that the map never exceeds; a command that needs more stops the node.
    /// - Throws: ``RaftError/Code/storage`` when the directory cannot be used or the disk is full.
    public convenience init(
        directory: String, initialMapBytes: Int = 16 << 20, maximumMapBytes: Int = 1 << 40
    ) throws {
        try self.init(
            directory: directory, initialMapBytes: initialMapBytes, maximumMapBytes: maximumMapBytes,
            bootID: CleanMark.currentBootID())
    }

    /// - Parameter bootID: which start of the machine this is, for tests that need another one.
    package init(directory: String, initialMapBytes: Int, maximumMapBytes: Int, bootID: String?) throws {
        self.directory = directory
        self.initialMapBytes = initialMapBytes
        self.maximumMapBytes = maximumMapBytes
        mark = CleanMark(directory: directory, bootID: bootID)
        if mkdir(directory, 0o700) != 0, errno != EEXIST { throw CleanMark.failure("make directory", directory) }
        var information = stat()
        if stat(directory + "/data.mdb", &information) == 0, !mark.isTrusted() {
            discardReason = "the machine stopped before the key-value state was synced, or its layout is another"
            try Self.removeFiles(in: directory)
        }
        do { try openEnvironment() } catch let damage as DamagedState {
            // A cache of the log: nothing is lost with it.
            discardReason = "the key-value state cannot be read: \(damage.reason)"
            try Self.removeFiles(in: directory)
            try openEnvironment()
        }
    }

    /// Throws the state away if it shows entries that the log does not hold (any more): they may be replaced by others.
    ///
    /// - Parameter logEnd: the last entry of the log.
    public func discard(ifAbove logEnd: LogID) throws {
        guard let lastApplied, lastApplied.index > logEnd.index || lastApplied.term > logEnd.term else { return }
        discardReason = "the key-value state shows entry \(lastApplied), the log ends at \(logEnd)"
        environment = nil
        try Self.removeFiles(in: directory)
        try openEnvironment()
    }

    private func openEnvironment() throws {
        // Before LMDB writes anything, and durable: from here on a power cut costs the state.
        try mark.write(.open)
        let environment = try Environment(
            directory: directory, initialMapBytes: initialMapBytes, maximumMapBytes: maximumMapBytes)
        lastApplied = try environment.applied()
        compacted = try environment.compacted()
        self.environment = environment
    }

    private static func removeFiles(in directory: String) throws(RaftError) {
        for name in ["mark", "mark.new", "data.mdb", "lock.mdb"]
        where unlink(directory + "/" + name) != 0 && errno != ENOENT {
            throw CleanMark.failure("remove", directory + "/" + name)
        }
    }

    /// Removes a state and its directory, if they are there. Nobody uses them.
    ///
    /// - Throws: ``RaftError/Code/storage`` when that cannot be done, or the directory holds something else.
    public static func erase(directory: String) throws(RaftError) {
        var information = stat()
        guard stat(directory, &information) == 0 else { return }
        try removeFiles(in: directory)
        if rmdir(directory) != 0, errno != ENOENT { throw CleanMark.failure("remove", directory) }
    }

    private func opened() throws -> Environment {
        guard let environment else { throw RaftError(.stopped, "the key-value state is closed") }
        return environment
    }

    // MARK: StateMachine

    public func open(logEnd: LogID) throws { try discard(ifAbove: logEnd) }

    public func apply(_ command: KeyValueCommand, at id: LogID) throws -> KeyValueOutput {
        let (output, compacted) = try opened().write { [compacted] writer in
            changes.removeAll()
            try writer.setApplied(id)
            var run = CommandRun(writer, revision: id.index.rawValue, changes, compacted: compacted)
            let output = try run.apply(command)
            try writer.append(changes)
            return (output, run.compacted)
        }
        applied(through: id, compacted: compacted)
        return output
    }

    private func applied(through id: LogID, compacted: UInt64) {
        lastApplied = id
        self.compacted = compacted
        guard let observer, !changes.bytes.isEmpty else { return }
        observer(.applied(changes.bytes, through: id.index.rawValue))
    }

    /// Applies the whole run in one transaction, together with its last position.
    public func apply(_ batch: CommandBatch<KeyValueCommand>, into outputs: inout [KeyValueOutput]) throws {
        try apply(batch, into: &outputs) { _ in [] }
    }

    /// Applies the whole run in one transaction, together with its last position and what it changes of the sessions.
    public func apply(
        _ batch: CommandBatch<KeyValueCommand>, into outputs: inout [KeyValueOutput],
        keeping changes: ([KeyValueOutput]) -> [SessionRecord]
    ) throws {
        let start = outputs.count
        let compacted = try opened().write { [compacted] writer in
            outputs.removeSubrange(start...)
            self.changes.removeAll()
            var compacted = compacted
            // Not a for loop: the commands of a batch are decoded one by one.
            // swift-format-ignore: ReplaceForEachWithForLoop
            try batch.forEachCommand { command, id in
                var run = CommandRun(writer, revision: id.index.rawValue, self.changes, compacted: compacted)
                outputs.append(try run.apply(command))
                compacted = run.compacted
            }
            try writer.append(self.changes)
            try writer.keep(changes(outputs))
            try writer.setApplied(batch.through)
            return compacted
        }
        applied(through: batch.through, compacted: compacted)
    }

    // MARK: Sessions

    public static let sessions = SessionSupport.kept

    public func keptSessions() throws -> [SessionRecord] { try opened().sessionRecords() }

    // MARK: Snapshots

    public static let makesSnapshots = true
    /// How much a snapshot reads, and how much a restore writes, at once.
    private static let pieceBytes = 1 << 20

    /// Reads the values as they are now, in a transaction of its own.
    public func snapshot() throws -> StateSnapshot {
        let view = try opened().makeView()
        return StateSnapshot { write in
            defer { view.end() }
            try write(KeyValueRecord.header[...])
            while let piece = try view.next(maximumBytes: Self.pieceBytes) { try write(piece[...]) }
        }
    }

    /// Puts a snapshot's values in place of the state. Until all of them are there the state has no mark, so what a
    /// crash leaves of it is thrown away.
    public func restore(_ contents: inout SnapshotContents, through last: LogID) throws {
        try restore(&contents, through: last, sessions: [])
    }

    public func restore(
        _ contents: inout SnapshotContents, through last: LogID, sessions: [SessionRecord]
    ) throws {
        lastApplied = nil
        environment = nil
        try Self.removeFiles(in: directory)
        try CleanMark.syncDirectory(directory)
        let fresh = try Environment(
            directory: directory, initialMapBytes: initialMapBytes, maximumMapBytes: maximumMapBytes)
        // Pieces may be of any length.
        var bytes: [UInt8] = []
        while bytes.count < KeyValueRecord.header.count, let piece = try contents.next() { bytes += piece }
        try KeyValueRecord.takeHeader(from: &bytes)
        var compacted: UInt64?
        changes.removeAll()
        while true {
            // Not yet written: a write may be begun anew on a larger map.
            var entries: [KeyValue] = []
            var leases: [(id: UInt64, milliseconds: UInt64)] = []
            try KeyValueRecord.takeAll(from: &bytes) { record in
                switch record {
                case .key(let entry): entries.append(entry)
                case .change(let change): changes.append(change)
                case .compacted(let revision): compacted = revision
                case .lease(let id, let milliseconds): leases.append((id, milliseconds))
                }
            }
            try fresh.write { writer in
                for lease in leases { try writer.grant(lease.id, milliseconds: lease.milliseconds) }
                for entry in entries {
                    try writer.put(entry)
                    if let lease = entry.lease { try writer.attach(entry.key, to: lease) }
                }
                try writer.append(changes)
            }
            changes.removeAll()
            guard let more = try contents.next() else { break }
            bytes += more
        }
        guard bytes.isEmpty else {
            throw RaftError(.corrupt, "key-value snapshot: \(bytes.count) bytes at its end are no key")
        }
        guard let compacted else {
            throw RaftError(.corrupt, "key-value snapshot: it does not say how far its history goes back")
        }
        try fresh.write { writer in
            try writer.compact(through: compacted)
            try writer.keep(sessions)
            try writer.setApplied(last)
        }
        try mark.write(.open)
        environment = fresh
        lastApplied = last
        self.compacted = compacted
        observer?(.replaced(through: last.index.rawValue))
    }

    /// Lets go of the state as the death of the process would: nothing is synced, and its mark stays as it is.
    package func abandon() { environment = nil }

    /// Syncs the state and marks it clean, so that the next start finds it even if the machine was off in between.
    public func close() throws {
        guard let environment else { return }
        try environment.sync()
        try mark.write(.clean)
        self.environment = nil
    }

    // MARK: Reads

    /// One key, or nil when it is absent.
    public func get(_ key: [UInt8]) throws -> KeyValue? {
        guard KeyValueLimits.refusal(key: key) == nil else { return nil }
        return try opened().makeReader().get(key) { $0.entry(key) }
    }

    /// The first entries of a range.
    ///
    /// - Parameters:
    ///   - limit: the most entries returned; 0 returns none and only says whether there is one.
    ///   - maximumBytes: the most bytes of keys and values returned, unless the first entry alone has more.
    public func range(
        _ range: KeyRange, limit: Int = 1000, maximumBytes: Int = KeyValueLimits.maximumRangeBytes
    ) throws -> KeyValuePage {
        try opened().makeReader().page(range, limit: limit, maximumBytes: maximumBytes)
    }

    /// The changes of a range behind a position, in order: as far as one answer goes.
    ///
    /// - Parameter maximumBytes: about the most bytes of keys and values in it; at least one change is.
    /// - Throws: ``HistoryCompacted`` when some of them may not be kept any more.
    public func changes(
        after position: ChangePosition, in range: KeyRange = KeyRange(),
        maximumBytes: Int = KeyValueLimits.maximumRangeBytes
    ) throws -> ChangePage {
        guard position >= ChangePosition(revision: compacted) else { throw HistoryCompacted(revision: compacted) }
        return try opened().makeHistoryReader().page(
            after: position, in: range, maximumBytes: maximumBytes,
            end: ChangePosition(revision: lastApplied?.index.rawValue ?? 0))
    }

    /// Every lease: how long it lives without being kept alive, and how many keys go with it.
    public func leases() throws -> [LeaseSummary] {
        let reader = try opened().makeLeaseReader()
        return try reader.all().map {
            LeaseSummary(id: $0.id, milliseconds: $0.milliseconds, keyCount: UInt64(try reader.keyCount($0.id)))
        }
    }

    /// Every lease with the milliseconds that it lives without being kept alive.
    package func leaseTimes() throws -> [(id: UInt64, milliseconds: UInt64)] { try opened().makeLeaseReader().all() }

    /// How long a lease lives without being kept alive; nil when there is none.
    public func leaseMilliseconds(_ id: UInt64) throws -> UInt64? { try opened().makeLeaseReader().time(id) }

    /// About how many bytes the history takes on disk.
    public func historyBytes() throws -> Int { try opened().makeHistoryReader().byteCount() }

    /// How many bytes of its file the state has used so far, those that are free again among them: for tests.
    package func usedBytes() throws -> Int { try opened().usedBytes() }

    /// What a transaction gives that only reads, see ``KeyValueTransaction/isReadOnly``; the same as if it were
    /// applied.
    public func read(_ transaction: KeyValueTransaction) throws -> KeyValueOutput {
        precondition(transaction.isReadOnly, "a transaction that changes something is a command")
        if let refusal = KeyValueLimits.refusal(transaction) { return .refused(refusal) }
        return try transaction.read(opened().makeReader())
    }
}
