import Raft
import RaftSimulation
import TestTraits
import Testing

@testable import RaftStorage

@Suite("Damage in the log", .heavy)
struct LogRecoveryTests {
    private let thirdSegment = "/data/log/0000000000000003.segment"

    /// Three segments with frames in each.
    private func written() throws -> (disk: SimulatedFileSystem, model: Model) {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        var model = Model()
        for index in 1...12 as ClosedRange<UInt64> {
            let operation = LogOperation.append(entries(LogIndex(index), term: Term(index / 4), sizes: [700]))
            try store.log.write([operation])
            model.perform(operation)
        }
        store.close()
        #expect(disk.contents(of: thirdSegment) != nil)
        return (disk, model)
    }

    private func expectRefused(_ disk: SimulatedFileSystem, naming text: String...) {
        func files() -> [String: [UInt8]] { disk.snapshot().filter { !$0.key.hasSuffix("lock") } }
        let before = files()
        let refusal = error(.corrupt) { _ = try OpenLog(disk) }
        for part in text { #expect(refusal?.message.contains(part) == true, "\(refusal?.message ?? "")") }
        let isUnchanged = files() == before
        #expect(isUnchanged)
    }

    @Test(
        "A frame with a number from which counting cannot go on is damage, and no trap",
        arguments: [0, .max] as [UInt64])
    func hostileNumber(_ sequence: UInt64) throws {
        let incarnation = try OpenLog(SimulatedFileSystem()).directory.identity.incarnation
        let disk = SimulatedFileSystem()
        try OpenLog(disk).close()
        let header = FrameHeader(
            segment: 7, sequence: sequence, keep: LogID(term: 1, index: 9), previousEnd: 512, chainBefore: 0)
        let seed = Format.seed(incarnation: incarnation.rawValue, segment: 7)
        var frame = [UInt8](repeating: 0, count: FrameHeader.size)
        frame.withUnsafeMutableBytes { header.encode(into: $0, seed: seed) }
        #expect(frame.withUnsafeBytes { FrameHeader(decoding: $0, seed: seed) } == nil)
        // A purged log that begins with it.
        let path = "/data/log/" + Segment.name(of: 7)
        let first = try Segment.create(
            number: 7, size: 4096, incarnation: incarnation, in: "/data/log", fileSystem: disk)
        try first.file.write(frame, at: Format.firstFrame)
        disk.setContents(of: firstSegment, to: nil)
        expectRefused(disk, naming: path)
    }

    @Test(
        "A byte changed in any frame that others follow stops the start, which names file and offset and changes nothing"
    )
    func middle() throws {
        let (disk, _) = try written()
        let frame = frameSize(732)
        for offset in stride(from: 512, to: 512 + 4 * frame, by: 17) {
            disk.damage(firstSegment, at: offset)
            let start = 512 + (offset - 512) / frame * frame
            expectRefused(disk, naming: firstSegment, "offset \(start)", "valid frames follow", "Replace this member")
            disk.damage(firstSegment, at: offset)
        }
        try OpenLog(disk).close()
    }

    @Test(
        "A frame that does not follow the one before it is refused, although its checksums are right",
        arguments: [
            ("number", "frame 9, expected 2: frames are missing"),
            ("end", "the frame before this one ended at 520, but was found to end at"),
            ("keep", "the frame follows entry 40@1, which the log, ending with 1@1, does not hold"),
        ])
    func misfit(field: String, reason: String) throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        try store.log.write([.append(entries(1, term: 1, sizes: [700]))])
        try store.log.write([.append(entries(2, term: 1, sizes: [700]))])
        let seed = Format.seed(incarnation: store.directory.identity.incarnation.rawValue, segment: 1)
        store.close()
        var bytes = try #require(disk.contents(of: firstSegment))
        let second = 512 + frameSize(732)
        try bytes[second...].withUnsafeMutableBytes { frame in
            var header = try #require(FrameHeader(decoding: UnsafeRawBufferPointer(frame), seed: seed))
            switch field {
            case "number": header.sequence = 9
            case "end": header.previousEnd = 520
            default: header.keep = LogID(term: 1, index: 40)
            }
            header.encode(into: frame, seed: seed)
        }
        disk.setContents(of: firstSegment, to: bytes)
        expectRefused(disk, naming: firstSegment, "offset \(second)", reason)
    }

    @Test("A frame with a frame behind it in the same segment is not cut, even with a sector missing")
    func missingSectorInTheMiddle() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        try store.log.write([.append(entries(1, term: 1, sizes: [1200]))])
        try store.log.write([.append(entries(2, term: 1, sizes: [10]))])
        store.close()
        var bytes = try #require(disk.contents(of: firstSegment))
        bytes.replaceSubrange(1024..<1536, with: repeatElement(0, count: 512))
        disk.setContents(of: firstSegment, to: bytes)
        expectRefused(
            disk, naming: "offset 512", "checksum", "a valid frame follows at offset \(512 + frameSize(1232))")
        // The header's sector too: where the frame ends is unknown then, but the next one is found.
        bytes.replaceSubrange(512..<1024, with: repeatElement(0, count: 512))
        disk.setContents(of: firstSegment, to: bytes)
        expectRefused(disk, naming: "offset 512", "a valid frame follows at offset \(512 + frameSize(1232))")
    }

    @Test("Frames that turned into zeros are missed when a later segment says that they were there")
    func lostFrames() throws {
        let (disk, _) = try written()
        var bytes = try #require(disk.contents(of: secondSegment))
        bytes.replaceSubrange(512..., with: repeatElement(0, count: bytes.count - 512))
        disk.setContents(of: secondSegment, to: bytes)
        expectRefused(disk, naming: secondSegment, "offset 512")
    }

    @Test("A byte changed in a segment's header stops the start")
    func segmentHeader() throws {
        let (disk, _) = try written()
        for offset in 0..<48 {
            disk.damage(secondSegment, at: offset)
            expectRefused(disk, naming: secondSegment, "offset 0")
            disk.damage(secondSegment, at: offset)
        }
    }

    @Test("A missing, shortened, swapped or foreign segment stops the start")
    func segments() throws {
        let (disk, _) = try written()
        let first = disk.contents(of: firstSegment)
        let second = try #require(disk.contents(of: secondSegment))
        // The first one may have been purged: whether a snapshot has what it held, a start of the node sees.
        disk.setContents(of: firstSegment, to: nil)
        let purged = try OpenLog(disk)
        #expect(purged.recovered.purged.index > 0)
        purged.close()
        disk.setContents(of: firstSegment, to: first)
        disk.setContents(of: secondSegment, to: nil)
        expectRefused(disk, naming: "segment 2 is missing")
        disk.setContents(of: secondSegment, to: Array(second.dropLast()))
        expectRefused(disk, naming: secondSegment, "4095 bytes of the 4096")
        disk.setContents(of: secondSegment, to: [])
        expectRefused(disk, naming: secondSegment, "fewer than a header")
        disk.setContents(of: secondSegment, to: first)
        expectRefused(disk, naming: secondSegment, "that of segment 1")
        let other = SimulatedFileSystem()
        _ = try openDirectory(other, seed: 2)
        let stranger = try OpenLog(other)
        try stranger.log.write([.append(entries(1, term: 1, sizes: [3000, 3000]))])
        disk.setContents(of: secondSegment, to: other.contents(of: secondSegment))
        expectRefused(disk, naming: secondSegment, "incarnation")
        disk.setContents(of: secondSegment, to: second)
        for number in 1...4 { disk.setContents(of: "/data/log/000000000000000\(number).segment", to: nil) }
        expectRefused(disk, naming: "no segment")
    }

    @Test("A segment that stands in for a later state of itself is noticed by the one behind it")
    func staleSegment() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        try store.log.write([.append(entries(1, term: 1, sizes: [700]))])
        let stale = disk.contents(of: firstSegment)
        for index in 2...6 as ClosedRange<UInt64> {
            try store.log.write([.append(entries(LogIndex(index), term: 1, sizes: [700]))])
        }
        store.close()
        disk.setContents(of: firstSegment, to: stale)
        expectRefused(disk, naming: firstSegment, "offset \(512 + frameSize(732))")
    }

    @Test("Unknown files are ignored and kept")
    func unknownFiles() throws {
        let (disk, model) = try written()
        let names = ["/data/notes", "/data/log/notes", "/data/log/7.segment", "/data/log/0000000000000009.segment.bak"]
        for name in names { disk.setContents(of: name, to: [1, 2, 3]) }
        let store = try OpenLog(disk)
        try model.expectHeld(by: store)
        store.close()
        for name in names { #expect(disk.contents(of: name) == [1, 2, 3]) }
    }

    @Test("What a dead process left unsynced is made durable before a start counts on it")
    func syncedAtStart() throws {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        // The process dies between the write and the sync.
        disk.stop(afterChanges: 1)
        #expect(throws: RaftError.self) { try store.log.write([.append(entries(1, term: 1, sizes: [50]))]) }
        disk.killProcess()
        store.close()
        let second = try OpenLog(disk)
        #expect(second.recovered.last == LogID(term: 1, index: 1))
        // Whatever a crash takes now, the entry is there: the second start may have told somebody of it.
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<10 {
            disk.crash(using: &generator)
            let again = try OpenLog(disk)
            #expect(again.recovered.last == LogID(term: 1, index: 1))
            again.close()
        }
        second.close()
    }
}
