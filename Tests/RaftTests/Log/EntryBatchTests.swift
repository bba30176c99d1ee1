import CChecksum
import Raft
import Testing

@Suite("CRC-32C")
struct ChecksumTests {
    @Test("The check value of the standard comes out (RFC 3720, B.4)")
    func knownValues() {
        #expect(raft_crc32c(0, Array("123456789".utf8), 9) == 0xE306_9283)
        #expect(raft_crc32c(0, [UInt8](repeating: 0, count: 32), 32) == 0x8A91_36AA)
        #expect(raft_crc32c(0, [UInt8](repeating: 0xFF, count: 32), 32) == 0x62A8_AB43)
        #expect(raft_crc32c(0, nil, 0) == 0)
    }

    @Test("They agree where many bytes go through the instruction side by side")
    func sideBySide() {
        let bytes = (0..<30_000).map { UInt8(truncatingIfNeeded: $0 * $0 + 7 * $0 + $0 >> 8) }
        bytes.withUnsafeBytes { all in
            // Around 3 parts of 64, of 256 and of 4096 bytes, and the double of that.
            for center in [192, 384, 768, 1536, 12_288, 13_056, 24_576, 25_344] {
                for length in (center - 9)...(center + 9) {
                    for start in [0, 3] {
                        let part = all.baseAddress! + start
                        #expect(raft_crc32c(0xFF, part, length) == raft_crc32c_portable(0xFF, part, length))
                    }
                }
            }
        }
    }

    @Test("Instruction and table agree for every length and alignment, whole and continued")
    func implementationsAgree() {
        let bytes = (0..<600).map { UInt8(truncatingIfNeeded: $0 * $0 + 7 * $0) }
        bytes.withUnsafeBytes { all in
            for start in 0..<9 {
                for length in 0..<(all.count - start) {
                    let part = all.baseAddress! + start
                    let crc = raft_crc32c(0, part, length)
                    #expect(crc == raft_crc32c_portable(0, part, length))
                    let half = length / 2
                    #expect(crc == raft_crc32c(raft_crc32c_portable(0, part, half), part + half, length - half))
                }
            }
        }
    }
}

@Suite("A batch of entries")
struct EntryBatchTests {
    private func batch(_ first: LogIndex = 5, term: Term = 3, sizes: [Int] = [0, 1, 7, 100, 3]) -> EntryBatch {
        var builder = EntryBatch.Builder(first: first, term: term)
        for (position, size) in sizes.enumerated() {
            builder.append(EntryKind(rawValue: UInt8(position % 3))!, [UInt8](repeating: UInt8(position), count: size))
        }
        return builder.finish()!
    }

    @Test("What was built comes out of its bytes, entry by entry")
    func roundTrip() throws {
        let built = batch()
        let parsed = try EntryBatch(parsing: Array(built.bytes))
        #expect(parsed == built)
        #expect(parsed.count == 5)
        #expect(parsed.first == LogID(term: 3, index: 5))
        #expect(parsed.last == LogID(term: 3, index: 9))
        #expect(parsed[3].id == LogID(term: 3, index: 8))
        #expect(parsed[3].kind == .blank)
        #expect(parsed[3].payload == [UInt8](repeating: 3, count: 100)[...])
        #expect(parsed[4].kind == .command)
        #expect(parsed.byteCount == 5 * EntryRecord.headerSize + 111)
    }

    @Test("A builder without entries gives no batch")
    func emptyBuilder() {
        #expect(EntryBatch.Builder(first: 1, term: 1).finish() == nil)
    }

    @Test("Prefixes and suffixes are the entries they name, and nil when there are none")
    func slices() throws {
        let all = batch()
        #expect(all.suffix(from: 1)?.bytes == all.bytes)
        #expect(all.suffix(from: 8)?.first.index == 8)
        #expect(all.suffix(from: 8)?.count == 2)
        #expect(all.suffix(from: 10) == nil)
        #expect(all.prefix(through: 4) == nil)
        #expect(all.prefix(through: 6)?.last.index == 6)
        #expect(all.prefix(through: 99) == all)
        let middle = try #require(all.suffix(from: 6)?.prefix(through: 8))
        #expect(middle.count == 3)
        #expect(try EntryBatch(parsing: Array(middle.bytes)) == middle)
    }

    @Test("A limit in bytes gives the longest prefix that fits, and one entry at least")
    func byteLimit() {
        let all = batch()
        for limit in 0...(all.byteCount + 1) {
            let part = all.prefix(maximumBytes: limit)
            #expect(part.byteCount <= limit || part.count == 1)
            if part.count < all.count {
                let longer = all.prefix(through: part.lastIndex.next)!
                #expect(longer.byteCount > limit)
            }
        }
    }

    @Test("A bit turned over anywhere is noticed")
    func everyBit() {
        let bytes = Array(batch(sizes: [3, 9]).bytes)
        for bit in 0..<(bytes.count * 8) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: MalformedRecords.self) { try EntryBatch(parsing: damaged) }
        }
    }

    @Test("Bytes that end early, at any place but between two entries, are refused")
    func everyCut() {
        let bytes = Array(batch(sizes: [3, 9]).bytes)
        let boundary = EntryRecord.headerSize + 3
        for count in 0..<bytes.count where count != boundary {
            #expect(throws: MalformedRecords.self) { try EntryBatch(parsing: Array(bytes[..<count])) }
        }
        #expect(throws: Never.self) { try EntryBatch(parsing: Array(bytes[..<boundary])) }
    }

    @Test("Entries with a gap, a falling term, another group or index 0 are refused")
    func order() throws {
        func parse(_ parts: EntryBatch...) throws -> EntryBatch {
            try EntryBatch(parsing: parts.flatMap { Array($0.bytes) })
        }
        #expect(try parse(batch(5, sizes: [1]), batch(6, term: 4, sizes: [1])).last == LogID(term: 4, index: 6))
        #expect(throws: MalformedRecords.self) { try parse(batch(5, sizes: [1]), batch(7, sizes: [1])) }
        #expect(throws: MalformedRecords.self) { try parse(batch(5, sizes: [1]), batch(5, sizes: [1])) }
        #expect(throws: MalformedRecords.self) { try parse(batch(5, sizes: [1]), batch(6, term: 2, sizes: [1])) }
        #expect(throws: MalformedRecords.self) { try parse(batch(0, sizes: [1])) }
        #expect(throws: MalformedRecords.self) { try EntryBatch(parsing: Array(batch().bytes), group: 1) }
    }
}
