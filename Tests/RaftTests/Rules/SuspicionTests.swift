import Testing

@testable import Raft

@Suite("A leader whose process has ended")
struct SuspicionTests {
    private func follower(
        leases: Duration? = nil, hasJoined: Bool = false, preference: LeadershipPreference = .ordinary
    ) throws -> Desk<FollowerRules> {
        let members = [1, 2, 3].map { id in
            ClusterConfiguration.Member(
                id: NodeID(id), address: "node-\(id)", preference: id == 1 ? preference : .ordinary)
        }
        let desk = Desk(
            FollowerRules(), term: 5, log: [1, 5], leader: 2, heardAt: .seconds(100), hasJoined: hasJoined,
            configuration: try ClusterConfiguration(voters: members, leaseWindow: leases))
        desk.begin()
        desk.now += .ms(50)
        return desk
    }

    private func suspicion(_ desk: Desk<FollowerRules>) -> Suspicion {
        Suspicion(leader: 2, term: 5, since: desk.now)
    }

    @Test("The end of the leader's connection makes a follower ask, and changes nothing")
    func asks() throws {
        let desk = try follower()
        desk.expect(.connectionBroke(from: 2), .stay, [.probe(suspicion(desk))])
    }

    @Test("That of another node's does not")
    func others() throws {
        try follower().expect(.connectionBroke(from: 3))
    }

    @Test("Found gone, it is heard of no more: a campaign follows within a heartbeat, and others get a vote at once")
    func gone() throws {
        let desk = try follower()
        let suspicion = suspicion(desk)
        desk.now += .ms(1)
        desk.expect(.found(suspicion), .stay, [.note(.info)]) {
            $0.leader = nil
            $0.leaderHeardAt = nil
            $0.timerStartedAt = desk.now
        }
        let deadline = desk.rules.deadline(desk.baton)!
        #expect((desk.now...desk.now + .ms(100)).contains(deadline))
        let granted = VoteReply(phase: .preVote, round: 8, term: 6, isGranted: true)
        desk.expect(
            desk.request(
                .vote(VoteRequest(phase: .preVote, term: 6, candidate: 3, lastLog: LogID(2, 5), round: 8))),
            .stay, [.reply(.vote(granted))])
        desk.now = deadline
        desk.expect(.tick, .become(.candidate(isTransfer: false)))
    }

    @Test("Its campaign tries again after a heartbeat or two, four times; then it takes its time")
    func shortRounds() throws {
        let desk = Desk(CandidateRules(), term: 5, log: [1, 5])
        desk.baton.hastenElection()
        desk.begin()
        for round in 1...6 {
            let deadline = desk.rules.deadline(desk.baton)!
            let range: ClosedRange<Duration> = round <= 4 ? .ms(100)...(.ms(200)) : .ms(1000)...(.ms(2000))
            #expect((desk.now + range.lowerBound...desk.now + range.upperBound).contains(deadline), "round \(round)")
            desk.now = deadline
            desk.turn([.tick])
        }
    }

    @Test("Who is never to lead leaves the others a heartbeat more")
    func neverLeads() throws {
        let desk = try follower(preference: .never)
        desk.turn([.found(suspicion(desk))])
        let deadline = desk.rules.deadline(desk.baton)!
        #expect((desk.now + .ms(200)...desk.now + .ms(300)).contains(deadline))
    }

    @Test("A leader that was heard meanwhile, or is another by now, is not given up")
    func heardSince() throws {
        let desk = try follower()
        let suspicion = suspicion(desk)
        desk.baton.leaderHeardAt = desk.now + .ms(1)
        desk.now += .ms(2)
        desk.expect(.found(suspicion))
        desk.expect(.found(Suspicion(leader: 2, term: 4, since: desk.now)))
        desk.expect(.found(Suspicion(leader: 3, term: 5, since: desk.now)))
    }

    @Test("Where leases are allowed nobody asks, and no answer counts: reads may rest on this node's word")
    func leases() throws {
        let desk = try follower(leases: .ms(900))
        desk.expect(.connectionBroke(from: 2))
        desk.expect(.found(suspicion(desk)))
    }

    @Test("A node whose vote does not count does not ask")
    func withoutVote() throws {
        try follower(hasJoined: true).expect(.connectionBroke(from: 2))
    }
}
