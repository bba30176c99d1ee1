import Testing

@testable import Raft

@Suite("Tickets", .timeLimit(.minutes(1)))
struct TicketTests {
    @Test("A ticket is settled once: whoever comes first wins, and nobody else is heard")
    func once() {
        let caller = Caller()
        let ticket = caller.completion
        #expect(!ticket.isSettled)
        ticket.fail(RaftError(.notLeader, "first"))
        ticket.succeed()
        ticket.fail(RaftError(.stopped, "third"))
        #expect(ticket.isSettled && !ticket.claim())
        #expect(caller.answerCount == 1 && caller.error?.message == "first")
    }

    @Test("Of many threads that settle one ticket exactly one does")
    func manyThreads() async {
        let loops = (0..<4).map { ThreadLoop(name: "ticket-\($0)") }
        let callers = (0..<500).map { _ in Caller() }
        let tickets = callers.map(\.completion)
        let latch = Latch(loops.count)
        for (number, loop) in loops.enumerated() {
            loop.post(
                Block {
                    for ticket in tickets {
                        if number.isMultiple(of: 2) { ticket.succeed() } else { ticket.fail(RaftError(.stopped, "")) }
                    }
                    latch.countDown()
                })
        }
        await latch.wait()
        #expect(callers.allSatisfy { $0.answerCount == 1 })
        for loop in loops { loop.stop() }
    }

    @Test("A settled ticket keeps nothing of its caller, whoever still holds it")
    func letsGo() {
        final class Held: Sendable {}
        weak var weakly: Held?
        let tickets: [ValueTicket<Int>] = (0..<2).map { _ in
            let held = Held()
            weakly = held
            return ValueTicket { _ in _ = held }
        }
        tickets[1].fail(RaftError(.stopped, ""))
        #expect(weakly == nil)
        #expect(tickets[1].isSettled && !tickets[0].isSettled)
    }
}
