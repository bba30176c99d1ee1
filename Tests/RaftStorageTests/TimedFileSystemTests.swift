import Raft
import RaftSimulation
import RaftStorage
import Testing

@Suite("A file system that times syncs of the log")
struct TimedFileSystemTests {
    @Test("Every write of entries is timed once; votes, directories and segments made ahead are not")
    func syncs() throws {
        let count = Lock(0)
        let disk = TimedFileSystem(SimulatedFileSystem()) { time in
            #expect(time >= .zero)
            count.withLock { $0 += 1 }
        }
        let directory = try openDirectory(disk)
        let log = try SegmentedLog(directory: directory, segmentBytes: 1 << 16)
        _ = try log.open()
        let atStart = count.withLock { $0 }
        for index in 1...5 as ClosedRange<UInt64> {
            try log.write([.append(entries(LogIndex(index), term: 1, sizes: [100]))])
        }
        #expect(count.withLock { $0 } == atStart + 5)
        try log.write([.hardState(HardState(currentTerm: 2, votedFor: 1))])
        #expect(count.withLock { $0 } == atStart + 5)
        #expect(try directory.logBytes() >= 4096 && directory.logBytes() % 4096 == 0)
        log.close()
        directory.close()
    }

    @Test("A sync that fails is not timed, and fails")
    func failure() throws {
        let base = SimulatedFileSystem()
        let count = Lock(0)
        let disk = TimedFileSystem(base) { _ in count.withLock { $0 += 1 } }
        let directory = try openDirectory(disk)
        let file = try disk.open(firstSegment, .readWrite)
        let before = count.withLock { $0 }
        base.failNext(.sync, at: firstSegment)
        #expect(throws: RaftError.self) { try file.sync() }
        #expect(count.withLock { $0 } == before)
        try file.sync()
        #expect(count.withLock { $0 } == before + 1)
        file.close()
        directory.close()
    }
}
