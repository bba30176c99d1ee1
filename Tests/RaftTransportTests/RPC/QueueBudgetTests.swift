import Testing

@testable import RaftTransport

@Suite("The budget of waiting bytes")
struct QueueBudgetTests {
    @Test("Up to the limit everybody may have what it likes; above it, those below the average", arguments: [-1, 0, 1])
    func limit(_ over: Int) {
        let budget = QueueBudget(maximumBytes: 100)
        #expect(budget.change(from: 0, to: 60))
        #expect(budget.change(from: 0, to: 10))
        // Two hold 70; a third brings it to the limit, or past it, with more than its share.
        #expect(budget.change(from: 0, to: 30 + over))
        let greedy = budget.change(from: 60, to: 61)
        #expect(greedy == (over < 0), "\(over)")
        #expect(budget.bytes == 101 + over)
        // Whoever has little waiting, or less than before, is not in the way.
        #expect(budget.change(from: 10, to: 20))
        #expect(budget.change(from: 61, to: 50))
    }

    @Test("What has been taken no longer counts")
    func taken() {
        let budget = QueueBudget(maximumBytes: 100)
        for _ in 0..<50 {
            #expect(budget.change(from: 0, to: 90))
            #expect(budget.change(from: 90, to: 0))
        }
        #expect(budget.bytes == 0)
        #expect(!budget.change(from: 0, to: 101))
    }
}
