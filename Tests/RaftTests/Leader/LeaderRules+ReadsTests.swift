import Testing

@testable import Raft

@Suite("A leader's lease")
struct LeaderRulesReadsTests {
    typealias Leaders = LeaderRulesTests

    /// Leads term 3, with leases of a second; drift 200 000 ppm, so a lease lasts two thirds of that.
    func leader(
        voters: [NodeID] = [1, 2, 3], nextVoters: [NodeID]? = nil, open: [NodeID] = [2, 3],
        window: Duration? = .seconds(1)
    ) throws -> Desk<LeaderRules> {
        let ids = Set(voters + (nextVoters ?? [])).sorted()
        let configuration = try ClusterConfiguration(
            voterSets: [voters] + (nextVoters.map { [$0] } ?? []),
            members: ids.map { .init(id: $0, address: "node-\($0)") }, leaseWindow: window)
        let desk = Desk(LeaderRules(), term: 3, vote: 1, log: [1, 2], configuration: configuration) {
            $0.maximumClockDrift = 200_000
        }
        desk.begin()
        desk.turn([.durable(desk.lastWrite!)])
        desk.turn(open.map { .streamStarted($0, Leaders.stream($0)) })
        for peer in open { desk.turn([Leaders.accepted(peer, 3)]) }
        if !open.isEmpty { desk.turn([.applied(through: 3)]) }
        tick(desk)
        return desk
    }
    func tick(_ desk: Desk<LeaderRules>) {
        desk.now += .ms(100)
        desk.turn([.tick])
    }
    func isServed(_ desk: Desk<LeaderRules>) -> Bool {
        desk.turn([.read(Ticket(), .lease)]).acts.contains { $0.kind == "serve reads" }
    }

    @Test("It is measured from when the round began that a quorum answered, less what clocks may drift")
    func measured() throws {
        let desk = try leader()
        let began = desk.now
        desk.now += .ms(50)
        #expect(desk.turn([Leaders.beats(2, round: desk.rules.reads.round)]).verdict == .stay)
        #expect(desk.rules.leaseExpiry(desk.baton) == began + .seconds(1) / 1_200_000 * 800_000)
        #expect(isServed(desk))
        #expect(!desk.turn([.read(Ticket())]).acts.contains { $0.kind == "serve reads" }, "who trusts no clock waits")
    }

    @Test("Without an answer it runs out, and reads take a round")
    func expires() throws {
        let desk = try leader()
        desk.turn([Leaders.beats(2, round: desk.rules.reads.round)])
        for _ in 0..<6 { tick(desk) }
        #expect(isServed(desk))
        tick(desk)
        #expect(!isServed(desk))
    }

    @Test("No lease where the members' configuration has none, and none before an entry of the term is committed")
    func notAllowed() throws {
        let plain = try leader(window: nil)
        plain.turn([Leaders.beats(2, round: plain.rules.reads.round)])
        #expect(!isServed(plain))
        let early = try leader(open: [])
        #expect(early.rules.leaseExpiry(early.baton) == nil)
    }

    @Test("None while a configuration is not committed; then by those who vote in it and hold it")
    func configurations() throws {
        // The joint configuration is committed, so its leader has gone on to the next, entry 4.
        let desk = try leader(nextVoters: [1, 4, 5], open: [2, 3, 4, 5])
        for peer in [2, 3, 4, 5] as [NodeID] { desk.turn([Leaders.beats(peer, round: desk.rules.reads.round)]) }
        #expect(desk.state.voters == [1, 4, 5] && desk.rules.leaseExpiry(desk.baton) == nil)
        desk.turn([.durable(desk.lastWrite!), Leaders.accepted(4, 4, sequence: 2)])
        tick(desk)
        for peer in [2, 3, 5] as [NodeID] { desk.turn([Leaders.beats(peer, round: desk.rules.reads.round)]) }
        let held = desk.now - .ms(100) + .seconds(1) / 1_200_000 * 800_000
        #expect(desk.rules.leaseExpiry(desk.baton) == held, "by node 4's last answer; node 5 does not hold entry 4")
        desk.turn([Leaders.beats(4, round: desk.rules.reads.round)])
        #expect(isServed(desk))
    }

    @Test("A pause of more than a heartbeat ends it, until a round that begins later is answered")
    func pause() throws {
        let desk = try leader()
        desk.turn([Leaders.beats(2, round: desk.rules.reads.round)])
        let old = desk.rules.reads.round
        desk.now += .ms(201)
        #expect(!isServed(desk))
        desk.turn([.tick])
        desk.turn([Leaders.beats(3, round: old)])
        #expect(desk.rules.leaseExpiry(desk.baton) == nil, "answers from before the pause show nothing")
        desk.turn([Leaders.beats(3, round: desk.rules.reads.round)])
        #expect(isServed(desk))
    }

    @Test("It ends when leadership is passed on, and does not come back in this term (openraft #1747)")
    func transfer() throws {
        let desk = try leader()
        desk.turn([Leaders.beats(2, round: desk.rules.reads.round)])
        let caller = Caller()
        #expect(desk.turn([.transfer(to: 2, caller.completion)]).acts.contains { $0.kind == "timeout-now" })
        #expect(!isServed(desk))
        for _ in 0..<11 {
            tick(desk)
            desk.turn([
                Leaders.beats(2, round: desk.rules.reads.round), Leaders.beats(3, round: desk.rules.reads.round),
            ])
        }
        #expect(caller.error?.code == .transferTimedOut)
        #expect(desk.rules.leaseExpiry(desk.baton) == nil, "the target may still campaign, late")
    }

    @Test("A follower's question takes part in the round of all reads, and is answered with its index")
    func question() throws {
        let desk = try leader(window: nil)
        let ask = ReadIndexRequest(term: 3, asker: 2, id: 77)
        #expect(
            desk.turn([desk.request(.readIndex(ask)), .read(Ticket())]).acts.map(\.kind) == ["heartbeat", "heartbeat"])
        let (_, acts) = desk.turn([Leaders.beats(3, round: desk.rules.reads.round)])
        #expect(acts == [.reply(.readIndex(ReadIndexReply(term: 3, id: 77, index: 3))), .serveReads(1, at: 3)])
        for other in [ReadIndexRequest(term: 4, asker: 2, id: 1), ReadIndexRequest(term: 3, asker: 9, id: 1)] {
            desk.expect(
                desk.request(.readIndex(other)), .stay,
                [.reply(.readIndex(ReadIndexReply(term: 3, id: 1, index: nil)))])
        }
        desk.turn([desk.request(.readIndex(ask))])
        #expect(
            desk.turn([.overslept(.seconds(3))]).acts.contains(
                .reply(.readIndex(ReadIndexReply(term: 3, id: 77, index: nil)))), "it leads no more")
    }

    @Test("A heartbeat shows its receiver's own mark, once a round that began later is confirmed")
    func evidence() throws {
        let desk = try leader(window: nil)
        func beats(_ peer: NodeID, mark: UInt64) -> Message {
            .reply(
                .heartbeat(
                    HeartbeatReply(
                        term: 3, stream: Leaders.stream(peer), round: desk.rules.reads.round, isRejected: false,
                        mark: mark)), from: peer)
        }
        func shown(_ peer: NodeID) -> (UInt64, LogIndex)? {
            for case .heartbeat(peer, _, let beat) in desk.effects { return (beat.freshMark, beat.freshIndex) }
            return nil
        }
        desk.turn([beats(2, mark: 40), beats(3, mark: 50)])
        tick(desk)
        #expect(try #require(shown(2)) == (0, 0), "no round that began after these answers is confirmed")
        desk.turn([beats(2, mark: 41)])
        tick(desk)
        #expect(try #require(shown(2)) == (40, 3) && shown(3)! == (50, 3))
    }
}

@Suite("What a lease asks of voters")
struct LeaseOwedTests {
    @Test("A voter that has just started may have heard a leader right before: it votes for nobody yet, not for itself")
    func start() throws {
        let members = [1, 2, 3].map { ClusterConfiguration.Member(id: $0, address: "node-\($0)") }
        let leased = try ClusterConfiguration(voters: members, leaseWindow: .seconds(1))
        for (configuration, isGranted) in [(leased, false), (try ClusterConfiguration(voters: members), true)] {
            let desk = Desk(FollowerRules(), term: 2, log: [1], configuration: configuration)
            desk.baton = Baton(
                settings: desk.baton.settings,
                recovered: RecoveredLog(
                    hardState: HardState(currentTerm: 2), purged: .zero, termStarts: [], last: .zero,
                    configurations: [], incarnation: Incarnation(rawValue: 1)),
                membership: {
                    var history = MembershipHistory()
                    history.append(configuration, at: .zero)
                    return history
                }(),
                applied: .zero, random: RandomSource(seed: 7), now: .seconds(100))
            desk.begin()
            desk.now += .ms(999)
            let request = VoteRequest(phase: .vote, term: 3, candidate: 2, lastLog: LogID(5, 2), round: 1)
            desk.turn([desk.request(.vote(request))])
            #expect((desk.state.hardState.votedFor == 2) == isGranted)
            guard !isGranted else { continue }
            desk.now += .ms(1)
            desk.turn([desk.request(.vote(request))])
            #expect(desk.state.hardState.votedFor == 2)
        }
    }
}
