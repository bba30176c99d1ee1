import Testing

@testable import Raft

@Suite("A leader knows how its members are")
struct LeaderRulesHealthTests {
    typealias Changes = LeaderRulesMembershipTests
    typealias Leaders = LeaderRulesTests

    /// A leader of voters 1, 2 and 3, all bound, to which learner 4 is added.
    static func leader(
        promotedWhenReady: Bool?, isMet: Bool = true, configure: (inout Configuration) -> Void = { _ in }
    ) -> Desk<LeaderRules> {
        let desk = Changes.leader(configure: {
            $0.steadyInterval = .seconds(2)
            configure(&$0)
        })
        desk.turn([Changes.change(.add(4, address: "d:1", promotedWhenReady: promotedWhenReady), Caller())])
        Changes.settle(desk, 2, 3)
        if isMet { Changes.meet(4, desk) }
        Changes.settle(desk, isMet ? [2, 3, 4] : [2, 3])
        return desk
    }

    static func pass(_ duration: Duration, _ desk: Desk<LeaderRules>, answering peers: [NodeID] = [2, 3, 4]) -> [Act] {
        LeaderRulesTransferTests.pass(duration, desk, answering: peers)
    }

    static func configuration(_ desk: Desk<LeaderRules>) -> ClusterConfiguration? { desk.baton.membership.current }

    @Test("A learner that asks for it is given a vote once it has been steady for long enough")
    func promotes() throws {
        let desk = Self.leader(promotedWhenReady: true)
        #expect(Self.configuration(desk)?.member(4)?.isPromotedWhenReady == true)
        _ = Self.pass(.ms(1900), desk)
        #expect(Self.configuration(desk)?.isVoter(4) == false)
        _ = Self.pass(.ms(300), desk)
        #expect(Self.configuration(desk)?.voterSets == [[1, 2, 3], [1, 2, 3, 4]])
        Changes.settle(desk, 2, 3, 4)
        #expect(Self.configuration(desk)?.voterSets == [[1, 2, 3, 4]])
        #expect(Self.configuration(desk)?.member(4)?.isPromotedWhenReady == false, "it has what it waited for")
    }

    @Test("Without a word the leader's own setting decides, which is off; a word goes before it")
    func setting() {
        func isPromoted(_ wish: Bool?, _ setting: Bool) -> Bool? {
            let desk = Self.leader(promotedWhenReady: wish, configure: { $0.promotesLearners = setting })
            return Self.configuration(desk)?.member(4)?.isPromotedWhenReady
        }
        #expect(!Configuration(id: 1).promotesLearners)
        #expect(isPromoted(nil, false) == false && isPromoted(nil, true) == true)
        #expect(isPromoted(false, true) == false && isPromoted(true, false) == true)
    }

    @Test("A learner that falls silent, or behind, begins anew to be steady")
    func unsteady() {
        let silent = Self.leader(promotedWhenReady: true)
        _ = Self.pass(.ms(500), silent)
        _ = Self.pass(.ms(1200), silent, answering: [2, 3])
        _ = Self.pass(.ms(1500), silent)
        #expect(Self.configuration(silent)?.isVoter(4) == false)
        _ = Self.pass(.ms(700), silent)
        #expect(Self.configuration(silent)?.isVoter(4) == true)

        let behind = Self.leader(promotedWhenReady: true, configure: { $0.maximumReplicationLag = 1 })
        behind.turn([.command("a"), .command("b")])
        _ = Self.pass(.ms(900), behind)
        #expect(behind.rules.progress.first { $0.peer == 4 }?.steadySince == nil)
        #expect(Self.configuration(behind)?.isVoter(4) == false)
    }

    @Test("A change that cannot be made is said once, with the reason, and made when it can be")
    func refused() {
        // Steady, but of no known life: it cannot be bound, so it cannot vote.
        let desk = Self.leader(promotedWhenReady: true, isMet: false)
        desk.turn([.streamStarted(4, Leaders.stream(4))])
        Changes.settle(desk, 2, 3, 4)
        let acts = Self.pass(.seconds(5), desk)
        #expect(acts.count { $0 == .note(.warning) } == 1)
        #expect(desk.rules.leadership.unpromoted.map(\.learner) == [4])
        #expect(Self.configuration(desk)?.isVoter(4) == false)
    }

    @Test("Nobody is promoted while another change is under way, or leadership is passed on")
    func waits() {
        let desk = Self.leader(promotedWhenReady: true)
        _ = Self.pass(.ms(1900), desk)
        desk.turn([.transfer(to: 2, Caller().completion)])
        _ = Self.pass(.ms(800), desk)
        #expect(Self.configuration(desk)?.isVoter(4) == false)
        _ = Self.pass(.ms(400), desk)
        #expect(Self.configuration(desk)?.isVoter(4) == true, "the transfer has failed")
    }

    @Test("The status tells each member's lag, silence and steadiness, and how many voters may fail")
    func status() {
        let desk = Leaders.leader(learners: [4], open: [2, 3, 4])
        func status() -> NodeStatus {
            var status = NodeStatus(
                desk.baton, role: .leader, cluster: "test", incarnation: Incarnation(rawValue: 1))
            desk.rules.report(into: &status, withPeers: true, desk.baton)
            return status
        }
        _ = Self.pass(.ms(500), desk)
        #expect(status().failureTolerance == 1)
        #expect(status().peers.map(\.steadyFor) == [.ms(400), .ms(400), .ms(400)])
        desk.turn([.command("a"), .command("b")])
        #expect(status().peers.map(\.lag) == [2, 2, 2])
        _ = Self.pass(.ms(1000), desk, answering: [2])
        #expect(status().failureTolerance == 0)
        #expect(status().peers.map(\.sinceHeard) == [.zero, .ms(1000), .ms(1000)])
        #expect(status().peers[1].steadyFor == nil)
        desk.turn([.transfer(to: 2, Caller().completion)])
        #expect(status().transfer == TransferStatus(target: 2, isTold: false, lag: 2))
    }
}
