import NIOCore
import NIOPosix
import Raft
import RaftTransport
import Testing

/// Notes the order in which units run.
private final class Note: Activated {
    let name: Int
    let log: Lock<[Int]>
    let then: @Sendable () -> Void
    init(_ name: Int, _ log: Lock<[Int]>, then: @escaping @Sendable () -> Void = {}) {
        self.name = name
        self.log = log
        self.then = then
    }
    nonisolated func activate() {
        log.withLock { $0.append(name) }
        then()
    }
}

private actor Resident {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    private let loop: NIOLoop
    private(set) var count = 0
    init(_ loop: NIOLoop) {
        self.loop = loop
        unownedExecutor = loop.asUnownedSerialExecutor()
    }
    func add() -> Bool {
        count += 1
        return loop.eventLoop.inEventLoop
    }
    nonisolated func addFromLoop() { assumeIsolated { _ = $0.add() } }
}

@Suite("The NIO loop")
struct NIOLoopTests {
    let loop = NIOLoop(MultiThreadedEventLoopGroup.singleton.next())

    @Test("runs what is posted in its order, from within and from without")
    func order() async {
        let log = Lock<[Int]>([])
        await withCheckedContinuation { continuation in
            let last = Note(4, log) { continuation.resume() }
            let loop = loop
            let third = Note(3, log)
            loop.post(
                Note(1, log) {
                    loop.post(third)
                    loop.post(last)
                })
            loop.post(Note(2, log))
        }
        #expect(log.withLock { $0 }.filter { $0 != 2 } == [1, 3, 4])
    }

    @Test("goes on with a chain of units that post each other, however long")
    func chain() async {
        let log = Lock<[Int]>([])
        await withCheckedContinuation { continuation in
            post(1000, log) { continuation.resume() }
        }
        #expect(log.withLock { $0 } == Array((0...1000).reversed()))
    }

    private func post(_ left: Int, _ log: Lock<[Int]>, _ done: @escaping @Sendable () -> Void) {
        loop.post(Note(left, log) { left == 0 ? done() : post(left - 1, log, done) })
    }

    @Test("wakes a unit no earlier than asked")
    func timer() async {
        let log = Lock<[Int]>([])
        let begin = loop.now
        await withCheckedContinuation { continuation in
            loop.after(.milliseconds(20), Note(1, log) { continuation.resume() })
        }
        #expect(loop.now - begin >= .milliseconds(20))
    }

    @Test("is the executor of actors, and lets a unit enter them without waiting")
    func executor() async {
        let resident = Resident(loop)
        #expect(await resident.add())
        await withCheckedContinuation { continuation in
            loop.post(
                Note(1, Lock([])) {
                    resident.addFromLoop()
                    continuation.resume()
                })
        }
        #expect(await resident.count == 2)
    }
}
