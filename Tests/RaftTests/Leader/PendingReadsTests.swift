import Testing

@testable import Raft

@Suite("Reads that wait")
struct PendingReadsTests {
    @Test("All that wait share a round; who comes later waits for the next; the index is that of the round's beginning")
    func rounds() throws {
        var reads = PendingReads()
        let early = reads.beginRound(commitIndex: 3)
        #expect(!early && reads.round == 0 && reads.isEmpty, "nobody waits: no round")
        reads.add(Ticket())
        reads.add(Ticket())
        let first = reads.beginRound(commitIndex: 5)
        #expect(first && reads.round == 1)
        reads.add(Ticket())
        let second = reads.beginRound(commitIndex: 9)
        #expect(!second && reads.round == 1, "one round at a time")
        #expect(reads.count == 3)
        let nothing = reads.confirm(round: 0)
        #expect(nothing == nil)
        let served = reads.confirm(round: 1)
        #expect(served?.tickets.count == 2 && served?.index == 5)
        let again = reads.confirm(round: 1)
        #expect(again == nil)
        let third = reads.beginRound(commitIndex: 9)
        #expect(third && reads.round == 2)
        let last = reads.confirm(round: 7)
        #expect(last?.tickets.count == 1 && last?.index == 9)
        #expect(reads.isEmpty)
    }

    @Test("Whoever waits is let go at the end, in a round or not")
    func ends() {
        var reads = PendingReads()
        reads.add(Ticket())
        _ = reads.beginRound(commitIndex: 1)
        reads.add(Ticket())
        let all = reads.takeAll()
        #expect(all.count == 2 && reads.isEmpty)
    }
}
