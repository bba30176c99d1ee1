import TestTraits
import Testing

@testable import Raft
@testable import RaftSimulation

@Suite("Which reads a leader may serve", .heavy)
struct ReadCheckerTests {
    private let members = try! ClusterConfiguration(voters: [1, 2, 3].map { .init(id: $0, address: "a:\($0)") })
    private let stream = StreamID(rawValue: 7)

    private func round(_ number: UInt64, of term: Term, at time: Int64, _ checker: inout ReadChecker) {
        checker.sent(
            HeartbeatRequest(term: term, leader: 1, stream: stream, round: number, commit: 0, leaderCommit: 0),
            now: time)
    }

    private func answer(
        _ number: UInt64, of term: Term, by node: NodeID, isRejected: Bool = false, _ checker: inout ReadChecker
    ) {
        checker.answers(
            HeartbeatReply(term: term, stream: stream, round: number, isRejected: isRejected), node, to: 1)
    }

    @Test("A read is served after a quorum has answered a round that began after it had come")
    func confirmed() {
        var checker = ReadChecker()
        round(1, of: 2, at: 100, &checker)
        #expect(!checker.isConfirmed(by: 1, since: 90, [members]))
        answer(1, of: 2, by: 3, &checker)
        #expect(checker.isConfirmed(by: 1, since: 90, [members]))
    }

    @Test("Answers to a round from before the read do not count, however late they come or often it is sent")
    func early() {
        var checker = ReadChecker()
        round(1, of: 2, at: 100, &checker)
        round(1, of: 2, at: 200, &checker)
        answer(1, of: 2, by: 2, &checker)
        #expect(!checker.isConfirmed(by: 1, since: 150, [members]))
    }

    @Test("Answers of another term with the number of this one's round do not count")
    func otherTerm() {
        var checker = ReadChecker()
        round(1, of: 2, at: 100, &checker)
        round(1, of: 4, at: 300, &checker)
        answer(1, of: 2, by: 2, &checker)
        #expect(!checker.isConfirmed(by: 1, since: 250, [members]))
        answer(1, of: 4, by: 2, &checker)
        #expect(checker.isConfirmed(by: 1, since: 250, [members]))
    }

    @Test("A refusal is no answer, and in a joint configuration each set of voters must answer")
    func joint() throws {
        var checker = ReadChecker()
        round(1, of: 2, at: 100, &checker)
        answer(1, of: 2, by: 2, isRejected: true, &checker)
        #expect(!checker.isConfirmed(by: 1, since: 90, [members]))
        let both = try ClusterConfiguration(
            voterSets: [[1, 2, 3], [3, 4, 5]], members: (1...5).map { .init(id: NodeID($0), address: "a:\($0)") })
        answer(1, of: 2, by: 2, &checker)
        #expect(checker.isConfirmed(by: 1, since: 90, [members]))
        #expect(!checker.isConfirmed(by: 1, since: 90, [both]))
        answer(1, of: 2, by: 4, &checker)
        answer(1, of: 2, by: 5, &checker)
        #expect(checker.isConfirmed(by: 1, since: 90, [both]))
    }

    @Test(
        "A read that was confirmed by the configuration of then may be served when there is another; by no answer after"
    )
    func changed() throws {
        var checker = ReadChecker()
        let others = try ClusterConfiguration(voters: [1, 4, 5].map { .init(id: $0, address: "a:\($0)") })
        round(1, of: 2, at: 100, &checker)
        answer(1, of: 2, by: 2, &checker)
        checker.changed(1, from: members, now: 120)
        #expect(checker.isConfirmed(by: 1, since: 90, [others]))
        #expect(!checker.isConfirmed(by: 1, since: 110, [others]))
        #expect(!checker.isConfirmed(by: 1, since: 130, [others]))

        round(2, of: 2, at: 140, &checker)
        answer(2, of: 2, by: 3, &checker)
        #expect(!checker.isConfirmed(by: 1, since: 110, [others]))
    }
}
