import Testing

@testable import Raft

/// What the system that this one follows got wrong at its version 0.7.6, each a test under its number in the article
/// KnownBugs.
@Suite("Regressions")
struct RegressionTests {
    typealias Leaders = LeaderRulesTests

    func vote(_ phase: VoteRequest.Phase, _ term: Term, _ isGranted: Bool, by voter: NodeID, round: UInt64) -> Message {
        .reply(.vote(VoteReply(phase: phase, round: round, term: term, isGranted: isGranted)), from: voter)
    }

    /// A candidate among five whose own vote of term 2 is durable.
    func candidate() -> Desk<CandidateRules> {
        let desk = Desk(CandidateRules(), term: 1, log: [1], voters: [1, 2, 3, 4, 5])
        desk.begin()
        runForOffice(desk)
        return desk
    }

    /// From a pre-vote that nobody has answered to a vote round that nobody has answered.
    func runForOffice(_ desk: Desk<CandidateRules>) {
        let term = desk.baton.currentTerm.next
        for voter in [4, 5] as [NodeID] {
            desk.turn([vote(.preVote, term, true, by: voter, round: desk.rules.round)])
        }
        desk.turn([.durable(desk.lastWrite!)])
        #expect(desk.rules.phase == .vote && desk.state.hardState.currentTerm == term)
    }

    @Test("D1: a vote of one term and a vote of the next are not two votes")
    func d1() {
        let desk = candidate()
        #expect(desk.turn([vote(.vote, 2, true, by: 2, round: desk.rules.round)]).verdict == .stay)
        desk.now = desk.rules.deadline(desk.baton)!
        desk.turn([.tick])
        runForOffice(desk)
        #expect(desk.turn([vote(.vote, 3, true, by: 3, round: desk.rules.round)]).verdict == .stay)
        #expect(desk.rules.granted == [1, 3])
        #expect(desk.turn([vote(.vote, 3, true, by: 2, round: desk.rules.round)]).verdict == .become(.leader))
    }

    @Test("D2: a refusal of a later term ends the campaign; votes of the old term elect nobody in the new one")
    func d2() {
        let desk = candidate()
        let round = desk.rules.round
        #expect(desk.turn([vote(.vote, 7, false, by: 2, round: round)]).verdict == .become(.follower))
        let follower = Desk(FollowerRules(), term: 7, log: [1], voters: [1, 2, 3, 4, 5])
        for voter in [3, 4, 5] as [NodeID] { follower.expect(vote(.vote, 2, true, by: voter, round: round)) }
    }

    @Test("D3: a reply of a later term is no confirmation of a read, and a read waits for the apply of its index")
    func d3() {
        let desk = Leaders.leader(isSettled: false)
        desk.turn([.read(Ticket())])
        #expect(
            desk.turn([Leaders.beats(2, round: 0), Leaders.beats(3, round: 0)]).acts == [], "nothing of its term yet")
        desk.turn([Leaders.accepted(2, 3)])
        let (verdict, acts) = desk.turn([Leaders.beats(2, round: 1, term: 9, isRejected: true)])
        #expect(verdict == .become(.follower))
        #expect(acts.contains(.fail(1, .notLeader)) && !acts.contains { $0.kind == "serve reads" })
        #expect(acts.first == .write([.hardState(HardState(currentTerm: 9))]), "and the term is kept")
    }

    @Test("D4: a read that waits for its round keeps nobody else waiting")
    func d4() {
        let desk = Leaders.leader()
        desk.turn([.read(Ticket())])
        #expect(desk.turn([.command("a")]).acts.map(\.kind) == ["write(append)", "append", "append"])
        #expect(desk.turn([.durable(desk.lastWrite!), Leaders.accepted(2, 4)]).acts.map(\.kind).contains("apply"))
    }

    @Test("D5: a delayed append does not take the commit index back")
    func d5() {
        let desk = Desk(FollowerRules(), term: 2, log: [1, 2, 2], commit: 3, leader: 2, heardAt: .zero)
        let late = AppendRequest(
            term: 2, leader: 2, stream: StreamID(1), previous: LogID(1, 1), leaderCommit: 1,
            entries: [batch(from: 2, [2])])
        desk.turn([desk.request(.append(late))])
        #expect(desk.state.commitIndex == 3 && desk.state.last == LogID(3, 2))
    }

    @Test("D6: a leader that a quorum answers is not unseated by a later term in a vote request")
    func d6() {
        let desk = Leaders.leader()
        let request = VoteRequest(phase: .vote, term: 90, candidate: 3, lastLog: LogID(90, 90), round: 1)
        #expect(desk.turn([desk.request(.vote(request))]).verdict == .stay)
        #expect(desk.state.hardState.currentTerm == 3)
    }

    @Test("D7: a leader that steps down tells each caller what became of his command, and nobody that it has stopped")
    func d7() {
        let desk = Leaders.leader()
        desk.turn([.command("logged")])
        desk.turn([.read(Ticket())])
        let (_, acts) = desk.turn([.overslept(.seconds(3))])
        #expect(acts.contains(.fail(1, .outcomeUnknown)) && acts.contains(.fail(1, .notLeader)))
    }

    @Test("D8: learners are in the log's configuration, so a new leader knows them")
    func d8() {
        let desk = Desk(LeaderRules(), term: 3, vote: 1, log: [1], learners: [8, 9])
        #expect(desk.begin().acts.contains(.keepStreams([2, 3, 8, 9])))
    }

    @Test("D9: a stream that fails comes back")
    func d9() throws {
        let bench = try Bench()
        bench.start()
        bench.elect()
        let before = bench.transport.links.count
        bench.transport.links.last { $0.peer == 3 }?.observer.linkClosed(LinkFailure("test"))
        bench.loop.advance(.ms(50))
        #expect(bench.transport.links.count == before + 1 && bench.transport.links.last?.peer == 3)
    }

    @Test("D10: an acknowledgement of an earlier life of a stream says nothing of this one")
    func d10() {
        let desk = Leaders.leader()
        desk.turn([.streamEnded(2, Leaders.stream(2), reason: "test")])
        desk.turn([.streamStarted(2, StreamID(77)), .command("a")])
        desk.turn([.durable(desk.lastWrite!)])
        desk.turn([Leaders.accepted(2, 4)])
        #expect(desk.state.commitIndex == 3 && desk.rules.progress[0].matchIndex == 0)
        desk.turn([Leaders.accepted(2, 4, stream: StreamID(77))])
        #expect(desk.state.commitIndex == 4)
    }

    @Test("D12: a leader whose last handle is gone ends, and sends nothing any more")
    func d12() throws {
        let bench = try Bench()
        bench.start()
        bench.elect()
        for _ in 0..<3 { bench.answer() }
        bench.drop()
        bench.loop.run()
        _ = bench.transport.takeSent(to: 2)
        bench.loop.advance(.seconds(10))
        #expect(bench.transport.takeSent(to: 2).isEmpty && bench.store.isClosed && bench.transport.isStopped)
    }

    @Test("D14: a follower that starts gives the leader a full random timeout to be heard")
    func d14() {
        for seed in 0..<20 {
            let desk = Desk(FollowerRules(), log: [1])
            for _ in 0..<seed { _ = desk.baton.random.next() }
            desk.begin()
            let wait = desk.rules.deadline(desk.baton)! - desk.now
            #expect((.ms(1000)...(.ms(2000))).contains(wait))
        }
    }

    @Test("D15: heartbeats go out while appends wait for their answers, and while the disk is busy")
    func d15() {
        let desk = Leaders.leader(configure: { $0.maximumInflightAppends = 1 })
        desk.turn([.command("a")])
        desk.turn([.command("b")])
        desk.now += .ms(100)
        #expect(desk.turn([.tick]).acts.map(\.kind) == ["heartbeat", "heartbeat"])
    }

    @Test("D16: a sole voter that starts again leads in a new term, once its own vote is durable")
    func d16() throws {
        let store = WatchedStore()
        let first = try Bench(members: [1], store: store)
        first.start()
        #expect(first.node?.status.role == .leader && first.node?.status.currentTerm == 1)
        first.drop()
        first.loop.advance(.seconds(5))
        let second = try Bench(members: [1], store: store)
        second.start()
        #expect(second.node?.status.role == .leader && second.node?.status.currentTerm == 2)
        #expect(try store.open().hardState == HardState(currentTerm: 2, votedFor: 1))
        #expect(try store.open().last.term == 2)
    }
}
