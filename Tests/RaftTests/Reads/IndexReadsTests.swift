import Testing

@testable import Raft

@Suite("Reads that wait for an entry")
struct IndexReadsTests {
    @Test("They are served once the entry is applied, whatever the role; above the limit they are refused")
    func waits() {
        let desk = Desk(FollowerRules(), term: 2, log: [1, 1], commit: 1) { $0.maximumWaitingCalls = 1 }
        desk.expect(.read(Ticket(), .atLeast(1)), .stay, [.serveReads(1, at: 1)])
        let waiting = Ticket()
        desk.expect(.read(waiting, .atLeast(2)))
        desk.expect(.read(Ticket(), .atLeast(3)), .stay, [.fail(1, .overloaded)])
        waiting.fail(RaftError(.deadlineExceeded, ""))
        desk.expect(.read(Ticket(), .atLeast(2)))  // The other one has given up.
        let append = AppendRequest(
            term: 2, leader: 2, stream: StreamID(9), sequence: 1, previous: LogID(2, 1), leaderCommit: 2, entries: [])
        desk.turn([desk.request(.append(append))])
        #expect(desk.turn([.applied(through: 2)]).acts == [.serveReads(1, at: 2)])
    }
}
