import Testing

@testable import Raft

@Suite("The log writer")
struct LogWriterTests {
    /// A writer whose disk and loop the test turns apart.
    final class Stage {
        let loop = ManualLoop()
        let disk = ManualLoop()
        let store = WatchedStore()
        let mailbox: Mailbox<Message>
        let writer: LogWriter
        let replies = SentReplies()
        private var writes = OutstandingWrites()

        init() {
            mailbox = Mailbox(loop: loop)
            writer = LogWriter(loop: loop, disk: disk, store: store, mailbox: mailbox)
        }

        func write(_ term: Term, reply round: UInt64? = nil) {
            let state = HardState(currentTerm: term)
            let id = writes.begin(last: 0, hardState: state, now: .zero)
            writer.assumeIsolated { [replies] writer in
                writer.add([.hardState(state)], id: id, replies: round.map { [replies.held($0)] } ?? [])
                writer.begin()
            }
        }
        func release(_ round: UInt64) {
            writer.assumeIsolated { [replies] in $0.releaseAfterWrites(replies.held(round)) }
        }
        /// What the writer told the node, as text.
        func told() -> [String] {
            var messages: [Message] = []
            mailbox.takeAll(into: &messages)
            return messages.map {
                switch $0 {
                case .durable(let id): "durable \(id.rawValue)"
                case .writeFailed(let error): "failed: \(error)"
                case .logRoom(let shortage): shortage == nil ? "room" : "no room"
                default: "\($0)"
                }
            }
        }
    }

    final class SentReplies: ReplyPath {
        private let rounds = Lock<[UInt64]>([])
        var sent: [UInt64] { rounds.withLock { $0 } }
        func held(_ round: UInt64) -> HeldReply {
            HeldReply(path: self, reply: .vote(VoteReply(phase: .vote, round: round, term: 1, isGranted: true)))
        }
        func send(_ reply: PeerReply) {
            if case .vote(let reply) = reply { rounds.withLock { $0.append(reply.round) } }
        }
    }

    @Test("A reply leaves once the write that it rides with is durable, and not before")
    func repliesRide() throws {
        let stage = Stage()
        stage.write(1, reply: 11)
        stage.loop.run()
        #expect(stage.replies.sent == [] && stage.told() == [])
        stage.disk.run()
        #expect(stage.replies.sent == [], "the disk's thread sends nothing itself")
        stage.loop.run()
        #expect(stage.replies.sent == [11] && stage.told() == ["durable 1"])
        #expect(try stage.store.open().hardState == HardState(currentTerm: 1))
    }

    @Test("On a full disk nothing is said of what waits; the store is asked again once a second, until all is durable")
    func outOfSpace() throws {
        let stage = Stage()
        stage.store.fill(true)
        stage.write(1, reply: 1)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [] && stage.told() == ["no room"])
        stage.write(2, reply: 2)
        stage.release(3)
        #expect(stage.disk.isIdle, "it is left alone for a while")
        stage.loop.advance(LogWriter.spaceInterval)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [] && stage.told() == [])
        stage.store.fill(false)
        stage.loop.advance(LogWriter.spaceInterval)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [1, 2, 3] && stage.told() == ["durable 2", "room"])
        #expect(try stage.store.open().hardState == HardState(currentTerm: 2))
        stage.loop.advance(LogWriter.spaceInterval)
        #expect(stage.disk.isIdle, "nothing is asked any more")
    }

    @Test("Where room is missing only for later, writes go on, and the store is asked again without one")
    func shortage() {
        let stage = Stage()
        stage.store.runShort(true)
        stage.write(1, reply: 1)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [1] && stage.told() == ["durable 1", "no room"])
        stage.write(2, reply: 2)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [1, 2] && stage.told() == ["durable 2"])
        stage.store.runShort(false)
        stage.loop.advance(LogWriter.spaceInterval)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.told() == ["room"])
        #expect(stage.store.usesAfterClose == 0)
    }

    @Test("A writer that is closed on a full disk asks for nothing any more")
    func closedWithoutRoom() {
        let stage = Stage()
        stage.store.fill(true)
        stage.write(1, reply: 1)
        stage.disk.run()
        stage.loop.run()
        let isQuiet = Lock(false)
        stage.writer.assumeIsolated { $0.close { isQuiet.withLock { $0 = true } } }
        #expect(isQuiet.withLock { $0 })
        stage.store.fill(false)
        stage.loop.advance(LogWriter.spaceInterval)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [])
    }

    @Test("While one group is being synced the next gathers, and goes as one")
    func groups() {
        let stage = Stage()
        stage.write(1, reply: 1)
        stage.write(2, reply: 2)
        stage.write(3, reply: 3)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [1] && stage.told() == ["durable 1"])
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [1, 2, 3] && stage.told() == ["durable 3"], "one sync for both")
    }

    @Test("A reply without a write of its own waits for the latest one, and leaves at once when none is out")
    func riders() {
        let stage = Stage()
        stage.release(1)
        #expect(stage.replies.sent == [1])
        stage.write(1)
        stage.release(2)
        stage.write(2)
        stage.release(3)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [1, 2])
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [1, 2, 3])
    }

    @Test("After what all writes stand on has failed nothing is said, though the disk is idle; the node is told once")
    func failsBeside() {
        let stage = Stage()
        stage.write(1, reply: 1)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [1])
        _ = stage.told()
        stage.writer.assumeIsolated { $0.fail(RaftError(.storage, "no name was made")) }
        // Messages that came before the node hears of it: a repeated append, say, of entries that were never written.
        stage.release(2)
        stage.write(2, reply: 3)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [1])
        #expect(stage.told() == ["failed: no name was made"])
    }

    @Test("After a failure nothing is written and nothing is said any more, and it is not tried again")
    func failure() {
        let stage = Stage()
        stage.store.failWrites()
        stage.write(1, reply: 1)
        stage.write(2, reply: 2)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.told() == ["failed: the disk is gone"])
        stage.write(3, reply: 3)
        stage.release(4)
        stage.disk.run()
        stage.loop.run()
        #expect(stage.replies.sent == [] && stage.told() == [] && stage.disk.isIdle)
    }

    @Test("Closing waits until the disk is quiet, and says nothing more")
    func close() {
        let stage = Stage()
        let closed = Caller()
        stage.write(1, reply: 1)
        stage.write(2, reply: 2)
        stage.writer.assumeIsolated { $0.close { closed.note(Result<Void, RaftError>.success(())) } }
        stage.disk.run()
        stage.loop.run()
        #expect(closed.answerCount == 0, "the second group is out")
        stage.disk.run()
        stage.loop.run()
        #expect(closed.answerCount == 1 && stage.replies.sent == [])
    }
}
