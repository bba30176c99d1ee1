import Testing

@testable import Raft

@Suite("The numbers of a session's commands")
struct SessionIDTests {
    @Test("Each command gets a number of its own, and names the lowest one without a reply")
    func numbers() {
        var numbers = SessionNumbers(SessionID(7))
        let first = numbers.next()
        #expect(first == SessionRequest(session: SessionID(7), sequence: 1, lowestUnanswered: 1))
        _ = numbers.next()
        _ = numbers.next()
        #expect(numbers.openCount == 3)
        numbers.answered(2)
        #expect(numbers.next() == SessionRequest(session: SessionID(7), sequence: 4, lowestUnanswered: 1))
        numbers.answered(1)
        #expect(numbers.lowestUnanswered == 3)
        numbers.answered(3)
        numbers.answered(4)
        numbers.answered(4)
        #expect(numbers.next() == SessionRequest(session: SessionID(7), sequence: 5, lowestUnanswered: 5))
    }
}
