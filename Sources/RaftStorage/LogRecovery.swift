internal import Raft

/// Reads a log as a start finds it: replays its frames, and tells a torn end from damage. Changes nothing.
struct LogRecovery {
    /// What a crash left of a write that was never acknowledged.
    struct TornTail {
        var segment: Segment
        var offset: Int
    }

    private let directory: String
    private let fileSystem: any FileSystem
    private let incarnation: Incarnation
    /// What the segments are opened for.
    private let mode: OpenMode

    /// Every segment, in order.
    private(set) var segments: [Segment] = []
    private(set) var shape = LogShape()
    private(set) var index = ExtentIndex()
    private(set) var configurations: [(id: LogID, payload: [UInt8])] = []
    /// Of the last frame; 0 when there is none.
    private(set) var sequence: UInt64 = 0
    private(set) var chain: UInt32 = 0
    /// Which of `segments` the last frame is in, and where it ends there.
    private(set) var tail = 0
    private(set) var tailEnd = Format.firstFrame
    /// Where the last frame begins; nil when there is none.
    private(set) var tailStart: Int?
    private(set) var torn: TornTail?

    /// Where the last segment that was read ends.
    private var previousEnd = Format.firstFrame

    init(directory: String, fileSystem: any FileSystem, incarnation: Incarnation, mode: OpenMode = .readWrite) {
        self.directory = directory
        self.mode = mode
        self.fileSystem = fileSystem
        self.incarnation = incarnation
    }

    /// - Throws: `.corrupt` for anything but a valid log with at most a torn end, `.storage` when it cannot be read.
    mutating func run() throws(RaftError) {
        try openSegments()
        try begin()
        var firstHeaders: [FrameHeader?] = []
        for segment in segments {
            let bytes = try segment.file.bytes(Format.firstFrame..<(Format.firstFrame + FrameHeader.size))
            firstHeaders.append(bytes.withUnsafeBytes { FrameHeader(decoding: $0, seed: segment.seed) })
        }
        let lastUsed = firstHeaders.lastIndex { $0 != nil } ?? 0
        for position in segments.indices {
            // The segment behind says where this one ends; what else it holds was cut by an earlier start.
            let statedEnd = position + 1 < segments.count ? firstHeaders[position + 1]?.previousEnd : nil
            if let torn {
                try expectUnused(segments[position], behind: torn)
            } else {
                try replay(position, statedEnd: statedEnd, framesFollow: lastUsed > position)
            }
        }
    }

    /// Where the segments before the first were purged, its first frame says what they ended with.
    private mutating func begin() throws(RaftError) {
        let first = segments[0]
        guard first.number > 1 else { return }
        let bytes = try first.file.bytes(Format.firstFrame..<(Format.firstFrame + FrameHeader.size))
        guard let header = bytes.withUnsafeBytes({ FrameHeader(decoding: $0, seed: first.seed) }) else {
            throw .corrupt(
                first.file.path, at: Format.firstFrame,
                "the log begins with segment \(first.number), which has no valid first frame; segments before it are missing"
            )
        }
        shape = LogShape(purged: header.keep)
        sequence = header.sequence &- 1
        chain = header.chainBefore
        previousEnd = header.previousEnd
    }

    private mutating func openSegments() throws(RaftError) {
        let numbers = try fileSystem.list(directory).compactMap(Segment.number(in:)).sorted()
        guard let lowest = numbers.first else {
            throw .corrupt(directory, at: 0, "there is no segment, but a log begins with one")
        }
        for (position, number) in numbers.enumerated() {
            let expected = lowest + UInt64(position)
            guard number == expected else {
                throw .corrupt(directory, at: 0, "segment \(expected) is missing, but \(number) is there")
            }
            segments.append(
                try Segment.open(
                    number: number, incarnation: incarnation, in: directory, mode: mode, fileSystem: fileSystem))
        }
    }

    /// Replays one segment, up to its stated end, or to where it turns into zeros.
    private mutating func replay(_ position: Int, statedEnd: Int?, framesFollow: Bool) throws(RaftError) {
        let segment = segments[position]
        let path = segment.file.path
        var window = SegmentWindow(segment)
        var offset = Format.firstFrame
        var isFirst = true
        while offset != statedEnd {
            if try window.isZero(from: offset) {
                guard statedEnd == nil else {
                    throw .corrupt(path, at: offset, "zeros, where frames should go on to offset \(statedEnd!)")
                }
                break
            }
            let (header, damage) = try window.frame(at: offset)
            guard let header, damage == nil else {
                let damage = damage ?? "no frame header"
                if framesFollow || statedEnd != nil || (position == 0 && isFirst && segment.number > 1) {
                    throw .corrupt(
                        path, at: offset,
                        "\(damage); valid frames follow; entries from index \(shape.last.index.next) are unreadable here"
                    )
                }
                try window.classify(header, at: offset, damage: damage, nextIndex: shape.last.index.next)
                torn = TornTail(segment: segment, offset: offset)
                break
            }
            try check(header, path, at: offset, previousEnd: isFirst ? previousEnd : offset)
            try apply(header, from: &window, at: offset)
            tailStart = offset
            offset += header.frameSize
            isFirst = false
            (tail, tailEnd) = (position, offset)
        }
        previousEnd = offset
    }

    /// Whether a frame whose checksums are right is the one that belongs here.
    private func check(_ header: FrameHeader, _ path: String, at offset: Int, previousEnd: Int) throws(RaftError) {
        let expected = sequence + 1
        guard header.sequence == expected else {
            throw .corrupt(path, at: offset, "frame \(header.sequence), expected \(expected): frames are missing")
        }
        guard header.chainBefore == chain else {
            throw .corrupt(
                path, at: offset,
                "the frame follows chain \(header.chainBefore.hex), but the frame before it ends in \(chain.hex)")
        }
        guard header.previousEnd == previousEnd else {
            throw .corrupt(
                path, at: offset,
                "the frame before this one ended at \(header.previousEnd), but was found to end at \(previousEnd)")
        }
        // Less than all that is left: what was kept was purged later, behind a snapshot.
        let isBeforeAll = segments[0].number > 1 && header.keep.index < shape.purged.index
        guard shape.holds(header.keep) || header.isReset || isBeforeAll else {
            throw .corrupt(
                path, at: offset,
                "the frame follows entry \(header.keep), which the log, ending with \(shape.last), does not hold")
        }
    }

    private mutating func apply(
        _ header: FrameHeader, from window: inout SegmentWindow, at offset: Int
    ) throws(RaftError) {
        if header.isReset {
            shape = LogShape(purged: header.keep)
            index.removeAll()
            configurations = []
        } else {
            shape.truncate(through: header.keep)
            index.truncate(through: header.keep.index)
            while let newest = configurations.last, newest.id.index > header.keep.index { configurations.removeLast() }
        }
        let payload = (offset + FrameHeader.size)..<(offset + FrameHeader.size + header.payloadLength)
        var pieces: [Piece] = []
        let isWhole = try window.withBytes(payload) { bytes in
            var walk = RecordWalk(bytes)
            while let record = walk.next() {
                guard record.id.index == shape.last.index.next, record.id.term >= shape.last.term else { return false }
                if record.kind == EntryKind.configuration.rawValue {
                    configurations.append((record.id, Array(bytes.slice(record.payload))))
                }
                shape.append(record.id, through: record.id)
                pieces.add(record.id.index, through: record.id.index, at: record.range)
            }
            return walk.isAtEnd
        }
        let segment = window.segment
        guard isWhole else {
            throw .corrupt(
                segment.file.path, at: offset, "the frame holds something else than the entries after \(shape.last)")
        }
        index.append(frame: offset..<(offset + header.frameSize), in: segment, pieces: pieces)
        sequence = header.sequence
        chain = header.chain
    }

    private func expectUnused(_ segment: Segment, behind torn: TornTail) throws(RaftError) {
        var window = SegmentWindow(segment)
        // A start that was cut short itself may have left a beginning of the frame that ends the segment before. The
        // same bytes are written there again.
        let mayHoldHeader = segment.number == torn.segment.number + 1
        guard try window.isZero(from: Format.firstFrame + (mayHoldHeader ? FrameHeader.size : 0)) else {
            throw .corrupt(
                segment.file.path, at: Format.firstFrame,
                "unexpected bytes behind a write that a crash cut short in the segment before")
        }
    }
}
