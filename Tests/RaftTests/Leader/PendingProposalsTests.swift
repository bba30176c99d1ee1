import Testing

@testable import Raft

@Suite("Proposers who wait")
struct PendingProposalsTests {
    @Test("They are taken in order of index, each once, and their bytes with them")
    func takes() {
        var proposals = PendingProposals()
        let tickets = (0..<4).map { _ in Ticket() }
        for (offset, ticket) in tickets.enumerated() {
            proposals.add(ticket, at: LogIndex(UInt64(10 + 2 * offset)), bytes: 100)
        }
        #expect(proposals.byteCount == 400)
        let none = proposals.take(through: 9)
        #expect(none.isEmpty)
        let taken = proposals.take(through: 13)
        #expect(
            taken.map(\.index) == [10, 12]
                && taken.map { ObjectIdentifier($0.ticket) } == tickets[..<2].map(ObjectIdentifier.init))
        #expect(proposals.byteCount == 200 && !proposals.isEmpty)
        let rest = proposals.takeAll()
        #expect(rest.map(ObjectIdentifier.init) == tickets[2...].map(ObjectIdentifier.init))
        #expect(proposals.isEmpty && proposals.byteCount == 0)
    }
}
