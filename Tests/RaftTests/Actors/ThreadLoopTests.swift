import Testing

@testable import Raft

#if os(Linux)
    import Glibc
#endif

@Suite("A loop that is a thread", .timeLimit(.minutes(1)))
struct ThreadLoopTests {
    @Test("What is posted runs in order, on the loop's thread")
    func order() async {
        let loop = ThreadLoop(name: "test")
        let seen = Lock<[Int]>([])
        let latch = Latch(100)
        for number in 0..<100 {
            loop.post(
                Block {
                    loop.checkIsolated()
                    seen.withLock { $0.append(number) }
                    latch.countDown()
                })
        }
        await latch.wait()
        #expect(seen.withLock { $0 } == Array(0..<100))
        #expect(loop.isIsolatingCurrentContext() == false)
        loop.stop()
    }

    #if os(Linux)
        @Test("A loop for the background lets other threads go first; whoever makes it stays as it is")
        func background() async {
            let own = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
            let seen = Lock<[Int32]>([])
            let latch = Latch(2)
            for isBackground in [true, false] {
                let loop = ThreadLoop(name: "test", isBackground: isBackground)
                loop.post(
                    Block {
                        seen.withLock { $0.append(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)) }
                        loop.stop()
                        latch.countDown()
                    })
            }
            await latch.wait()
            #expect(seen.withLock { $0.sorted() } == [own, min(own + 10, 19)])
            #expect(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) == own)
        }
    #endif

    @Test("Timers run in the order in which they are due, and none before its time")
    func timers() async {
        let loop = ThreadLoop(name: "test")
        let seen = Lock<[(due: Instant, isEarly: Bool)]>([])
        let delays: [Int64] = [30, 5, 20, 4, 0, 25, 10, 15, 21]
        let latch = Latch(delays.count)
        // All set in one go on the loop itself, so that none can run in between.
        loop.post(
            Block {
                for delay in delays {
                    let due = loop.now + .ms(delay)
                    loop.after(
                        .ms(delay),
                        Block {
                            seen.withLock { $0.append((due, loop.now < due)) }
                            latch.countDown()
                        })
                }
            })
        await latch.wait()
        let dues = seen.withLock { $0.map(\.due) }
        #expect(dues == dues.sorted() && dues.count == delays.count)
        #expect(seen.withLock { !$0.contains { $0.isEarly } })
        loop.stop()
    }

    @Test("Posts from many threads each run once, in each thread's order")
    func manyThreads() async {
        let loop = ThreadLoop(name: "test")
        let seen = Lock<[Int]>([])
        let latch = Latch(4 * 1000)
        let posters = (0..<4).map { ThreadLoop(name: "poster-\($0)") }
        for (number, poster) in posters.enumerated() {
            poster.post(
                Block {
                    for message in 0..<1000 {
                        let unit = Block {
                            seen.withLock { $0.append(number * 10_000 + message) }
                            latch.countDown()
                        }
                        if message.isMultiple(of: 10) { loop.after(.zero, unit) } else { loop.post(unit) }
                    }
                })
        }
        await latch.wait()
        let all = seen.withLock { $0 }
        #expect(Set(all).count == 4000)
        for number in 0..<4 {
            let posted = all.filter { $0 / 10_000 == number }.map { $0 % 10_000 }.filter { !$0.isMultiple(of: 10) }
            #expect(posted == (0..<1000).filter { !$0.isMultiple(of: 10) })
        }
        for loop in posters + [loop] { loop.stop() }
    }

    @Test("A loop that has ended keeps nothing that is posted to it")
    func afterStop() {
        let loop = ThreadLoop(name: "test")
        loop.stop()
        weak var posted: Block?
        weak var timed: Block?
        do {
            let unit = Block {}
            loop.post(unit)
            posted = unit
            let timer = Block {}
            loop.after(.seconds(60), timer)
            timed = timer
        }
        #expect(posted == nil && timed == nil)
        loop.stop()
    }
}
