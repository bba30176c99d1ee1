import Testing

@testable import Raft

@Suite("A learner's rules")
struct LearnerRulesTests {
    let stream = StreamID(9)

    @Test("A learner has no timer: it never campaigns")
    func noTimer() {
        let desk = Desk(LearnerRules(), me: 4, log: [1], learners: [4])
        desk.expectBegin()
        #expect(desk.rules.deadline(desk.baton) == nil)
        desk.expect(.tick)
        desk.expect(.overslept(.seconds(9)))
    }

    @Test("A learner follows and acknowledges as a follower does")
    func follows() {
        let desk = Desk(LearnerRules(), me: 4, term: 2, log: [1], learners: [4])
        let new = batch(from: 2, [2])
        let append = AppendRequest(
            term: 2, leader: 2, stream: stream, previous: LogID(1, 1), leaderCommit: 2, entries: [new])
        desk.expect(
            desk.request(.append(append)), .stay,
            [
                .note(.info),
                .write(
                    [.append(new)],
                    replies: [.append(AppendReply(term: 2, stream: stream, outcome: .accepted(through: 2)))]),
                .apply(from: 1, through: 1),
            ]
        ) {
            $0.last = LogID(2, 2)
            $0.leader = 2
            $0.leaderHeardAt = desk.now
            $0.commitIndex = 2
            $0.applyOrdered = 1
        }
    }

    @Test("A configuration that gives it a vote makes it a follower, as soon as it is appended")
    func promoted() {
        let desk = Desk(LearnerRules(), me: 4, term: 2, log: [1], learners: [4], leader: 2)
        var builder = EntryBatch.Builder(first: 2, term: 2)
        builder.append(.configuration, Desk<LearnerRules>.configuration([1, 2, 3, 4]).encoded)
        let append = AppendRequest(
            term: 2, leader: 2, stream: stream, previous: LogID(1, 1), leaderCommit: 0, entries: [builder.finish()!])
        let (verdict, _) = desk.turn([desk.request(.append(append))])
        #expect(verdict == .become(.follower))
    }

    @Test("A learner votes: its configuration may be old, and the candidate may know that it has a vote")
    func votes() {
        let desk = Desk(LearnerRules(), me: 4, term: 2, log: [1], learners: [4])
        let voted = HardState(currentTerm: 3, votedFor: 2)
        desk.expect(
            desk.request(
                .vote(VoteRequest(phase: .vote, term: 3, candidate: 2, lastLog: LogID(1, 1), round: 5))), .stay,
            [
                .write([.hardState(HardState(currentTerm: 3))]),
                .write(
                    [.hardState(voted)],
                    replies: [.vote(VoteReply(phase: .vote, round: 5, term: 3, isGranted: true))]),
            ]
        ) { $0.hardState = voted }
    }

    @Test("A learner that hears a leader refuses votes without a look at their term")
    func rule3() {
        let desk = Desk(LearnerRules(), me: 4, term: 2, log: [1], learners: [4], leader: 2, heardAt: .seconds(100))
        desk.expect(
            desk.request(
                .vote(VoteRequest(phase: .vote, term: 30, candidate: 3, lastLog: LogID(1, 1), round: 5))), .stay,
            [.reply(.vote(VoteReply(phase: .vote, round: 5, term: 2, isGranted: false)))])
    }

    // MARK: Initialize

    func firstEntry(_ configuration: ClusterConfiguration) -> EntryBatch {
        var builder = EntryBatch.Builder(first: 1, term: 0)
        builder.append(.configuration, configuration.encoded)
        return builder.finish()!
    }

    @Test(
        "A pristine node is initialised with the same first entry as every other; its caller is told once it is durable"
    )
    func initializes() {
        let desk = Desk(LearnerRules(), term: 0, voters: nil)
        let configuration = Desk<LearnerRules>.configuration([1, 2, 3])
        let caller = Caller()
        desk.expect(
            .initialize(configuration, caller.completion), .become(.follower),
            [.write([.append(firstEntry(configuration))])]
        ) {
            $0.last = LogID(1, 0)
            $0.voters = [1, 2, 3]
        }
        #expect(desk.baton.initializing != nil)
        // Whichever role has followed: its own vote, or nothing else, being durable says nothing of the first entry.
        desk.expect(.durable(desk.lastWrite!), .stay, [.succeed]) { $0.durableIndex = 1 }
    }

    @Test("A node that holds anything, or has heard of a term, is not initialised again")
    func notPristine() {
        let configuration = Desk<LearnerRules>.configuration([1, 2, 3])
        for desk in [Desk(LearnerRules(), term: 1, voters: nil), Desk(LearnerRules(), term: 1, log: [1], voters: nil)] {
            desk.expect(
                .initialize(configuration, Caller().completion), .stay, [.fail(1, .alreadyInitialized)])
        }
    }

    @Test("A node is not initialised with members of which it is no voter, or in the middle of a change")
    func unusable() {
        for configuration in [
            Desk<LearnerRules>.configuration([2, 3]), Desk<LearnerRules>.configuration([2, 3], nil, [1]),
            Desk<LearnerRules>.configuration([1, 2], [1, 3]),
        ] {
            let desk = Desk(LearnerRules(), term: 0, voters: nil)
            desk.expect(
                .initialize(configuration, Caller().completion), .stay, [.fail(1, .invalidConfiguration)])
        }
    }

    @Test("Timeout-now is for voters")
    func timeoutNow() {
        let desk = Desk(LearnerRules(), me: 4, term: 2, log: [1], learners: [4], leader: 2)
        desk.expect(desk.request(.timeoutNow(TimeoutNowRequest(term: 2, leader: 2, lastLog: LogID(1, 1)))))
    }

    @Test("The first entries that come from a leader are remembered as such, before they are written (R27)")
    func joins() {
        let desk = Desk(LearnerRules(), me: 4, term: 2, voters: nil)
        let first = AppendRequest(
            term: 2, leader: 2, stream: stream, previous: .zero, leaderCommit: 0, entries: [batch(from: 1, [1])])
        #expect(
            desk.turn([desk.request(.append(first))]).acts.map(\.kind)
                == ["info", "remember joining", "write(append, then reply)"])
        let second = AppendRequest(
            term: 2, leader: 2, stream: stream, previous: LogID(1, 1), leaderCommit: 0, entries: [batch(from: 2, [2])])
        #expect(desk.turn([desk.request(.append(second))]).acts.map(\.kind) == ["write(append, then reply)"])
        #expect(desk.hasJoined && !desk.mayVote)
    }
}
