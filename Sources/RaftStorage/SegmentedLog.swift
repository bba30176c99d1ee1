public import Raft

/// The log, the term and the vote on disk: a ``LogStore`` in a ``DataDirectory``.
///
/// Entries go to segments, files that are filled with zeros ahead of time and then only ever written once, front to
/// back; see ``Format``. A write costs one `pwrite` and one `fdatasync`; one that crosses into another segment, or
/// holds more than 8 MiB, one of each for every part. A change of term or vote costs two of each. Only a new segment needs
/// room: a write that finds none waits, with what comes behind it, and goes on at a later one.
public final class SegmentedLog: LogStore, @unchecked Sendable {
    // @unchecked: `index` has its lock; everything else that changes is touched only by open, write and close, which
    // LogStore promises to call one at a time.

    /// The size of a segment, unless a single entry needs more: 64 MiB.
    public static let defaultSegmentBytes = 64 << 20

    private let directory: DataDirectory
    private let segmentBytes: Int
    private let preparation: (any Loop)?

    /// What readers see: only what is durable.
    private let index = Lock(ExtentIndex())
    private var writer: LogFrameWriter?
    private var vote: VoteFile?
    /// The number of the first segment that is left.
    private var lowest: UInt64 = 1
    private var failure: RaftError?
    /// What was given and not performed, since there was no room for it.
    private var unfinished: [LogOperation] = []

    /// - Parameters:
    ///   - directory: must stay open for as long as the log is used.
    ///   - segmentBytes: the size of new segments: a multiple of 4096, at least 4096. Existing ones keep theirs.
    ///   - preparation: where the next segment is made while the current one is written: not the loop that calls
    ///     ``write(_:)``, which would wait for it. Nil makes each when it is needed.
    /// - Throws: `.invalidConfiguration` for another size.
    public init(
        directory: DataDirectory, segmentBytes: Int = SegmentedLog.defaultSegmentBytes,
        preparation: (any Loop)? = nil
    ) throws(RaftError) {
        guard segmentBytes >= Format.minimumSegmentBytes, segmentBytes % 4096 == 0, segmentBytes <= 1 << 40 else {
            throw RaftError(
                .invalidConfiguration,
                "segments of \(segmentBytes) bytes; the size must be a multiple of 4096, from \(Format.minimumSegmentBytes) bytes to 1 TiB"
            )
        }
        self.directory = directory
        self.segmentBytes = segmentBytes
        self.preparation = preparation
    }

    deinit { close() }

    /// Replays the log. What a crash left of a write that was never acknowledged is copied to a `.broken` file and
    /// passed over from then on.
    ///
    /// - Throws: `.corrupt` for any other damage, with file, offset and what to do; nothing on disk is changed then.
    ///   `.storage` when the disk fails.
    public func open() throws -> RecoveredLog {
        do throws(RaftError) {
            return try recover()
        } catch {
            failure = error
            throw error
        }
    }

    private func recover() throws(RaftError) -> RecoveredLog {
        let incarnation = directory.identity.incarnation
        let fileSystem = directory.fileSystem
        var recovery = LogRecovery(
            directory: directory.logPath, fileSystem: fileSystem, incarnation: incarnation)
        try recovery.run()
        // Opening the vote file may repair it, so it comes after everything that can refuse.
        let vote = try VoteFile.open(directory.votePath, incarnation: incarnation, fileSystem: fileSystem)
        self.vote = vote
        let (path, size) = (directory.logPath, segmentBytes)
        let used = recovery.torn.map { torn in recovery.segments.firstIndex { $0 === torn.segment }! } ?? recovery.tail
        let preparer = SegmentPreparer(ready: Array(recovery.segments[(used + 1)...]), loop: preparation) {
            number throws(RaftError) in
            try Segment.create(number: number, size: size, incarnation: incarnation, in: path, fileSystem: fileSystem)
        }
        let tail = recovery.segments[used]
        var writer = LogFrameWriter(
            segment: tail, offset: recovery.torn?.offset ?? recovery.tailEnd, sequence: recovery.sequence,
            chain: recovery.chain, shape: recovery.shape, incarnation: incarnation, preparer: preparer)
        // What was read may be in the kernel's memory only, left there by a process that died before it synced, or
        // whose sync failed: the last frame, and the name of a segment made ahead. Nothing may be promised on them
        // before they are durable.
        try writeLastFrameAgain(recovery)
        try tail.file.sync()
        if !Mutant.isOn("start-syncs-no-names") { try fileSystem.syncDirectory(path) }
        if let torn = recovery.torn {
            try keepBroken(torn)
            if !Mutant.isOn("torn-end-overwritten") { try writer.abandonSegment() }
        } else {
            writer.prepareNext()
        }
        self.writer = writer
        lowest = recovery.segments[0].number
        index.withLock { $0 = recovery.index }
        return RecoveredLog(
            hardState: vote.state, purged: recovery.shape.purged, termStarts: recovery.shape.termStarts,
            last: recovery.shape.last,
            configurations: recovery.configurations, incarnation: incarnation)
    }

    /// Writes the last frame over itself. After a sync that failed the kernel may take its pages for clean: they can be
    /// read, and another sync alone would not write them (Rebello et al., USENIX ATC '20). Every frame before it was
    /// synced before it was written.
    private func writeLastFrameAgain(_ recovery: LogRecovery) throws(RaftError) {
        guard let start = recovery.tailStart else { return }
        let file = recovery.segments[recovery.tail].file
        try file.write(try file.bytes(start..<recovery.tailEnd), at: start)
        try file.sync()
    }

    /// Copies what is about to be passed over to a file of its own.
    private func keepBroken(_ torn: LogRecovery.TornTail) throws(RaftError) {
        let fileSystem = directory.fileSystem
        let source = torn.segment.file
        let copy = try fileSystem.open("\(source.path).\(torn.offset).broken", .createEmpty)
        defer { copy.close() }
        var offset = torn.offset
        while offset < torn.segment.size {
            let bytes = try source.bytes(offset..<min(offset + 1 << 20, torn.segment.size))
            if !bytes.withUnsafeBytes(Sectors.isZero) { try copy.write(bytes, at: offset - torn.offset) }
            offset += bytes.count
        }
        try copy.sync()
        try fileSystem.syncDirectory(directory.logPath)
    }

    public func write(_ operations: [LogOperation]) throws {
        if let failure {
            throw RaftError(.storage, "the log takes no more writes since one failed: \(failure)")
        }
        guard writer != nil, vote != nil else {
            throw RaftError(.storage, "the log in \(directory.logPath) is not open")
        }
        let all = unfinished.isEmpty ? operations : unfinished + operations
        unfinished = []
        var progress = Progress()
        do throws(RaftError) {
            if writer!.isBlocked { try makeRoom(for: all) }
            try perform(all, &progress)
            writer!.lookForRoom()
        } catch {
            guard error.code == .outOfSpace, writer!.isBlocked else {
                failure = error.asFailure
                throw error.asFailure
            }
            unfinished = Array(all[progress.done...])
            if let rest = progress.rest { unfinished[0] = .append(rest) }
            throw error
        }
    }

    public var shortage: RaftError? { writer?.shortage }

    /// How far a write has come.
    private struct Progress {
        var done = 0
        /// Of the append that comes next: what is not added yet. Nil when it has not begun.
        var rest: EntryBatch?
    }

    /// Only one of a vote and a frame waits at any time; before the other kind is begun, it is made durable. So the
    /// order on disk is the order given, and no vote waits where there is no room.
    private func perform(_ operations: [LogOperation], _ progress: inout Progress) throws(RaftError) {
        var waitingVote: HardState?
        while progress.done < operations.count {
            let operation = operations[progress.done]
            if case .hardState(let state) = operation {
                try writer!.flush(into: index)
                waitingVote = state
                progress.done += 1
                continue
            }
            if let state = waitingVote {
                try vote!.write(state)
                waitingVote = nil
            }
            switch operation {
            case .truncate(let last): try writer!.truncate(through: last, publishing: index)
            case .append(let batch):
                progress.rest = batch
                try writer!.append(&progress.rest, publishing: index)
            case .purge(let id): try purge(through: id)
            case .reset(let id): try writer!.reset(to: id, publishing: index)
            case .hardState: break
            }
            progress.done += 1
        }
        if let state = waitingVote { try vote!.write(state) }
        try writer!.flush(into: index)
    }

    /// On a full disk: performs what is to be purged ahead of its turn. Entries that a durable snapshot covers are not
    /// needed by anything that waits before.
    private func makeRoom(for operations: [LogOperation]) throws(RaftError) {
        for case .purge(let id) in operations where index.withLock({ $0.last.map { id.index <= $0 } ?? false }) {
            try removeSegments(through: id)
        }
    }

    /// Removes the segments that hold nothing but entries through `id`: oldest first, each durably before the next, so
    /// that a crash never leaves a gap.
    private func purge(through id: LogID) throws(RaftError) {
        try writer!.flush(into: index)
        try removeSegments(through: id)
    }

    private func removeSegments(through id: LogID) throws(RaftError) {
        let needed = index.withLock { $0.segment(holdingAfter: id.index) } ?? writer!.lastFrameSegment
        let first = min(needed, writer!.lastFrameSegment)
        guard first > lowest else { return }
        index.withLock { $0.drop(before: first) }
        do throws(RaftError) {
            for number in lowest..<first {
                try directory.fileSystem.remove(directory.logPath + "/" + Segment.name(of: number))
                try directory.fileSystem.syncDirectory(directory.logPath)
                lowest = number + 1
            }
        } catch {
            // A name that is not durable is nothing to wait for, whatever it lacks.
            throw error.asFailure
        }
    }

    /// - Throws: `.storage` when an entry of the range is not held, or the disk fails; `.corrupt`, with file and offset,
    ///   when the disk does not hold what was written.
    public func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        let (extents, held) = index.withLock { index in
            (index.extents(from: first, through: last, maximumBytes: maximumBytes), (index.first, index.last))
        }
        guard !extents.isEmpty else {
            let range = if let first = held.0, let last = held.1 { "\(first) through \(last)" } else { "no entry" }
            throw RaftError(.storage, "entries \(first) through \(last) are not all in the log, which holds \(range)")
        }
        return try ExtentReader.read(extents, from: first, through: last, maximumBytes: maximumBytes)
    }

    public func close() {
        writer?.close()
        vote?.close()
        writer = nil
        vote = nil
        index.withLock { $0 = ExtentIndex() }
    }
}
