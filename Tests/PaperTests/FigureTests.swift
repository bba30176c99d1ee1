import Testing

@testable import Raft

@Suite("The other figures of the paper")
struct FigureTests {
    static let leaderLog: [Term] = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]

    /// Figure 7, (a) to (f): logs that followers can have when this leader comes to power in term 8.
    static let followers: [[Term]] = [
        [1, 1, 1, 4, 4, 5, 5, 6, 6],
        [1, 1, 1, 4],
        [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        [1, 1, 1, 4, 4, 4, 4],
        [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ]

    @Test("Figure 7: the leader brings every one of these logs to its own, in few questions", arguments: followers)
    func figure7(_ log: [Term]) throws {
        let leader = Voter(LeaderRules(), term: 8, vote: 1, log: Self.leaderLog)
        let follower = Voter(FollowerRules(), term: 8, log: log)
        leader.begin()
        leader.take(.streamStarted(2, stream))
        var questionCount = 0
        while let sent = leader.appends.first {
            questionCount += 1
            try #require(questionCount < 6, "a hint skips whole terms (§5.3)")
            follower.take(
                .append(
                    AppendRequest(
                        term: sent.request.term, leader: 2, stream: stream, sequence: sent.request.sequence,
                        previous: sent.request.previous,
                        leaderCommit: sent.request.leaderCommit, entries: sent.request.entries)))
            guard let answer = (follower.replies + follower.repliesAfterWrite).first else { break }
            follower.sync()
            leader.take(answer, from: 2)
        }
        #expect(follower.log == Self.leaderLog + [8])
        #expect(leader.rules.progress[0].matchIndex == 11)
    }

    @Test("Figure 7: (a), (b), (e) and (f) can vote for this leader, (c) and (d) cannot")
    func figure7Votes() {
        let granted = Self.followers.map { log in
            let node = Voter(FollowerRules(), term: 7, log: log)
            node.take(askVote(8, for: 2, last: LogID(10, 6)))
            return node.baton.hardState.votedFor == 2
        }
        #expect(granted == [true, true, false, false, true, true])
    }

    @Test("Figure 8 (c): an entry of an older term on a majority is not committed by counting it")
    func figure8c() {
        // S1 leads term 4. Entry 2 is of term 2, and now on S1, S2 and S3: a majority of five.
        let s1 = Voter(LeaderRules(), term: 4, vote: 1, log: [1, 2], commit: 1, of: 5)
        s1.begin()
        s1.sync()
        s1.take(.streamStarted(2, stream), .streamStarted(3, stream))
        s1.take(accepted(4, through: 2), from: 2)
        s1.take(accepted(4, through: 2), from: 3)
        #expect(s1.baton.commitIndex == 1)
    }

    @Test("Figure 8 (d): so S5, elected in term 5 with its entry of term 3, may overwrite it")
    func figure8d() {
        let s2 = Voter(FollowerRules(), term: 4, log: [1, 2], commit: 1, of: 5)
        s2.take(askVote(5, for: 5, last: LogID(2, 3)))
        #expect(s2.baton.hardState == HardState(currentTerm: 5, votedFor: 5))
        s2.take(append(5, from: 5, after: LogID(1, 1), [3]))
        #expect(s2.log == [1, 3])
    }

    @Test("Figure 8 (e): with an entry of its own term on a majority both are committed, and S5 cannot win")
    func figure8e() {
        let s1 = Voter(LeaderRules(), term: 4, vote: 1, log: [1, 2], commit: 1, of: 5)
        s1.begin()
        s1.sync()
        s1.take(.streamStarted(2, stream), .streamStarted(3, stream))
        s1.take(accepted(4, through: 3), from: 2)
        #expect(s1.baton.commitIndex == 1)
        s1.take(accepted(4, through: 3), from: 3)
        #expect(s1.baton.commitIndex == 3)
        #expect(s1.applied == [2...3])
        let s2 = Voter(FollowerRules(), term: 4, log: [1, 2, 4], of: 5)
        s2.take(askVote(5, for: 5, last: LogID(2, 3)))
        #expect(s2.baton.hardState == HardState(currentTerm: 5, votedFor: nil))
    }
}
