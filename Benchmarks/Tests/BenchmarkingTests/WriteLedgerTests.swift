import Testing

@testable import Benchmarking

@Suite("The account of writes")
struct WriteLedgerTests {
    private let ledger: WriteLedger = {
        var ledger = WriteLedger()
        ledger.note(.init(serial: 0, due: 0, ended: 5, outcome: .acknowledged))
        ledger.note(.init(serial: 1, due: 10, ended: 30, outcome: .acknowledged))
        ledger.note(.init(serial: 2, due: 20, ended: 21, outcome: .refused("unavailable")), message: "nobody leads")
        ledger.note(.init(serial: 3, due: 30, ended: 40, outcome: .unknown("outcomeUnknown")), message: "cut off")
        ledger.note(.init(serial: 4, due: 40, ended: 41, outcome: .refused("unavailable")), message: "later")
        return ledger
    }()

    @Test("Latencies count from when a write was due, and of acknowledged writes only")
    func latencies() {
        #expect(ledger.latencies().sorted == [5, 20])
        #expect(ledger.latencies(from: 10, to: 20).sorted == [20])
        #expect(ledger.acknowledgedMoments.sorted() == [5, 30])
        #expect(ledger.firstAcknowledgement(dueFrom: 0) == 5 && ledger.firstAcknowledgement(dueFrom: 1) == 30)
        #expect(ledger.firstAcknowledgement(dueFrom: 11) == nil)
    }

    @Test("Errors are counted by kind and outcome, with the first message of each")
    func errors() {
        #expect(
            ledger.errors() == [
                .init(kind: "unavailable", outcome: "nothingHappened", count: 2, example: "nobody leads"),
                .init(kind: "outcomeUnknown", outcome: "unknown", count: 1, example: "cut off"),
            ])
        #expect(ledger.errors(from: 40, to: 41).map(\.kind) == ["outcomeUnknown"])
    }

    @Test("Every acknowledged write that is there, and nothing else, is sound")
    func sound() {
        let verdict = ledger.verdict(found: [0: true, 1: true])
        #expect(verdict.isSound)
        #expect(verdict.acknowledged == 2 && verdict.refused == 2 && verdict.unknown == 1 && verdict.made == 5)
        #expect(verdict.unknownApplied == 0 && verdict.unknownNotApplied == 1)
    }

    @Test("An unknown write that is there did no harm, and is told apart")
    func unknownApplied() {
        let verdict = ledger.verdict(found: [0: true, 1: true, 3: true])
        #expect(verdict.isSound && verdict.unknownApplied == 1 && verdict.unknownNotApplied == 0)
    }

    @Test("An acknowledged write that is missing, or has another value, is lost")
    func lost() {
        #expect(ledger.verdict(found: [0: true]).lost == 1)
        let verdict = ledger.verdict(found: [0: true, 1: false])
        #expect(verdict.lost == 1 && !verdict.isSound && verdict.examples == [1])
    }

    @Test("A refused write that is there shows that the refusal lied")
    func lie() {
        let verdict = ledger.verdict(found: [0: true, 1: true, 4: true])
        #expect(verdict.refusedYetApplied == 1 && !verdict.isSound && verdict.examples == [4])
    }

    @Test("What nobody wrote, or a value that nobody wrote, is strange")
    func strange() {
        #expect(ledger.verdict(found: [0: true, 1: true, 9: true]).strange == 1)
        #expect(ledger.verdict(found: [0: true, 1: true, 3: false]).strange == 1)
    }
}
