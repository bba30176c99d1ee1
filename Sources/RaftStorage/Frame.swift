internal import Raft

/// The head of a frame; see ``Format``.
struct FrameHeader: Hashable {
    static let size = 72
    static let trailerSize = 8
    static let magic: UInt32 = 0x4D52_4652  // "RFRM"
    static let trailerMagic: UInt32 = 0x454E_4F44  // "DONE"
    private static let version: UInt8 = 1

    var segment: UInt64
    var sequence: UInt64
    /// The log's last entry before those of this frame: what is above it is forgotten.
    var keep: LogID
    /// Where the frame before this one ends.
    var previousEnd: Int
    var chainBefore: UInt32
    var payloadLength: Int
    var chain: UInt32
    var hasZeroSector: Bool
    /// Everything before is forgotten, and the log goes on behind `keep`, whether or not it held that.
    var isReset = false

    static func paddedLength(_ length: Int) -> Int { (length + 7) & ~7 }
    /// What a frame with this much payload takes in its segment.
    static func frameSize(payload length: Int) -> Int { size + paddedLength(length) + trailerSize }
    /// The most payload that fits where `room` bytes are left.
    static func payloadCapacity(in room: Int) -> Int { (room - size - trailerSize) & ~7 }

    var frameSize: Int { Self.frameSize(payload: payloadLength) }

    static func chain(seed: UInt32, before: UInt32, payload: UnsafeRawBufferPointer) -> UInt32 {
        let begun = withUnsafeBytes(of: before.littleEndian) { Format.checksum($0, continuing: seed) }
        return Format.checksum(payload, continuing: begun)
    }

    func encode(into bytes: UnsafeMutableRawBufferPointer, seed: UInt32) {
        bytes.put(Self.magic, at: 0)
        bytes.put(segment, at: 8)
        bytes.put(sequence, at: 16)
        bytes.put(keep.index.rawValue, at: 24)
        bytes.put(keep.term.rawValue, at: 32)
        bytes.put(UInt64(previousEnd), at: 40)
        bytes.put(chainBefore, at: 48)
        bytes.put(UInt32(payloadLength), at: 52)
        bytes.put(chain, at: 56)
        bytes.put(UInt32(0), at: 60)
        bytes.put(UInt64(Self.version) | (hasZeroSector ? 1 << 8 : 0) | (isReset ? 2 << 8 : 0), at: 64)
        bytes.put(Format.checksum(UnsafeRawBufferPointer(rebasing: bytes[8..<Self.size]), continuing: seed), at: 4)
    }

    /// Nil unless the bytes are a header that was written with this seed.
    init?(decoding bytes: UnsafeRawBufferPointer, seed: UInt32) {
        guard bytes.count >= Self.size, bytes.word32(0) == Self.magic,
            bytes.word32(4) == Format.checksum(bytes.slice(8..<Self.size), continuing: seed),
            bytes[64] == Self.version, let previousEnd = Int(exactly: bytes.word64(40)),
            // No log gets there, and counting on from it would trap.
            (1..<UInt64.max).contains(bytes.word64(16))
        else { return nil }
        segment = bytes.word64(8)
        sequence = bytes.word64(16)
        keep = LogID(term: Term(bytes.word64(32)), index: LogIndex(bytes.word64(24)))
        self.previousEnd = previousEnd
        chainBefore = bytes.word32(48)
        payloadLength = Int(bytes.word32(52))
        chain = bytes.word32(56)
        hasZeroSector = bytes[65] & 1 != 0
        isReset = bytes[65] & 2 != 0
    }

    init(
        segment: UInt64, sequence: UInt64, keep: LogID, previousEnd: Int, chainBefore: UInt32, isReset: Bool = false
    ) {
        self.segment = segment
        self.sequence = sequence
        self.keep = keep
        self.previousEnd = previousEnd
        self.chainBefore = chainBefore
        payloadLength = 0
        chain = 0
        hasZeroSector = false
        self.isReset = isReset
    }
}

/// Builds frames, one after another, in one buffer.
struct FrameBuffer {
    private var bytes: [UInt8]

    init() {
        bytes = [UInt8](repeating: 0, count: FrameHeader.size)
    }

    var payloadLength: Int { bytes.count - FrameHeader.size }

    mutating func append(_ records: ArraySlice<UInt8>) { bytes.append(contentsOf: records) }

    /// Begins anew. Keeps the storage, unless a single large entry made it larger than any other frame needs.
    mutating func removeAll() {
        if bytes.capacity > 2 * Format.maximumFramePayload {
            self = FrameBuffer()
        } else {
            bytes.removeLast(bytes.count - FrameHeader.size)
        }
    }

    /// Completes the frame: fills in the header's lengths and checksums, pads and closes it.
    ///
    /// - Parameter offset: where in the segment it will be written.
    mutating func seal(_ header: inout FrameHeader, seed: UInt32, at offset: Int) {
        let length = payloadLength
        let padded = FrameHeader.paddedLength(length)
        bytes.append(contentsOf: repeatElement(0, count: padded - length + FrameHeader.trailerSize))
        bytes.withUnsafeMutableBytes { frame in
            let all = UnsafeRawBufferPointer(frame)
            let payload = FrameHeader.size..<(FrameHeader.size + padded)
            header.payloadLength = length
            header.hasZeroSector = Sectors.hasZeroSector(all, within: payload, frameAt: offset)
            header.chain = FrameHeader.chain(
                seed: seed, before: header.chainBefore,
                payload: all.slice(payload.lowerBound..<(payload.lowerBound + length)))
            header.encode(into: frame, seed: seed)
            frame.put(FrameHeader.trailerMagic, at: payload.upperBound)
            frame.put(header.chain, at: payload.upperBound + 4)
        }
    }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws(RaftError) -> Result) throws(RaftError) -> Result {
        var failure: RaftError?
        let result = bytes.withUnsafeBytes { frame -> Result? in
            do throws(RaftError) { return try body(frame) } catch {
                failure = error
                return nil
            }
        }
        if let failure { throw failure }
        return result!
    }
}
