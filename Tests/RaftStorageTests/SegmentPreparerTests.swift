import Dispatch
import Raft
import RaftSimulation
import TestTraits
import Testing

@testable import RaftStorage

@Suite("The preparation of segments", .heavy)
struct SegmentPreparerTests {
    private let disk = SimulatedFileSystem()
    private let loop = HeldLoop()
    private let made = Lock<[UInt64]>([])

    private func preparer() throws -> SegmentPreparer {
        try disk.makeDirectory("/log")
        return SegmentPreparer(ready: [], loop: loop) { [disk, made] number throws(RaftError) in
            made.withLock { $0.append(number) }
            return try Segment.create(
                number: number, size: 4096, incarnation: Incarnation(rawValue: 1), in: "/log", fileSystem: disk)
        }
    }

    @Test("A segment that is asked for ahead is made on the loop, once, and handed out")
    func ahead() throws {
        let preparer = try preparer()
        preparer.prepare(2)
        #expect(made.withLock { $0 } == [])
        loop.run()
        loop.run()
        #expect(try preparer.take(2).number == 2)
        #expect(made.withLock { $0 } == [2])
    }

    @Test("A segment that was needed before the loop came to it is never made a second time, over the one in use")
    func late() throws {
        let preparer = try preparer()
        preparer.prepare(2)
        let used = try preparer.take(2)
        try used.file.write([1, 2, 3], at: 512)
        loop.run()
        #expect(made.withLock { $0 } == [2])
        #expect(disk.contents(of: "/log/0000000000000002.segment")?[512] == 1)
    }

    @Test("A failure ahead is tried again when the segment is needed, and then reported")
    func failure() throws {
        let preparer = try preparer()
        disk.limitCapacity(100)
        preparer.prepare(2)
        loop.run()
        let refusal = error(.outOfSpace) { _ = try preparer.take(2) }
        #expect(refusal?.message.contains("No space") == true)
        disk.limitCapacity(nil)
        #expect(try preparer.take(2).number == 2)
    }

    @Test("While a segment is made, nobody who only asks whether there is room waits for it")
    func asking() throws {
        try disk.makeDirectory("/log")
        let (begun, goOn, told) =
            (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let (thread, asker) = (ThreadLoop(name: "segments"), ThreadLoop(name: "asker"))
        defer {
            thread.stop()
            asker.stop()
        }
        let preparer = SegmentPreparer(ready: [], loop: thread) { [disk] number throws(RaftError) in
            begun.signal()
            goOn.wait()
            return try Segment.create(
                number: number, size: 4096, incarnation: Incarnation(rawValue: 1), in: "/log", fileSystem: disk)
        }
        preparer.prepare(2)
        begun.wait()
        // Every write does both, and would take as long as filling a segment.
        let shortages = Lock<[RaftError?]>([])
        asker.post(
            Block {
                let shortage = preparer.shortage
                preparer.prepare(2)
                shortages.withLock { $0.append(shortage) }
                told.signal()
            })
        // Not a limit of the test's time: that counts how long a busy machine keeps it waiting before it begins, too.
        let isTold = told.wait(timeout: .now() + 120) == .success
        goOn.signal()
        #expect(isTold)
        #expect(shortages.withLock { $0 } == [nil])
        #expect(try preparer.take(2).number == 2)
        preparer.close()
    }

    @Test("A segment that exists is never replaced")
    func existing() throws {
        _ = try preparer()
        for number in 1...2 as ClosedRange<UInt64> {
            _ = try Segment.create(
                number: number, size: 4096, incarnation: Incarnation(rawValue: 1), in: "/log", fileSystem: disk)
        }
        let before = disk.snapshot()
        _ = error(.invariantViolated) {
            _ = try Segment.create(
                number: 1, size: 8192, incarnation: Incarnation(rawValue: 1), in: "/log", fileSystem: disk)
        }
        #expect(disk.snapshot() == before)
    }

    @Test("After the end nothing is made")
    func closed() throws {
        let preparer = try preparer()
        preparer.prepare(2)
        preparer.close()
        loop.run()
        #expect(made.withLock { $0 } == [])
    }
}
