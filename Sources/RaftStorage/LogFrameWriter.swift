internal import Raft

/// The end of the log: gathers operations into a frame, writes it, and moves on to the next segment.
///
/// Invariant: everything before the frame being built is durable.
struct LogFrameWriter {
    private let incarnation: Incarnation
    private let preparer: SegmentPreparer
    private var segment: Segment
    /// Where in `segment` the next frame goes.
    private var offset: Int
    /// Where the last frame ended, in the segment that it is in.
    private var previousEnd: Int
    /// Of the last frame.
    private var sequence: UInt64
    private var chain: UInt32

    /// The log with the frame that is being built.
    private var shape: LogShape
    private var frame = FrameBuffer()
    /// What the frame being built keeps, nil while there is none.
    private var keep: LogID?
    private var isReset = false
    private var pieces: [Piece] = []
    /// The next segment, taken and still too small for its first frame.
    private var taken: Segment?
    /// There was no room for the next segment. Nothing else has happened: what was under way may be called again.
    private(set) var isBlocked = false

    init(
        segment: Segment, offset: Int, sequence: UInt64, chain: UInt32, shape: LogShape, incarnation: Incarnation,
        preparer: SegmentPreparer
    ) {
        self.segment = segment
        self.offset = offset
        self.sequence = sequence
        self.chain = chain
        self.shape = shape
        self.incarnation = incarnation
        self.preparer = preparer
        previousEnd = offset
    }

    mutating func truncate(through last: LogID, publishing index: Lock<ExtentIndex>) throws(RaftError) {
        guard shape.holds(last) else {
            throw RaftError(
                .invariantViolated,
                "the log cannot be cut behind entry \(last): it ends with \(shape.last) and does not hold it")
        }
        guard last != shape.last else { return }
        // Entries that wait in the frame are written as they were decided, then voided by a frame of its own.
        if frame.payloadLength > 0 { try flush(into: index) }
        shape.truncate(through: last)
        keep = last
    }

    /// A frame of its own: everything before is forgotten, and what comes goes on behind `last`.
    mutating func reset(to last: LogID, publishing index: Lock<ExtentIndex>) throws(RaftError) {
        try flush(into: index)
        shape = LogShape(purged: last)
        keep = last
        isReset = true
        try flush(into: index)
    }

    /// The segment with the last frame: what a start needs at least.
    var lastFrameSegment: UInt64 { offset > Format.firstFrame ? segment.number : segment.number - 1 }

    /// - Parameter rest: what is to be added; on return nil, or, when there was no room, what is left of it.
    mutating func append(_ rest: inout EntryBatch?, publishing index: Lock<ExtentIndex>) throws(RaftError) {
        if let first = rest?.first, first.index != shape.last.index.next || first.term < shape.last.term {
            throw RaftError(
                .invariantViolated, "entries from \(first) do not follow the log, which ends with \(shape.last)")
        }
        while let part = rest {
            let room = min(FrameHeader.payloadCapacity(in: segment.size - offset), Format.maximumFramePayload)
            let fitting = part.prefix(maximumBytes: room - frame.payloadLength)
            if fitting.byteCount <= room - frame.payloadLength {
                add(fitting)
                rest = part.suffix(from: fitting.lastIndex.next)
            } else if frame.payloadLength > 0 {
                try flush(into: index)
            } else if FrameHeader.frameSize(payload: fitting.byteCount) <= segment.size - offset {
                // One entry above the limit of a frame, alone.
                add(fitting)
                rest = part.suffix(from: fitting.lastIndex.next)
                try flush(into: index)
            } else {
                try advance(toHold: FrameHeader.frameSize(payload: fitting.byteCount))
            }
        }
    }

    private mutating func add(_ batch: EntryBatch) {
        if keep == nil { keep = shape.last }
        var rest: EntryBatch? = batch
        while let part = rest {
            let run = part.prefix(maximumBytes: Extent.targetBytes)
            let start = frame.payloadLength
            frame.append(run.bytes)
            pieces.add(run.firstIndex, through: run.lastIndex, at: start..<frame.payloadLength)
            rest = run.count == part.count ? nil : part.suffix(from: run.lastIndex.next)
        }
        shape.append(batch.first, through: batch.last, in: batch)
    }

    /// Writes the frame being built, if there is one, and returns once it is durable; then readers may see it.
    mutating func flush(into index: Lock<ExtentIndex>) throws(RaftError) {
        guard let keep else { return }
        if FrameHeader.frameSize(payload: frame.payloadLength) > segment.size - offset {
            // Only a frame without entries comes here: with them, room was made before they were added.
            try advance(toHold: FrameHeader.frameSize(payload: frame.payloadLength))
        }
        let written = try write(keep)
        index.withLock {
            if isReset { $0.removeAll() } else { $0.truncate(through: keep.index) }
            $0.append(frame: written, in: segment, pieces: pieces)
        }
        frame.removeAll()
        pieces.removeAll(keepingCapacity: true)
        self.keep = nil
        isReset = false
    }

    private mutating func write(_ keep: LogID) throws(RaftError) -> Range<Int> {
        var header = FrameHeader(
            segment: segment.number, sequence: sequence + 1, keep: keep, previousEnd: previousEnd, chainBefore: chain,
            isReset: isReset)
        frame.seal(&header, seed: segment.seed, at: offset)
        let (file, start) = (segment.file, offset)
        try frame.withBytes { bytes throws(RaftError) in try file.write(bytes, at: start) }
        try synced(file)
        sequence = header.sequence
        chain = header.chain
        offset += header.frameSize
        previousEnd = offset
        return start..<offset
    }

    /// A sync that failed is never tried again: the kernel may have dropped what it could not write, and say that all is
    /// well the second time.
    private func synced(_ file: any FileHandle) throws(RaftError) {
        do {
            try file.sync()
        } catch {
            guard Mutant.isOn("sync-tried-again") else { throw error }
            try file.sync()
        }
    }

    /// Moves to the next segment, whose first frame will need `frameBytes`.
    private mutating func advance(toHold frameBytes: Int) throws(RaftError) {
        isBlocked = true
        let next = if let taken { taken } else { try preparer.take(segment.number + 1) }
        taken = next
        segment = try next.extended(toHold: frameBytes, incarnation: incarnation)
        taken = nil
        isBlocked = false
        offset = Format.firstFrame
        prepareNext()
    }

    /// Why there is no room ahead of the need.
    var shortage: RaftError? { preparer.shortage }

    /// Tries once more to make room ahead, if there was none.
    func lookForRoom() {
        if preparer.shortage != nil { prepareNext() }
    }

    /// Ends the segment where the last frame ends, whatever is behind it there: the next segment's first frame, which
    /// adds nothing, says so. It lies in one sector, so a crash leaves all of it or nothing.
    mutating func abandonSegment() throws(RaftError) {
        previousEnd = offset
        try advance(toHold: FrameHeader.frameSize(payload: 0))
        _ = try write(shape.last)
        frame.removeAll()
    }

    func prepareNext() { preparer.prepare(segment.number + 1) }

    func close() {
        preparer.close()
        taken?.file.close()
        segment.file.close()
    }
}
