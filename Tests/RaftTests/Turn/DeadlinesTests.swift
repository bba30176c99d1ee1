import Testing

@testable import Raft

@Suite("Deadlines of callers")
struct DeadlinesTests {
    private let loop = ManualLoop()

    @Test("Each caller is told at its own moment, in the order of those, and by no other one's timer")
    func moments() {
        let deadlines = Deadlines(loop: loop)
        let callers = (0..<4).map { _ in Caller() }
        for (caller, milliseconds) in zip(callers, [30, 10, 20, 10]) {
            deadlines.add(caller.completion, within: .milliseconds(milliseconds), "nothing came", outcome: .unknown)
        }
        func told() -> [Int] { callers.map(\.answerCount) }
        loop.advance(.milliseconds(9))
        #expect(told() == [0, 0, 0, 0])
        loop.advance(.milliseconds(1))
        #expect(told() == [0, 1, 0, 1])
        loop.advance(.milliseconds(10))
        #expect(told() == [0, 1, 1, 1])
        loop.advance(.milliseconds(10))
        #expect(told() == [1, 1, 1, 1] && deadlines.count == 0)
        #expect(callers[0].error?.code == .deadlineExceeded && callers[0].error?.outcome == .unknown)
        #expect(callers[0].error?.message == "nothing came within 0.03 seconds")
    }

    @Test("Without a time there is no deadline; one that is over comes at once")
    func edges() {
        let deadlines = Deadlines(loop: loop)
        let (endless, late) = (Caller(), Caller())
        deadlines.add(endless.completion, within: nil, "nothing came")
        deadlines.add(late.completion, within: .seconds(-1), "nothing came")
        loop.advance(.seconds(1000))
        #expect(endless.answerCount == 0 && late.error?.outcome == .nothingHappened)
    }

    @Test("Who has an answer is told nothing more, and is soon let go of")
    func settled() {
        let deadlines = Deadlines(loop: loop)
        let waiting = Caller()
        deadlines.add(waiting.completion, within: .seconds(60), "nothing came")
        for _ in 0..<10_000 {
            let caller = Caller()
            let ticket = caller.completion
            deadlines.add(ticket, within: .seconds(5), "nothing came")
            ticket.succeed()
        }
        #expect(deadlines.count <= 128, "only one of them waits")
        loop.advance(.seconds(5))
        #expect(deadlines.count <= 1)
        loop.advance(.seconds(55))
        #expect(waiting.answerCount == 1)
    }

    @Test("However many callers with short times come and go beside one with a long time, there are few timers")
    func timers() {
        let deadlines = Deadlines(loop: loop)
        let patient = Caller()
        deadlines.add(patient.completion, within: .seconds(60 * 60), "nothing came")
        for _ in 0..<10_000 {
            deadlines.add(Caller().completion, within: .milliseconds(1), "nothing came")
            loop.advance(.milliseconds(1))
            #expect(deadlines.timerCount <= 2)
        }
        // Each with less time than the one before, so that no timer that is there would do.
        for step in 0..<10_000 {
            let caller = Caller()
            let ticket = caller.completion
            deadlines.add(ticket, within: .milliseconds(100_000 - 2 * step), "nothing came")
            ticket.succeed()
            loop.advance(.milliseconds(1))
            #expect(deadlines.timerCount <= 2)
        }
        loop.advance(.seconds(60 * 60))
        #expect(patient.answerCount == 1 && deadlines.timerCount == 0)
    }
}
