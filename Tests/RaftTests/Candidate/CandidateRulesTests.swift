import Testing

@testable import Raft

@Suite("A candidate's rules")
struct CandidateRulesTests {
    typealias CandidateDesk = Desk<CandidateRules>

    func question(_ phase: VoteRequest.Phase, _ term: Term, _ desk: CandidateDesk, isTransfer: Bool = false) -> Act {
        .requestVotes(
            desk.baton.membership.current!.voters.filter { $0 != 1 },
            VoteRequest(
                phase: phase, term: term, candidate: 1, lastLog: desk.baton.log.last, round: desk.rules.round,
                isTransfer: isTransfer))
    }

    func granted(
        _ phase: VoteRequest.Phase, _ term: Term, by voter: NodeID, round: UInt64
    ) -> Message {
        .reply(.vote(VoteReply(phase: phase, round: round, term: term, isGranted: true)), from: voter)
    }

    func refused(
        _ phase: VoteRequest.Phase, _ term: Term, by voter: NodeID, round: UInt64
    ) -> Message {
        .reply(.vote(VoteReply(phase: phase, round: round, term: term, isGranted: false)), from: voter)
    }

    /// A candidate whose own vote of term 3 is durable, and which has asked.
    func voting(voters: [NodeID] = [1, 2, 3], nextVoters: [NodeID]? = nil) -> CandidateDesk {
        let desk = Desk(CandidateRules(isTransfer: true), term: 2, log: [1, 2], voters: voters, nextVoters: nextVoters)
        desk.begin()
        desk.turn([.durable(desk.lastWrite!)])
        #expect(desk.rules.phase == .vote)
        return desk
    }

    @Test("A candidate first asks whether it would win: nothing is persisted, and its term stays")
    func preVote() {
        let desk = Desk(CandidateRules(), term: 2, log: [1, 2], leader: 3, heardAt: .zero)
        let (verdict, acts) = desk.begin()
        #expect(verdict == .stay)
        #expect(acts == [question(.preVote, 3, desk)])
        #expect(desk.state.hardState == HardState(currentTerm: 2))
        #expect(desk.state.leader == nil)
        #expect(desk.state.leaderHeardAt == .zero, "a campaign does not unhear a leader")
        #expect(desk.state.timerStartedAt == desk.now)
    }

    @Test("A won pre-vote raises the term and votes for itself; nobody is asked before that is durable")
    func startsVote() {
        let desk = Desk(CandidateRules(), term: 2, log: [1, 2])
        desk.begin()
        desk.now += .ms(10)
        let own = HardState(currentTerm: 3, votedFor: 1)
        desk.expect(
            granted(.preVote, 3, by: 2, round: desk.rules.round), .stay, [.write([.hardState(own)])]
        ) {
            $0.hardState = own
            $0.timerStartedAt = nil  // starts when the own vote is durable
        }
        desk.expect(.tick)
        desk.now += .ms(10)
        let (_, acts) = desk.turn([.durable(desk.lastWrite!)])
        #expect(acts == [question(.vote, 3, desk)])
        #expect(desk.rules.granted == [1])
        #expect(desk.state.timerStartedAt == desk.now)
        #expect(desk.state.durableHardState == own)
    }

    @Test("A majority of votes makes a leader; its own counts once it is durable")
    func wins() {
        let desk = voting(voters: [1, 2, 3, 4, 5])
        let round = desk.rules.round
        desk.expect(granted(.vote, 3, by: 4, round: round))
        desk.expect(granted(.vote, 3, by: 4, round: round))  // twice is once
        desk.expect(granted(.vote, 3, by: 2, round: round), .become(.leader), [.note(.info)])
    }

    @Test("A joint configuration needs a majority of each set")
    func joint() {
        let desk = voting(voters: [1, 2, 3], nextVoters: [3, 4, 5])
        let round = desk.rules.round
        desk.expect(granted(.vote, 3, by: 2, round: round))
        desk.expect(granted(.vote, 3, by: 4, round: round))
        desk.expect(granted(.vote, 3, by: 5, round: round), .become(.leader), [.note(.info)])
    }

    @Test("A vote of somebody who has none counts for nothing")
    func strangers() {
        let desk = voting()
        desk.expect(granted(.vote, 3, by: 8, round: desk.rules.round))
        desk.expect(granted(.vote, 3, by: 9, round: desk.rules.round))
    }

    @Test("An answer to another round, phase or term is not a vote of this one (D1, D2, R01, R37)")
    func staleVotes() {
        let desk = voting()
        let round = desk.rules.round
        desk.expect(granted(.vote, 3, by: 2, round: round &+ 1))
        desk.expect(granted(.preVote, 4, by: 2, round: round))
        desk.expect(granted(.vote, 2, by: 2, round: round))
        desk.expect(granted(.vote, 4, by: 2, round: round))
        #expect(desk.rules.granted == [1])
        #expect(desk.state.hardState.currentTerm == 3, "a grant of a later term teaches nothing (R05)")
    }

    @Test("A round that fails goes back to a pre-vote with no votes, a new number and a new timeout")
    func failedRound() {
        let desk = voting(voters: [1, 2, 3, 4, 5])
        let round = desk.rules.round
        desk.turn([granted(.vote, 3, by: 2, round: round)])
        desk.now = desk.rules.deadline(desk.baton)!
        let (verdict, acts) = desk.turn([.tick])
        #expect(verdict == .stay)
        #expect(desk.rules.phase == .preVote)
        #expect(desk.rules.granted == [1])
        #expect(desk.rules.round != round)
        #expect(acts == [question(.preVote, 4, desk)], "and without the transfer flag, which belongs to one round")
        #expect(desk.state.timerStartedAt == desk.now)
        // The late vote of the failed round does not count in this one.
        desk.expect(granted(.vote, 3, by: 3, round: round))
        #expect(desk.rules.granted == [1])
    }

    @Test("A transfer's vote round carries the flag, and has no pre-vote")
    func transferFlag() {
        let desk = Desk(CandidateRules(isTransfer: true), term: 2, log: [1, 2])
        let own = HardState(currentTerm: 3, votedFor: 1)
        desk.expectBegin(.stay, [.write([.hardState(own)])]) { $0.hardState = own }
        let (_, acts) = desk.turn([.durable(desk.lastWrite!)])
        #expect(acts == [question(.vote, 3, desk, isTransfer: true)])
    }

    @Test("A refusal of a higher term, of a pre-vote too, is adopted and ends the campaign (D2, R02, R32)")
    func higherTerm() {
        for phase in [VoteRequest.Phase.preVote, .vote] {
            let desk = phase == .vote ? voting() : Desk(CandidateRules(), term: 3, log: [1, 2])
            if phase == .preVote { desk.begin() }
            let round = desk.rules.round
            desk.expect(
                refused(phase, 7, by: 2, round: round), .become(.follower),
                [.write([.hardState(HardState(currentTerm: 7))])]
            ) { $0.hardState = HardState(currentTerm: 7) }
        }
    }

    @Test("A refusal of the same term, or a lower one, changes nothing")
    func refusedVote() {
        let desk = voting()
        desk.expect(refused(.vote, 3, by: 2, round: desk.rules.round))
        desk.expect(refused(.vote, 1, by: 2, round: desk.rules.round))
    }

    @Test("Somebody leads this term: the candidate follows, and hands the message over")
    func leaderAppears() {
        let stream = StreamID(9)
        let append = PeerRequest.append(
            AppendRequest(term: 3, leader: 2, stream: stream, previous: .zero, leaderCommit: 0, entries: []))
        let heartbeat = PeerRequest.heartbeat(
            HeartbeatRequest(term: 3, leader: 2, stream: stream, round: 0, commit: 0, leaderCommit: 0))
        for request in [append, heartbeat] {
            let desk = voting()
            desk.expect(desk.request(request), .handOver(.follower))
        }
    }

    @Test("A leader of an older term is told of this one")
    func oldLeader() {
        let desk = voting()
        let heartbeat = HeartbeatRequest(
            term: 2, leader: 2, stream: StreamID(9), round: 6, commit: 0, leaderCommit: 0)
        desk.expect(
            desk.request(.heartbeat(heartbeat)), .stay,
            [.reply(.heartbeat(HeartbeatReply(term: 3, stream: StreamID(9), round: 6, isRejected: true)))])
    }

    @Test("In the pre-vote phase it votes for another as a follower would; in the vote phase its vote is its own")
    func otherCandidates() {
        func ask(_ term: Term) -> PeerRequest {
            .vote(VoteRequest(phase: .vote, term: term, candidate: 2, lastLog: LogID(2, 2), round: 5))
        }
        let desk = Desk(CandidateRules(), term: 2, log: [1, 2])
        desk.begin()
        let voted = HardState(currentTerm: 2, votedFor: 2)
        let yes = PeerReply.vote(VoteReply(phase: .vote, round: 5, term: 2, isGranted: true))
        desk.expect(
            desk.request(ask(2)), .become(.follower), [.write([.hardState(voted)], replies: [yes])]
        ) { $0.hardState = voted }

        let other = voting()
        other.expect(
            other.request(ask(3)), .stay,
            [.reply(.vote(VoteReply(phase: .vote, round: 5, term: 3, isGranted: false)))])
        other.expect(
            other.request(ask(4)), .handOver(.follower), [.write([.hardState(HardState(currentTerm: 4))])]
        ) { $0.hardState = HardState(currentTerm: 4) }
    }

    @Test("A sole voter needs nobody: a new term, its own vote durable, then it leads (D16)")
    func soleVoter() {
        let desk = Desk(CandidateRules(), term: 2, log: [1, 2], voters: [1])
        let own = HardState(currentTerm: 3, votedFor: 1)
        desk.expectBegin(.stay, [.write([.hardState(own)])]) { $0.hardState = own }
        desk.expect(.durable(desk.lastWrite!), .become(.leader), [.note(.info)]) {
            $0.durableHardState = own
            $0.timerStartedAt = desk.now
        }
    }

    @Test("No question of a prospective term leaves before the present one is durable")
    func waitsForTerm() {
        let desk = Desk(CandidateRules(), term: 2, log: [1, 2])
        var effects = Effects()
        desk.baton.adopt(6, &effects)
        guard case .write(_, let id, _)? = effects.takeAll().first else { return #expect(Bool(false), "no write") }
        let (_, acts) = desk.begin()
        #expect(acts == [])
        let (_, later) = desk.turn([.durable(id)])
        #expect(later == [question(.preVote, 7, desk)])
    }

    @Test("An answer of the disk to an older write is not the own vote")
    func olderWrite() {
        let desk = Desk(CandidateRules(isTransfer: true), term: 2, log: [1, 2])
        var effects = Effects()
        desk.baton.adopt(3, &effects)
        guard case .write(_, let id, _)? = effects.takeAll().first else { return #expect(Bool(false), "no write") }
        desk.begin()
        desk.expect(.durable(id)) { $0.durableHardState = HardState(currentTerm: 3) }
        #expect(desk.rules.granted == [])
    }

    @Test("A candidate that was held up begins a new round")
    func overslept() {
        let desk = voting()
        let (verdict, acts) = desk.turn([.overslept(.seconds(2))])
        #expect(verdict == .stay)
        #expect(acts == [.note(.warning), question(.preVote, 4, desk)])
        #expect(desk.rules.granted == [1])
    }

    @Test("A candidate that hears that it was removed campaigns no more (M9)")
    func removed() {
        let desk = voting()
        let (verdict, acts) = desk.turn([.removed(by: 2)])
        #expect(verdict == .become(.follower) && acts == [.note(.warning)] && desk.isRemoved)
    }
}
