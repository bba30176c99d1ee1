import TestTraits
import Testing

@testable import Raft
@testable import RaftSimulation

@Suite("What messages claim", .heavy)
struct MessageCheckerTests {
    private func vote(_ term: Term, isTransfer: Bool = true, phase: VoteRequest.Phase = .vote) -> VoteRequest {
        VoteRequest(
            phase: phase, term: term, candidate: 2, lastLog: LogID(term: 1, index: 1), round: 1, isTransfer: isTransfer)
    }

    @Test("Only who was ordered to campaign, and in the next term, may say so")
    func orders() {
        var checker = MessageChecker()
        #expect(checker.violation(of: vote(6))?.invariant == "I1")
        #expect(checker.violation(of: vote(6, isTransfer: false)) == nil)
        checker.ordered(2, toCampaignIn: 5)
        #expect(checker.violation(of: vote(6)) == nil)
        #expect(checker.violation(of: vote(7)) != nil)
        #expect(checker.violation(of: vote(0)) != nil)
        checker.ordered(3, toCampaignIn: 6)
        #expect(checker.violation(of: vote(7)) != nil)
    }

    @Test("A mark owes what was acknowledged when it was first sent, and only to the node that made it")
    func marks() {
        let stream = StreamID(rawValue: 7)
        func reply(_ mark: UInt64) -> HeartbeatReply {
            HeartbeatReply(term: 2, stream: stream, round: 1, isRejected: false, mark: mark)
        }
        func heartbeat(_ mark: UInt64, _ index: LogIndex) -> HeartbeatRequest {
            HeartbeatRequest(
                term: 2, leader: 1, stream: stream, round: 2, commit: 0, leaderCommit: 0, freshMark: mark,
                freshIndex: index)
        }
        var checker = MessageChecker()
        checker.acknowledged(through: 4)
        checker.sent(reply(11), by: 2)
        checker.acknowledged(through: 9)
        checker.sent(reply(11), by: 2)
        checker.sent(reply(12), by: 2)
        #expect(checker.violation(of: heartbeat(11, 4), to: 2) == nil)
        #expect(checker.violation(of: heartbeat(11, 3), to: 2)?.invariant == "I16")
        #expect(checker.violation(of: heartbeat(12, 8), to: 2) != nil)
        #expect(checker.violation(of: heartbeat(12, 9), to: 2) == nil)
        #expect(checker.violation(of: heartbeat(12, 8), to: 3) == nil)
        #expect(checker.violation(of: heartbeat(0, 0), to: 2) == nil)
    }
}
