import Testing

@testable import Raft

@Suite("When an entry is committed")
struct CommitmentTests {
    /// What node 1 would commit in term 4, with its own log durable and these matches of the others.
    func index(
        log: [Term], matches: [LogIndex], commit: LogIndex = 0, nextVoters: [NodeID]? = nil
    ) -> LogIndex? {
        let voters = (0...matches.count).map { NodeID(UInt64($0 + 1)) }
        let desk = Desk(LeaderRules(), term: 4, log: log, commit: commit, voters: voters, nextVoters: nextVoters)
        let progress = matches.enumerated().map { offset, match in
            var progress = Progress(peer: NodeID(UInt64(offset + 2)), nextIndex: 1, now: .zero)
            progress.streamStarted(StreamID(1), nextIndex: match.next, now: .zero)
            progress.sent(last: match, bytes: 0, now: .zero)
            _ = progress.accepted(sequence: 1, through: match, now: .zero)
            return progress
        }
        return Commitment.index(desk.baton.membership.current!, progress: progress, desk.baton)
    }

    @Test("The highest index that a majority holds, in whatever order the peers stand (R03)")
    func majority() {
        #expect(index(log: [4, 4, 4, 4], matches: [1, 3]) == 3)
        #expect(index(log: [4, 4, 4, 4], matches: [3, 1]) == 3)
        #expect(index(log: [4, 4, 4, 4, 4], matches: [5, 1, 2, 3]) == 3)
        #expect(index(log: [4, 4, 4, 4, 4], matches: [1, 2, 3, 5]) == 3)
        #expect(index(log: [4, 4, 4, 4], matches: [1, 1, 1]) == 1, "two of four are no majority")
        #expect(index(log: [4, 4], matches: []) == 2)
    }

    @Test("Nothing below the commit index, nothing of an older term (Figure 8)")
    func terms() {
        #expect(index(log: [4, 4, 4], matches: [2, 2], commit: 2) == nil)
        #expect(index(log: [1, 2, 4], matches: [2, 2]) == nil)
        #expect(index(log: [1, 2, 4], matches: [2, 3]) == 3)
        #expect(index(log: [1, 2, 3], matches: [3, 3]) == nil)
    }

    @Test("A majority of each set in a joint configuration, not of their union (R11)")
    func joint() {
        #expect(index(log: [4, 4], matches: [2, 2, 0, 0], nextVoters: [1, 4, 5]) == nil)
        #expect(index(log: [4, 4], matches: [2, 2, 1, 0], nextVoters: [1, 4, 5]) == 1)
        #expect(index(log: [4, 4], matches: [2, 2, 0, 2], nextVoters: [1, 4, 5]) == 2)
    }
}
