import Testing

@testable import Raft

@Suite("The terms of a log, as runs")
struct TermRunsTests {
    /// Runs of the log with these terms, appended one entry at a time; the first entry follows `purged`.
    func runs(_ terms: [Term], purged: LogID = .zero) -> TermRuns {
        var runs = TermRuns(purged: purged)
        for (offset, term) in terms.enumerated() {
            let id = LogID(purged.index.advanced(by: offset + 1), term)
            runs.append(first: id, last: id)
        }
        return runs
    }

    static let logs: [[Term]] = [
        [], [1], [1, 1, 1], [1, 2, 3], [1, 1, 4, 4, 5, 5, 6, 6, 6], [2, 2, 2, 3, 3, 3, 3, 3], [5, 5, 9],
    ]

    @Test("The term at every index is the one that was appended, before and after every truncation", arguments: logs)
    func terms(_ log: [Term]) {
        for purged in [LogID.zero, LogID(7, 1)] {
            for keep in 0...log.count {
                var runs = runs(log, purged: purged)
                runs.truncate(through: purged.index.advanced(by: keep))
                let kept = log[..<keep]
                #expect(runs.last == (keep == 0 ? purged : LogID(purged.index.advanced(by: keep), kept.last!)))
                for (offset, term) in kept.enumerated() {
                    #expect(runs.term(at: purged.index.advanced(by: offset + 1)) == term)
                }
                #expect(runs.term(at: purged.index) == purged.term)
                #expect(runs.term(at: purged.index.advanced(by: keep + 1)) == nil)
                if purged.index > 0 { #expect(runs.term(at: purged.index.previous) == nil) }
                #expect(runs.starts.map(\.term) == kept.reduce(into: []) { if $0.last != $1 { $0.append($1) } })
            }
        }
    }

    @Test("A batch of several terms is the same as its entries one by one")
    func batches() {
        var whole = TermRuns()
        whole.append(first: LogID(1, 1), last: LogID(5, 4), runStarts: [LogID(3, 2), LogID(5, 4)])
        let single = runs([1, 1, 2, 2, 4])
        #expect(whole.starts == single.starts)
        #expect(whole.last == single.last)
    }

    @Test(
        "What can still agree is the last entry at or below the index and the term, as a search finds it",
        arguments: logs)
    func agreeable(_ log: [Term]) {
        let runs = runs(log)
        for index in 0...(log.count + 2) {
            for term in 0...10 {
                let id = LogID(LogIndex(UInt64(index)), Term(UInt64(term)))
                let naive =
                    (1...max(log.count, 1)).filter { $0 <= log.count && $0 <= index && log[$0 - 1] <= id.term }.max()
                    .map { LogID(LogIndex(UInt64($0)), log[$0 - 1]) } ?? .zero
                #expect(runs.lastAgreeable(with: id) == naive)
            }
        }
    }

    @Test("Truncating above the end changes nothing")
    func aboveEnd() {
        var runs = runs([1, 2])
        runs.truncate(through: 9)
        #expect(runs.last == LogID(2, 2))
    }
}
