import Testing

@testable import Raft

@Suite("The mailbox", .timeLimit(.minutes(1)))
struct MailboxTests {
    /// Takes everything out each time it is woken.
    final class Owner: Activated {
        let mailbox: Mailbox<Int>
        let taken = Lock<[[Int]]>([])
        private let latch: Latch?
        init(_ mailbox: Mailbox<Int>, latch: Latch? = nil) {
            self.mailbox = mailbox
            self.latch = latch
        }
        func activate() {
            var messages: [Int] = []
            mailbox.takeAll(into: &messages)
            taken.withLock { $0.append(messages) }
            for _ in messages { latch?.countDown() }
        }
    }

    @Test("A burst of messages is one wake-up, in the order posted")
    func burst() {
        let loop = ManualLoop()
        let mailbox = Mailbox<Int>(loop: loop)
        let owner = Owner(mailbox)
        mailbox.setOwner(owner)
        for number in 1...3 { mailbox.post(number) }
        loop.run()
        mailbox.post(4)
        loop.run()
        #expect(owner.taken.withLock { $0 } == [[1, 2, 3], [4]])
    }

    @Test("Above the limit an offer is refused; what must not be lost is taken all the same")
    func limit() {
        let mailbox = Mailbox<Int>(loop: ManualLoop(), maximumCount: 2)
        #expect(mailbox.offer(1) == .accepted && mailbox.offer(2) == .accepted)
        #expect(mailbox.offer(3) == .full)
        #expect(mailbox.post(4))
        #expect(mailbox.close() == [1, 2, 4])
        #expect(mailbox.offer(5) == .closed && !mailbox.post(6))
    }

    @Test("The mailbox keeps its owner alive until it is closed, and a message to nobody waits")
    func owner() {
        let loop = ManualLoop()
        let mailbox = Mailbox<Int>(loop: loop)
        mailbox.post(1)
        #expect(loop.isIdle)
        weak var kept: Owner?
        do {
            let owner = Owner(mailbox)
            kept = owner
            mailbox.setOwner(owner)
        }
        #expect(kept != nil)
        #expect(mailbox.close() == [1])
        #expect(kept == nil)
    }

    @Test("No message from any thread is lost, repeated, or left lying without a wake-up")
    func manyThreads() async {
        let loop = ThreadLoop(name: "owner")
        let mailbox = Mailbox<Int>(loop: loop)
        let latch = Latch(4 * 2000)
        let owner = Owner(mailbox, latch: latch)
        mailbox.setOwner(owner)
        let posters = (0..<4).map { ThreadLoop(name: "poster-\($0)") }
        for (number, poster) in posters.enumerated() {
            poster.post(Block { for message in 0..<2000 { mailbox.post(number * 10_000 + message) } })
        }
        await latch.wait()
        let all = owner.taken.withLock { $0 }.flatMap { $0 }
        for number in 0..<4 {
            #expect(all.filter { $0 / 10_000 == number }.map { $0 % 10_000 } == Array(0..<2000))
        }
        for loop in posters + [loop] { loop.stop() }
    }
}
