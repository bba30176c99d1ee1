import Testing

@testable import Raft

@Suite("A leader passes its office on")
struct LeaderRulesTransferTests {
    typealias LeaderDesk = Desk<LeaderRules>
    typealias Leaders = LeaderRulesTests

    /// Voters 1, 2 and 3, learner 4, with these preferences; node 1 leads term 3, and its log ends at 3.
    static func leader(
        _ preferences: [NodeID: LeadershipPreference] = [:], open: [NodeID] = [2, 3, 4], isSettled: Bool = true,
        configure: (inout Configuration) -> Void = { _ in }
    ) throws -> LeaderDesk {
        let members = (1...4).map { number -> ClusterConfiguration.Member in
            let id = NodeID(UInt64(number))
            return .init(id: id, address: "node-\(id)", preference: preferences[id] ?? .ordinary)
        }
        let desk = Desk(
            LeaderRules(), term: 3, vote: 1, log: [1, 2],
            configuration: try ClusterConfiguration(voterSets: [[1, 2, 3]], members: members),
            configure: {
                $0.steadyInterval = .seconds(2)
                $0.preferenceInterval = .seconds(5)
                configure(&$0)
            })
        desk.begin()
        desk.turn([.durable(desk.lastWrite!)])
        desk.turn(open.map { .streamStarted($0, Leaders.stream($0)) })
        if isSettled {
            for peer in open { desk.turn([Leaders.accepted(peer, 3), Leaders.beats(peer, round: 0)]) }
            desk.turn([.applied(through: 3)])
        }
        return desk
    }

    /// Time passes in heartbeats, which these peers answer. Returns everything that was done.
    @discardableResult
    static func pass(_ duration: Duration, _ desk: LeaderDesk, answering peers: [NodeID] = [2, 3, 4]) -> [Act] {
        var acts: [Act] = []
        let end = desk.now + duration
        while desk.now < end {
            desk.now += desk.baton.settings.heartbeatInterval
            acts += desk.turn(peers.map { Leaders.beats($0, round: 0) } + [.tick]).acts
        }
        return acts
    }

    static func vote(by candidate: NodeID = 2, _ term: Term = 4) -> PeerRequest {
        .vote(
            VoteRequest(
                phase: .vote, term: term, candidate: candidate, lastLog: LogID(3, 3), round: 5, isTransfer: true))
    }

    static func order(_ target: NodeID, last: LogID = LogID(3, 3)) -> Act {
        .timeoutNow(target, TimeoutNowRequest(term: 3, leader: 1, lastLog: last))
    }

    // MARK: Asked for

    @Test("A transfer stops proposals and reads, and is sent once the target holds the whole log")
    func transfer() {
        let desk = Leaders.leader()
        let caller = Caller()
        desk.turn([.command("a")])
        desk.expect(.transfer(to: 2, caller.completion), .stay, [.note(.info)])
        #expect(!desk.rules.servesReads && !desk.rules.lease.isOver)
        desk.expect(.command("b"), .stay, [.fail(1, .notLeader)])
        desk.expect(.read(Ticket()))
        desk.expect(
            Leaders.accepted(2, 4), .stay,
            [.timeoutNow(2, TimeoutNowRequest(term: 3, leader: 1, lastLog: LogID(4, 3)))])
        desk.expect(.transfer(to: 3, Caller().completion), .stay, [.fail(1, .transferInProgress)])
        let (verdict, acts) = desk.turn([desk.request(Self.vote())])
        #expect(verdict == .handOver(.follower))
        #expect(
            acts == [
                .write([.hardState(HardState(currentTerm: 4))]), .keepStreams([]), .fail(1, .notLeader),
                .fail(1, .outcomeUnknown), .succeed,
            ])
        #expect(caller.answerCount == 1 && caller.error == nil)
    }

    @Test("A transfer that does not come about is given up after an election timeout, and reads go on")
    func transferFails() throws {
        let desk = try Self.leader()
        let caller = Caller()
        desk.turn([.transfer(to: 2, caller.completion), .read(Ticket())])
        #expect(desk.rules.transfer?.isSent == true)
        let acts = Self.pass(.ms(900), desk)
        #expect(acts.contains(Self.order(2)), "the order may have been lost, and is said again")
        let end = desk.turn([Leaders.beats(2, round: 0)]).acts
        #expect(end.isEmpty, "the read still waits")
        desk.now += .ms(100)
        let (verdict, failed) = desk.turn([.tick])
        #expect(verdict == .stay)
        #expect(failed.prefix(2) == [.note(.warning), .fail(1, .transferTimedOut)])
        #expect(desk.rules.transfer == nil)
        #expect(caller.error?.message == "node 2 was told to campaign and has not won in time; node 1 goes on leading")
        #expect(desk.rules.servesReads && desk.rules.lease.isOver, "the order may still be on its way")
        let (_, served) = desk.turn([Leaders.beats(2, round: desk.rules.reads.round)])
        #expect(served == [.serveReads(1, at: 3)])
        #expect(desk.turn([.command("x")]).acts.contains { $0.kind == "write(append)" })
    }

    @Test("A target that does not catch up in time is never told to campaign, and a lease may stand")
    func tooSlow() throws {
        let desk = try Self.leader()
        let caller = Caller()
        desk.turn([.command("a")])
        desk.turn([.transfer(to: 2, caller.completion)])
        Self.pass(.ms(1000), desk)
        #expect(caller.error?.code == .transferTimedOut)
        #expect(caller.error?.message.contains("did not catch up in time; it is 1 entries behind") == true)
        #expect(!desk.rules.lease.isOver)
    }

    @Test("What keeps a transfer from being tried is told by name, and changes nothing")
    func refusals() throws {
        func refusal(_ desk: LeaderDesk, _ target: NodeID?) -> RaftError.Code? {
            let caller = Caller()
            let acts = desk.turn([.transfer(to: target, caller.completion)]).acts
            #expect(acts.count == 1 && desk.rules.transfer == nil)
            return caller.error?.code
        }
        let desk = try Self.leader([3: .never], open: [2, 3, 4])
        #expect(refusal(desk, 1) == .alreadyLeader)
        #expect(refusal(desk, 9) == .unknownNode)
        #expect(refusal(desk, 4) == .notAVoter)
        #expect(refusal(desk, 3) == .mayNotLead)
        desk.turn([.streamEnded(2, Leaders.stream(2), reason: "its link broke")])
        #expect(refusal(desk, 2) == .targetSilent)
        #expect(refusal(desk, nil) == .noSuccessor, "node 3 may not, and node 2 is not there")

        let silent = try Self.leader()
        Self.pass(.ms(1000), silent, answering: [3])
        #expect(refusal(silent, 2) == .targetSilent)

        let far = try Self.leader(configure: { $0.maximumReplicationLag = 1 })
        far.turn([.command("a"), .command("b")])
        #expect(refusal(far, 2) == .targetLags)
        far.turn([Leaders.accepted(2, 4)])
        far.expect(.transfer(to: 2, Caller().completion), .stay, [.note(.info)])

        let joint = Leaders.leader(nextVoters: [1, 2], isSettled: false)
        #expect(refusal(joint, 2) == .changeInProgress)
    }

    @Test("Leadership that is lost to something else is not told as passed on")
    func lostMeanwhile() throws {
        let desk = try Self.leader()
        let caller = Caller()
        desk.turn([.command("a"), .transfer(to: 2, caller.completion)])
        desk.turn([.overslept(.seconds(9))])
        #expect(caller.error?.code == .transferFailed && caller.error?.outcome == .nothingHappened)
        let told = try Self.leader()
        let other = Caller()
        told.turn([.transfer(to: 2, other.completion)])
        told.turn([.overslept(.seconds(9))])
        #expect(other.error?.code == .transferFailed && other.error?.outcome == .unknown)
    }

    @Test(
        "Without a wish it goes to a preferred voter, else to the one whose log is nearest; never to one that must not")
    func fittest() throws {
        func target(_ preferences: [NodeID: LeadershipPreference], ahead: NodeID) throws -> NodeID? {
            let desk = try Self.leader(preferences)
            desk.turn([.command("a")])
            desk.turn([Leaders.accepted(ahead, 4), Leaders.accepted(4, 4)])
            desk.turn([.transfer(to: nil, Caller().completion)])
            return desk.rules.transfer?.target
        }
        #expect(try target([:], ahead: 3) == 3)
        #expect(try target([:], ahead: 2) == 2)
        #expect(try target([2: .preferred], ahead: 3) == 2)
        #expect(try target([3: .never], ahead: 3) == 2)
    }

    // MARK: Who should lead

    @Test("One that is never to lead hands over as soon as another has caught up, and tries again after a while")
    func neverLeads() throws {
        let desk = try Self.leader([1: .never], isSettled: false)
        #expect(!Self.pass(.seconds(1), desk, answering: []).contains { $0.kind == "timeout-now" })
        let own = try Self.leader([1: .never, 2: .never])
        let acts = Self.pass(.ms(200), own)
        #expect(acts.contains(Self.order(3)) && !acts.contains(Self.order(2)))
        #expect(own.rules.transfer?.cause == .neverLeads)
        Self.pass(.seconds(1), own)
        #expect(own.rules.transfer == nil)
        #expect(!Self.pass(.seconds(5), own).contains(Self.order(3)), "three election timeouts")
        #expect(Self.pass(.seconds(1), own).contains(Self.order(3)))
    }

    @Test(
        "Leadership moves to a preferred member that has been steady for long, and not before this leader has led for long"
    )
    func prefers() throws {
        let desk = try Self.leader([3: .preferred])
        #expect(!Self.pass(.seconds(4), desk).contains(Self.order(3)))
        #expect(Self.pass(.ms(1100), desk).contains(Self.order(3)))
        Self.pass(.seconds(1), desk)
        #expect(desk.rules.transfer == nil, "it did not come about")
        #expect(!Self.pass(.seconds(4), desk).contains(Self.order(3)))
        #expect(Self.pass(.seconds(1), desk).contains(Self.order(3)))

        let shaky = try Self.leader([3: .preferred])
        Self.pass(.seconds(4), shaky)
        shaky.turn([.streamEnded(3, Leaders.stream(3), reason: "its link broke")])
        shaky.turn([.streamStarted(3, StreamID(99))])
        let sequence = shaky.rules.progress.first { $0.peer == 3 }?.inflight.last?.sequence ?? 0
        shaky.turn([Leaders.accepted(3, 3, stream: StreamID(99), sequence: sequence)])
        func pass(_ duration: Duration) -> Bool {
            let end = shaky.now + duration
            var isTold = false
            while shaky.now < end {
                shaky.now += .ms(100)
                let beats = [Leaders.beats(2, round: 0), Leaders.beats(3, round: 0, stream: StreamID(99)), .tick]
                isTold = shaky.turn(beats).acts.contains(Self.order(3)) || isTold
            }
            return isTold
        }
        #expect(!pass(.seconds(2)))
        #expect(pass(.ms(200)), "steady for two seconds again")
    }

    @Test("Between two preferred members, or two ordinary ones, leadership does not move")
    func staysPut() throws {
        for preference in [LeadershipPreference.preferred, .ordinary] {
            let desk = try Self.leader([1: preference, 2: preference, 3: .ordinary])
            #expect(!Self.pass(.seconds(60), desk).contains { $0.kind == "timeout-now" })
        }
    }

    @Test("A member that is told to stop leads the way for one that is never to lead only where nobody else is there")
    func stopsWithNever() throws {
        let desk = try Self.leader([2: .never])
        desk.turn([.stop(Caller().completion)])
        #expect(desk.rules.transfer?.target == 3)
        let last = try Self.leader([2: .never, 3: .never])
        last.turn([.stop(Caller().completion)])
        #expect(last.rules.transfer != nil)
    }

    // MARK: Stopping

    @Test("A leader that is asked to stop passes leadership on first; without a caller, or a successor, it just stops")
    func stops() {
        let desk = Leaders.leader()
        let caller = Caller()
        let (verdict, acts) = desk.turn([.stop(caller.completion)])
        #expect(verdict == .stay)
        #expect(acts.map(\.kind) == ["info", "timeout-now"])
        #expect(desk.turn([.stop(caller.completion)]).verdict == .stay)
        #expect(desk.baton.stopRequests.count == 2, "both are told")
        desk.now += .ms(1000)
        #expect(desk.turn([Leaders.beats(2, round: 0), .tick]).verdict == .become(.stopped(nil)))

        #expect(Leaders.leader().turn([.stop(nil)]).verdict == .become(.stopped(nil)))
        #expect(Leaders.leader(open: []).turn([.stop(caller.completion)]).verdict == .become(.stopped(nil)))
    }
}
