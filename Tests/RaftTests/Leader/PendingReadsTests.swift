import Testing

@testable import Raft

@Suite("Reads that wait")
struct PendingReadsTests {
    @Test("All that wait share a round; who comes later waits for the next; the index is that of the round's beginning")
    func rounds() throws {
        var reads = PendingReads()
        let early = reads.beginRound(commitIndex: 3)
        #expect(!early && reads.round == 0 && reads.isEmpty, "nobody waits: no round")
        reads.add(.caller(Ticket()))
        reads.add(.caller(Ticket()))
        let first = reads.beginRound(commitIndex: 5)
        #expect(first && reads.round == 1)
        reads.add(.caller(Ticket()))
        let second = reads.beginRound(commitIndex: 9)
        #expect(!second && reads.round == 1, "one round at a time")
        #expect(reads.count == 3)
        let nothing = reads.confirm(round: 0)
        #expect(nothing == nil)
        let served = reads.confirm(round: 1)
        #expect(served?.readers.count == 2 && served?.index == 5)
        let again = reads.confirm(round: 1)
        #expect(again == nil)
        let third = reads.beginRound(commitIndex: 9)
        #expect(third && reads.round == 2)
        let last = reads.confirm(round: 7)
        #expect(last?.readers.count == 1 && last?.index == 9)
        #expect(reads.isEmpty)
    }

    @Test("Whoever waits is let go at the end, in a round or not")
    func ends() {
        var reads = PendingReads()
        reads.add(.caller(Ticket()))
        _ = reads.beginRound(commitIndex: 1)
        reads.add(.caller(Ticket()))
        let all = reads.takeAll()
        #expect(all.count == 2 && reads.isEmpty)
    }

    @Test("Those for whom a lease is enough can be served out of their turn; a round takes everybody")
    func leases() {
        var reads = PendingReads()
        reads.add(.caller(Ticket()))
        reads.add(.caller(Ticket()), mayUseLease: true)
        #expect(reads.hasLeaseReaders)
        let leased = reads.takeLeaseReaders()
        #expect(leased.count == 1 && reads.count == 1 && !reads.hasLeaseReaders)
        reads.add(.caller(Ticket()), mayUseLease: true)
        _ = reads.beginRound(commitIndex: 1)
        #expect(!reads.hasLeaseReaders && reads.count == 2)
        reads.nextRound()
        #expect(reads.round == 2)
        let served = reads.confirm(round: 2)
        #expect(served?.readers.count == 2, "a later round shows as much")
    }

    @Test("Callers who have given up make room")
    func room() {
        var reads = PendingReads()
        let ticket = Ticket()
        reads.add(.caller(ticket))
        reads.add(.peer(Path(), 7))
        ticket.fail(RaftError(.cancelled, ""))
        reads.removeSettled()
        #expect(reads.count == 1)
    }
}
