internal import CChecksum

/// What the files of a data directory look like. All numbers are little-endian, all checksums CRC-32C.
///
///     DIR/identity                        whose directory this is, as text; see ``DataDirectory``
///     DIR/lock                            locked while a process uses the directory; holds its process id
///     DIR/vote                            term and vote, twice; see ``VoteFile``
///     DIR/log/0000000000000001.segment    the log's segments, numbered without a gap, in hexadecimal; the first is 1
///                                         until it is purged
///     DIR/snapshots/….snapshot            see ``SnapshotFile``
///     DIR/peers                           which life of each other member was met; see ``PeerFile``
///     DIR/unfinished                      what a recovery has begun to write here and has not finished
///     DIR/recovered                       this directory's cluster goes on elsewhere: it must never be used again
///     DIR/log/prepare.tmp                 the next segment, while it is being zero-filled
///     DIR/log/….segment.OFFSET.broken     what a crash left of a write, kept for whoever wants to look
///
/// Other names are ignored and never removed.
///
/// ## A segment
///
///     offset  0  u64  "RAFTSEG1"
///             8  u32  CRC of bytes 12 ..< 48
///            12  u32  format version, 1
///            16  u64  the segment's number
///            24  u64  the directory's incarnation
///            32  u64  the file's size when it was made
///            40  u64  zero
///            48       zeros up to 512, where the frames begin
///
/// Everything behind the header is zero, and durably so, before the first frame is written. Nothing that is not zero
/// is ever overwritten. A segment gets its name once it is complete, so a name with a bad header is damage.
///
/// ## A frame
///
/// What one write of the disk carries: it keeps the log through an entry, forgets what is above, and adds entries.
/// A truncation and the entries that replace the tail are thus one frame, which is there or not. (Two frames in one
/// write would let a crash keep the second without the first, which looks like damage in the middle.)
///
///     offset  0  u32  "RFRM"
///             4  u32  CRC of bytes 8 ..< 72, seeded by the segment
///             8  u64  the segment's number
///            16  u64  sequence: 1, 2, 3, … through all segments
///            24  u64  keep through: index of the log's last entry before those of this frame
///            32  u64  keep through: its term
///            40  u64  where the frame before this one ends, in this segment or, for a segment's first frame, in the
///                     segment before (512 for the very first): what that segment holds behind it does not count
///            48  u32  chain before: the chain of the frame before this one (0 for the very first)
///            52  u32  payload length
///            56  u32  chain: CRC of chain before and payload, seeded by the segment
///            60  u32  group, 0
///            64  u8   frame version, 1
///            65  u8   flags; 1: a sector of 512 bytes that holds nothing but payload is all zero
///                            2: reset: the log holds nothing any more, and goes on behind *keep through*, which it
///                               need not have held: a snapshot ends there
///            66  u16  zero
///            68  u32  zero
///            72       payload: entry records, as they are in memory and on the wire
///                     zeros up to a multiple of 8
///                u32  "DONE"
///                u32  chain
///
/// A segment's seed is the CRC of incarnation and number, so a frame counts only in the segment it was written for,
/// and no client can guess bytes that would pass for one. The first frame's *keep through* names the entry before a
/// segment's first, and its *chain before* makes it valid without the segment before: old segments can be dropped.
/// They are removed one by one, oldest first, and never the one that holds the last frame. A later frame may keep less
/// than the first one of all that is left: what was kept, a snapshot has.
///
/// One frame is synced before the next is written. So only the last can be incomplete after a crash, and since the
/// first and the last 8 bytes of a frame are never zero, a sector of it that never reached the disk shows as zeros,
/// and so does an end of it.
enum Format {
    /// What to do about a directory whose data cannot be trusted any more. A backup would bring back old votes.
    static let cure =
        "Replace this member by one with a new id and an empty directory; do not bootstrap it again under its own id, the others refuse a member that has lost its data."

    static let version: UInt32 = 1
    static let sectorSize = 512
    /// Where a segment's frames begin.
    static let firstFrame = 512
    /// The smallest segment that may be asked for.
    static let minimumSegmentBytes = 4096
    /// A frame holds more payload only if it is a single entry.
    static let maximumFramePayload = 8 << 20

    /// What the checksums of a segment's frames begin with.
    static func seed(incarnation: UInt64, segment: UInt64) -> UInt32 {
        withUnsafeBytes(of: (incarnation.littleEndian, segment.littleEndian)) { checksum($0) }
    }

    static func checksum(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
        raft_crc32c(crc, bytes.baseAddress, bytes.count)
    }
}

extension UnsafeRawBufferPointer {
    func word32(_ offset: Int) -> UInt32 {
        UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    func word64(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[range]) }
}

extension UnsafeMutableRawBufferPointer {
    func put(_ value: some FixedWidthInteger, at offset: Int) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: type(of: value).self)
    }
}

extension UInt32 {
    /// As error messages show a checksum: eight hexadecimal digits.
    var hex: String { hexadecimal(UInt64(self), digits: 8) }
}

func hexadecimal(_ value: UInt64, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
