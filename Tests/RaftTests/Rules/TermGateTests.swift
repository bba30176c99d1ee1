import Testing

@testable import Raft

@Suite("The three rules above the table, in every role")
struct TermGateTests {
    /// One node of term 5 with log [1, 4] in each role: voter 1 of 1, 2, 3 (as a learner: 1 of 2, 3).
    enum Position: CaseIterable {
        case follower, candidate, leader, learner
    }

    /// What any message made of such a node, whatever its role.
    struct Outcome {
        var verdict: Verdict
        var acts: [Act]
        var before: Desk<FollowerRules>.State
        var after: Desk<FollowerRules>.State
    }

    /// - Parameter silence: how long ago a leader, or a quorum, was last heard.
    static func feed(_ position: Position, _ request: PeerRequest, silence: Duration = .seconds(50)) -> Outcome {
        feed(position, .request(request, reply: Path()), silence: silence)
    }

    static func feed(_ position: Position, _ message: Message, silence: Duration = .seconds(50)) -> Outcome {
        func run<Rules: RoleRules>(_ desk: Desk<Rules>) -> Outcome {
            func copy(_ state: Desk<Rules>.State) -> Desk<FollowerRules>.State {
                .init(
                    hardState: state.hardState, durableHardState: state.durableHardState, last: state.last,
                    durableIndex: state.durableIndex, commitIndex: state.commitIndex,
                    applyOrdered: state.applyOrdered, lastApplied: state.lastApplied, leader: state.leader,
                    leaderHeardAt: state.leaderHeardAt, timerStartedAt: state.timerStartedAt,
                    isStopping: state.isStopping, voters: state.voters)
            }
            desk.begin()
            desk.sync(desk.effects)
            desk.baton.leaderHeardAt = desk.now
            desk.now += silence
            let before = copy(desk.state)
            let (verdict, acts) = desk.turn([message])
            return Outcome(verdict: verdict, acts: acts, before: before, after: copy(desk.state))
        }
        switch position {
        case .follower: return run(Desk(FollowerRules(), term: 5, log: [1, 4]))
        case .candidate: return run(Desk(CandidateRules(), term: 5, log: [1, 4]))
        case .leader: return run(Desk(LeaderRules(), term: 5, vote: 1, log: [1, 4]))
        case .learner: return run(Desk(LearnerRules(), term: 5, log: [1, 4], voters: [2, 3], learners: [1]))
        }
    }

    static let stream = StreamID(9)
    static func append(_ term: Term) -> PeerRequest {
        .append(
            AppendRequest(term: term, leader: 2, stream: stream, previous: .zero, leaderCommit: 0, entries: []))
    }
    static func heartbeat(_ term: Term) -> PeerRequest {
        .heartbeat(HeartbeatRequest(term: term, leader: 2, stream: stream, round: 3, commit: 0, leaderCommit: 0))
    }
    static func vote(
        _ term: Term, phase: VoteRequest.Phase = .vote, last: LogID = LogID(9, 4), isTransfer: Bool = false
    ) -> PeerRequest {
        .vote(VoteRequest(phase: phase, term: term, candidate: 2, lastLog: last, round: 3, isTransfer: isTransfer))
    }
    static func no(_ phase: VoteRequest.Phase = .vote) -> Act {
        .reply(.vote(VoteReply(phase: phase, round: 3, term: 5, isGranted: false)))
    }

    @Test("Rule 1: a request of a lower term is answered with the current one", arguments: Position.allCases)
    func lowerRequest(_ position: Position) {
        for (request, answer) in [
            (Self.append(4), Act.reply(.append(AppendReply(term: 5, stream: Self.stream, outcome: .rejected)))),
            (
                Self.heartbeat(4),
                .reply(.heartbeat(HeartbeatReply(term: 5, stream: Self.stream, round: 3, isRejected: true)))
            ),
            (Self.vote(4), Self.no()), (Self.vote(4, phase: .preVote), Self.no(.preVote)),
            (Self.vote(4, isTransfer: true), Self.no()),
        ] {
            let outcome = Self.feed(position, request)
            #expect(outcome.verdict == .stay && outcome.acts == [answer])
            #expect(outcome.after == outcome.before)
        }
    }

    @Test("Rule 1: a reply of a lower term is dropped, refusing or not", arguments: Position.allCases)
    func lowerReply(_ position: Position) {
        for reply in [
            PeerReply.append(AppendReply(term: 4, stream: Self.stream, outcome: .accepted(through: 2))),
            .append(AppendReply(term: 4, stream: Self.stream, outcome: .rejected)),
            .heartbeat(HeartbeatReply(term: 4, stream: Self.stream, round: 0, isRejected: true)),
            .vote(VoteReply(phase: .vote, round: 3, term: 4, isGranted: true)),
            .vote(VoteReply(phase: .vote, round: 3, term: 4, isGranted: false)),
        ] {
            let outcome = Self.feed(position, .reply(reply, from: 2))
            #expect(outcome.verdict == .stay && outcome.acts == [])
            #expect(outcome.after == outcome.before)
        }
    }

    @Test("Rule 2: a higher term in an append, heartbeat or vote request is adopted", arguments: Position.allCases)
    func higherRequest(_ position: Position) {
        for request in [Self.append(8), Self.heartbeat(8), Self.vote(8), Self.vote(8, last: LogID(1, 1))] {
            let outcome = Self.feed(position, request)
            #expect(outcome.after.hardState.currentTerm == 8)
            #expect(outcome.acts.first == .write([.hardState(HardState(currentTerm: 8))]))
            switch position {
            case .follower, .learner: #expect(outcome.verdict == .stay)
            case .candidate, .leader: #expect(outcome.verdict == .handOver(.follower))
            }
            for case .reply in outcome.acts { Issue.record("\(request): a reply of a term that is not durable") }
        }
    }

    @Test(
        "Rule 2: a higher term in a refusal of any kind is adopted; in anything else it is not",
        arguments: Position.allCases)
    func higherReply(_ position: Position) {
        for refusal in [
            PeerReply.append(AppendReply(term: 8, stream: Self.stream, outcome: .rejected)),
            .heartbeat(HeartbeatReply(term: 8, stream: Self.stream, round: 0, isRejected: true)),
            .vote(VoteReply(phase: .vote, round: 3, term: 8, isGranted: false)),
            .vote(VoteReply(phase: .preVote, round: 3, term: 8, isGranted: false)),
        ] {
            let outcome = Self.feed(position, .reply(refusal, from: 2))
            #expect(outcome.after.hardState == HardState(currentTerm: 8))
            #expect(outcome.acts.first == .write([.hardState(HardState(currentTerm: 8))]))
            switch position {
            case .follower, .learner: #expect(outcome.verdict == .stay)
            case .candidate, .leader: #expect(outcome.verdict == .become(.follower))
            }
        }
        for other in [
            PeerReply.append(AppendReply(term: 8, stream: Self.stream, outcome: .accepted(through: 1))),
            .append(AppendReply(term: 8, stream: Self.stream, outcome: .conflict(previous: 1, hint: .zero))),
            .heartbeat(HeartbeatReply(term: 8, stream: Self.stream, round: 0, isRejected: false)),
            .vote(VoteReply(phase: .vote, round: 3, term: 8, isGranted: true)),
            .vote(VoteReply(phase: .preVote, round: 3, term: 8, isGranted: true)),
        ] {
            let outcome = Self.feed(position, .reply(other, from: 2))
            #expect(outcome.verdict == .stay && outcome.acts == [])
            #expect(outcome.after == outcome.before)
        }
    }

    @Test("Rule 2: the prospective term of a pre-vote is adopted by nobody", arguments: Position.allCases)
    func preVote(_ position: Position) {
        let outcome = Self.feed(position, Self.vote(40, phase: .preVote, last: LogID(9, 5)))
        #expect(outcome.verdict == .stay)
        #expect(outcome.acts == [.reply(.vote(VoteReply(phase: .preVote, round: 3, term: 40, isGranted: true)))])
        #expect(outcome.after == outcome.before)
    }

    @Test(
        "Rule 3: who hears a leader refuses votes and pre-votes without a look at their term (D6, R40)",
        arguments: Position.allCases)
    func hearsLeader(_ position: Position) {
        for phase in [VoteRequest.Phase.preVote, .vote] {
            for term in [4, 5, 6, 1000] as [Term] {
                let outcome = Self.feed(position, Self.vote(term, phase: phase), silence: .ms(999))
                #expect(outcome.verdict == .stay && outcome.acts == [Self.no(phase)])
                #expect(outcome.after == outcome.before)
            }
        }
        // From the minimum election timeout on it looks again.
        let outcome = Self.feed(position, Self.vote(1000), silence: .ms(1000))
        #expect(outcome.after.hardState.currentTerm == 1000)
    }

    @Test("Rule 3: a request with the transfer flag is looked at all the same", arguments: Position.allCases)
    func transferFlag(_ position: Position) {
        let outcome = Self.feed(position, Self.vote(6, isTransfer: true), silence: .ms(1))
        #expect(outcome.after.hardState.currentTerm == 6)
    }

    @Test("Rule 3: a change of term does not clear that a leader was heard, and a granted vote does not set it")
    func heardMark() {
        let desk = Desk(FollowerRules(), term: 5, log: [1], leader: 2, heardAt: .seconds(100))
        desk.turn([.reply(.vote(VoteReply(phase: .vote, round: 1, term: 9, isGranted: false)), from: 3)])
        #expect(desk.state.leaderHeardAt == .seconds(100))
        #expect(desk.state.leader == nil)
        desk.expect(
            desk.request(Self.vote(10)), .stay,
            [.replyAfterWrites(.vote(VoteReply(phase: .vote, round: 3, term: 9, isGranted: false)))])
        desk.now += .seconds(5)
        desk.turn([desk.request(Self.vote(10))])
        #expect(desk.state.hardState.votedFor == 2)
        #expect(desk.state.leaderHeardAt == .seconds(100))
    }

    @Test(
        "A term that no election ever reaches is not believed: there must be a next one", arguments: Position.allCases)
    func lastTerm(_ position: Position) {
        for term in [Term(.max), Term(.max - 1), Term(1 << 63), Term(.max >> 1), Term((1 << 32) + 100)] {
            for request in [
                Self.append(term), Self.heartbeat(term), Self.vote(term), Self.vote(term, phase: .preVote),
                Self.vote(term, isTransfer: true),
            ] {
                let outcome = Self.feed(position, request)
                #expect(outcome.verdict == .stay && outcome.acts == [.note(.error)])
                #expect(outcome.after == outcome.before)
            }
            let reply = PeerReply.vote(VoteReply(phase: .vote, round: 3, term: term, isGranted: false))
            let outcome = Self.feed(position, .reply(reply, from: 2))
            #expect(outcome.verdict == .stay && outcome.acts == [.note(.error)])
            #expect(outcome.after == outcome.before)
        }
    }

    @Test("A term far above is believed up to the greatest step, and not one further")
    func greatestStep() {
        let near = Desk(FollowerRules(), term: 5, log: [1])
        near.turn([near.request(Self.heartbeat(Term(5 + (1 << 32))))])
        #expect(near.baton.currentTerm == Term(5 + (1 << 32)))
        let far = Desk(FollowerRules(), term: 5, log: [1])
        far.turn([far.request(Self.heartbeat(Term((5 + (1 << 32)) + 1)))])
        #expect(far.baton.currentTerm == 5)
    }
}
