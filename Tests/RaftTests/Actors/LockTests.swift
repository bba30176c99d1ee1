import Testing

@testable import Raft

@Suite("The lock", .timeLimit(.minutes(1)))
struct LockTests {
    @Test("What many threads do under the lock happens one after another")
    func exclusion() async {
        let value = Lock(0)
        let loops = (0..<4).map { ThreadLoop(name: "lock-\($0)") }
        let latch = Latch(4 * 1000)
        for loop in loops {
            for _ in 0..<1000 {
                loop.post(
                    Block {
                        value.withLock { $0 += 1 }
                        latch.countDown()
                    })
            }
        }
        await latch.wait()
        #expect(value.withLock { $0 } == 4000)
        for loop in loops { loop.stop() }
    }

    @Test("What a body throws comes out, and the lock is free again")
    func throwing() {
        let value = Lock(1)
        #expect(throws: RaftError.self) {
            try value.withLock { (_: inout Int) throws(RaftError) -> Void in throw RaftError(.storage, "test") }
        }
        #expect(value.withLock { $0 } == 1)
    }
}
