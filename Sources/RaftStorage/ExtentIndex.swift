internal import Raft

/// A run of consecutive entries in one segment: about 64 KiB of it, or one larger entry.
struct Extent: Sendable {
    /// What the bytes are.
    enum Content: Sendable {
        /// Whole frames.
        case frames
        /// Whole records out of one large frame.
        case records
    }

    /// From here on an extent takes no more frames.
    static let targetBytes = 64 << 10

    let segment: Segment
    let content: Content
    var bytes: Range<Int>
    let first: LogIndex
    var last: LogIndex
    /// Whether a truncation made entries in `bytes` void: those above `last`.
    var isClipped = false
}

/// Where entries are, coarsely: finding one takes a bisection here and a walk over one extent's bytes.
struct ExtentIndex: Sendable {
    private var extents: [Extent] = []

    var first: LogIndex? { extents.first?.first }
    var last: LogIndex? { extents.last?.last }

    mutating func truncate(through index: LogIndex) {
        while let extent = extents.last, extent.first > index { extents.removeLast() }
        if let extent = extents.last, extent.last > index {
            extents[extents.count - 1].last = index
            extents[extents.count - 1].isClipped = true
        }
    }

    mutating func removeAll() { extents = [] }

    /// The number of the first segment with an entry above `index`; nil when there is none.
    func segment(holdingAfter index: LogIndex) -> UInt64? {
        var low = 0
        var high = extents.count
        while low < high {
            let middle = (low + high) / 2
            if extents[middle].last <= index { low = middle + 1 } else { high = middle }
        }
        return low < extents.count ? extents[low].segment.number : nil
    }

    /// Lets go of everything in segments before `number`.
    mutating func drop(before number: UInt64) {
        extents.removeFirst(extents.firstIndex { $0.segment.number >= number } ?? extents.count)
    }

    /// Adds the entries of one frame.
    ///
    /// - Parameters:
    ///   - frame: the frame's bytes in the segment.
    ///   - pieces: its entries, in runs; each run's bytes relative to the payload.
    mutating func append(frame: Range<Int>, in segment: Segment, pieces: [Piece]) {
        guard let only = pieces.first else { return }
        guard pieces.count == 1 else {
            let payload = frame.lowerBound + FrameHeader.size
            for piece in pieces {
                extents.append(
                    Extent(
                        segment: segment, content: .records,
                        bytes: (payload + piece.bytes.lowerBound)..<(payload + piece.bytes.upperBound),
                        first: piece.first, last: piece.last))
            }
            return
        }
        if let open = extents.last, case .frames = open.content, !open.isClipped, open.segment === segment,
            open.bytes.upperBound == frame.lowerBound, open.bytes.count < Extent.targetBytes
        {
            extents[extents.count - 1].bytes = open.bytes.lowerBound..<frame.upperBound
            extents[extents.count - 1].last = only.last
        } else {
            extents.append(
                Extent(segment: segment, content: .frames, bytes: frame, first: only.first, last: only.last))
        }
    }

    /// The extents that hold the entries from `first` through `last`: at least one, and no more than `maximumBytes` of
    /// entries may need. Empty when an entry of the range is not held.
    func extents(from first: LogIndex, through last: LogIndex, maximumBytes: Int) -> ArraySlice<Extent> {
        guard let lowest = self.first, let highest = self.last, first >= lowest, last <= highest, first <= last else {
            return []
        }
        var low = 0
        var high = extents.count - 1
        while low < high {
            let middle = (low + high) / 2
            if extents[middle].last < first { low = middle + 1 } else { high = middle }
        }
        var end = low + 1
        var bytes = 0
        while end < extents.count, extents[end].first <= last, bytes < maximumBytes {
            // The first may begin long before `first`, a clipped one ends before its bytes do: they promise nothing.
            // Of the others, frames are counted without what is not entries.
            if !extents[end].isClipped { bytes += Self.entryBytes(atLeastIn: extents[end]) }
            end += 1
        }
        return extents[low..<end]
    }

    /// An entry is at least as large as its record's header, so at most this share of a run of frames is not entries.
    private static func entryBytes(atLeastIn extent: Extent) -> Int {
        switch extent.content {
        case .records: extent.bytes.count
        case .frames:
            extent.bytes.count * EntryRecord.headerSize / FrameHeader.frameSize(payload: EntryRecord.headerSize)
        }
    }
}

/// A run of entries in a frame's payload: about an extent's worth.
struct Piece {
    var first: LogIndex
    var last: LogIndex
    var bytes: Range<Int>
}

extension [Piece] {
    /// Adds entries that lie at `bytes`, to the last run if it has room.
    mutating func add(_ first: LogIndex, through last: LogIndex, at bytes: Range<Int>) {
        if let open = self.last, open.bytes.count + bytes.count <= Extent.targetBytes {
            self[count - 1].last = last
            self[count - 1].bytes = open.bytes.lowerBound..<bytes.upperBound
        } else {
            append(Piece(first: first, last: last, bytes: bytes))
        }
    }
}
