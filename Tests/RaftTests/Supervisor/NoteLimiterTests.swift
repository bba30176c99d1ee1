import Testing

@testable import Raft

@Suite("The limit on lines for the log")
struct NoteLimiterTests {
    @Test("Ten lines a second are written; then how many were left out is said, once")
    func limits() {
        var limiter = NoteLimiter()
        var written: [String] = []
        for number in 0..<25 as Range<Int64> {
            written += limiter.admit(Note(weight: .error, text: "\(number)"), now: .ms(5_000 + number)).map(\.text)
        }
        #expect(written == (0..<10).map { "\($0)" })
        let later = limiter.admit(Note(weight: .error, text: "later"), now: .ms(6_000)).map(\.text)
        #expect(later == ["15 more lines like the last ones were left out", "later"])
        #expect(limiter.admit(Note(weight: .error, text: "again"), now: .ms(7_000)).map(\.text) == ["again"])
    }
}
