import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("The end of the log after a crash", .heavy)
struct TornTailTests {
    private let segmentBytes = 8192

    /// The second segment, which holds frames, and where in it the last frame lies. The first segment is too small for
    /// any of them.
    private func written(padding: Int = 3400) throws -> (disk: SimulatedFileSystem, model: Model, frame: Range<Int>) {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk, segmentBytes: segmentBytes)
        var model = Model()
        let filler = entries(1, term: 1, sizes: [3424])
        let first = entries(2, term: 1, sizes: [padding])
        for batch in [filler, first] {
            try store.log.write([.append(batch)])
            model.perform(.append(batch))
        }
        let start = 512 + frameSize(first.byteCount)
        let last = entries(3, term: 2, sizes: [1500, 1200])
        try store.log.write([.append(last)])
        store.close()
        return (disk, model, start..<(start + frameSize(last.byteCount)))
    }

    /// Starts, expects the frame to be cut and everything before it kept, writes, and starts again.
    private func expectCut(_ disk: SimulatedFileSystem, _ model: Model, isCopyKept: Bool = true, _ note: Comment) throws
    {
        let damaged = disk.contents(of: secondSegment)
        let store = try OpenLog(disk, segmentBytes: segmentBytes)
        try model.expectHeld(by: store)
        let names = try disk.list("/data/log")
        #expect(names.contains { $0.hasSuffix(".broken") } == isCopyKept, note)
        #expect(disk.contents(of: secondSegment) == damaged, note)
        var after = model
        let more = LogOperation.append(entries(model.last.index.next, term: 3, sizes: [40]))
        try store.log.write([more])
        after.perform(more)
        store.close()
        let again = try OpenLog(disk, segmentBytes: segmentBytes)
        try after.expectHeld(by: again)
        again.close()
    }

    private func expectRefused(_ disk: SimulatedFileSystem, _ note: Comment) {
        let before = disk.snapshot().filter { !$0.key.hasSuffix("lock") }
        let refusal = error(.corrupt) { _ = try OpenLog(disk, segmentBytes: segmentBytes) }
        #expect(refusal?.message.contains(secondSegment) == true, note)
        let isUnchanged = disk.snapshot().filter { !$0.key.hasSuffix("lock") } == before
        #expect(isUnchanged, note)
    }

    @Test(
        "A last frame that ends early is cut at whatever byte, and is suspect only if some of its last 8 are there",
        arguments: 0..<8)
    func everyByte(eighth: Int) throws {
        let (disk, model, frame) = try written()
        let whole = try #require(disk.contents(of: secondSegment))
        for cut in stride(from: frame.lowerBound + eighth, to: frame.upperBound, by: 8) {
            var bytes = whole
            bytes.replaceSubrange(cut..<frame.upperBound, with: repeatElement(0, count: frame.upperBound - cut))
            if bytes == whole { continue }
            for name in try disk.list("/data/log") where name != "0000000000000001.segment" {
                disk.setContents(of: "/data/log/\(name)", to: nil)
            }
            disk.setContents(of: secondSegment, to: bytes)
            if cut == frame.lowerBound {
                try expectCut(disk, model, isCopyKept: false, "nothing of the frame is there")
            } else if cut <= frame.upperBound - 8 {
                try expectCut(disk, model, "cut at byte \(cut - frame.lowerBound)")
            } else {
                expectRefused(disk, "cut at byte \(cut - frame.lowerBound)")
            }
        }
    }

    @Test("Whichever sectors of the last frame are missing, it is cut", arguments: [3400, 3376, 3352])
    func everySubsetOfSectors(padding: Int) throws {
        // The paddings put the frame's header into one sector, and across two.
        let (disk, model, frame) = try written(padding: padding)
        let whole = try #require(disk.contents(of: secondSegment))
        let sectors = (frame.lowerBound / 512)...((frame.upperBound - 1) / 512)
        for subset in 1..<(1 << sectors.count) {
            var bytes = whole
            for sector in sectors where subset >> (sector - sectors.lowerBound) & 1 == 1 {
                let lost = max(frame.lowerBound, sector * 512)..<min(frame.upperBound, sector * 512 + 512)
                bytes.replaceSubrange(lost, with: repeatElement(0, count: lost.count))
            }
            for name in try disk.list("/data/log") where name != "0000000000000001.segment" {
                disk.setContents(of: "/data/log/\(name)", to: nil)
            }
            disk.setContents(of: secondSegment, to: bytes)
            try expectCut(
                disk, model, isCopyKept: subset != (1 << sectors.count) - 1,
                "missing sectors \(String(subset, radix: 2))")
        }
    }

    @Test(
        "A last frame with any byte changed, and no sector missing, is suspect: the start is refused, nothing changed")
    func suspect() throws {
        let (disk, _, frame) = try written()
        for offset in stride(from: frame.lowerBound, to: frame.upperBound, by: 13) {
            disk.damage(secondSegment, at: offset, mask: 0x40)
            expectRefused(disk, "byte \(offset - frame.lowerBound)")
            disk.damage(secondSegment, at: offset, mask: 0x40)
        }
    }

    @Test("A sector that is zero because the entry is proves nothing; one that cannot be does")
    func zeroSectors() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        var builder = EntryBatch.Builder(first: 1, term: 1)
        builder.append(.command, [UInt8](repeating: 0, count: 2000))
        try store.log.write([.append(builder.finish()!)])
        store.close()
        let whole = try #require(disk.contents(of: firstSegment))
        // Whole: zeros or not, it is there.
        let held = try OpenLog(disk)
        #expect(held.recovered.last == LogID(term: 1, index: 1))
        held.close()
        // Rot in the record's header, all sectors there.
        disk.damage(firstSegment, at: 512 + 72 + 8)
        let before = disk.contents(of: firstSegment)
        _ = error(.corrupt) { _ = try OpenLog(disk) }
        #expect(disk.contents(of: firstSegment) == before)
        // The frame's last sector, which ends in a word that is never zero, is missing.
        var torn = whole
        let end = 512 + frameSize(2032)
        torn.replaceSubrange((end - 1) / 512 * 512..<end, with: repeatElement(0, count: (end - 1) % 512 + 1))
        disk.setContents(of: firstSegment, to: torn)
        let cut = try OpenLog(disk)
        #expect(cut.recovered.last == .zero)
        cut.close()
    }

    @Test("The copy of what was cut holds its bytes")
    func brokenCopy() throws {
        let (disk, _, frame) = try written()
        var bytes = try #require(disk.contents(of: secondSegment))
        let lastSector = (frame.upperBound - 1) / 512 * 512
        bytes.replaceSubrange(
            lastSector..<frame.upperBound, with: repeatElement(0, count: frame.upperBound - lastSector))
        disk.setContents(of: secondSegment, to: bytes)
        try OpenLog(disk, segmentBytes: segmentBytes).close()
        let copy = try #require(disk.contents(of: "\(secondSegment).\(frame.lowerBound).broken"))
        #expect(copy.starts(with: bytes[frame.lowerBound..<lastSector]))
    }
}
