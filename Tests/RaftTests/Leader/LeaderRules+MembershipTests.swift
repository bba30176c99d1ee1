import Testing

@testable import Raft

@Suite("A leader changes the members")
struct LeaderRulesMembershipTests {
    typealias LeaderDesk = Desk<LeaderRules>
    typealias Leaders = LeaderRulesTests

    static func life(_ id: NodeID) -> Incarnation { Incarnation(rawValue: 100 + id.rawValue) }

    /// A leader of term 3 whose log is [1, 2] and its own no-op, 3, which is committed.
    static func leader(
        voters: [NodeID] = [1, 2, 3], nextVoters: [NodeID]? = nil, learners: [NodeID] = [],
        isSettled: Bool = true, configure: (inout Configuration) -> Void = { _ in }
    ) -> LeaderDesk {
        let open = Set(voters + (nextVoters ?? []) + learners).sorted().filter { $0 != 1 }
        return Leaders.leader(
            voters: voters, nextVoters: nextVoters, learners: learners, open: open, isSettled: isSettled,
            configure: configure)
    }

    static func change(
        _ request: MembershipRequest, _ caller: Caller, isBlocking: Bool = false, ifUnchangedSince: LogID? = nil,
        timeout: Duration? = nil
    ) -> Message {
        .changeMembership(
            MembershipOrder(
                request: request, isBlocking: isBlocking, ifUnchangedSince: ifUnchangedSince, timeout: timeout,
                ticket: caller.completion))
    }

    /// The peer's stream stands, to this life of it, and it holds everything.
    static func meet(_ peer: NodeID, _ desk: LeaderDesk, life: Incarnation? = nil, stream: StreamID? = nil) {
        let stream = stream ?? Leaders.stream(peer)
        desk.turn([.streamStarted(peer, stream, incarnation: life ?? Self.life(peer))])
        hold(peer, desk, stream: stream)
    }

    static func hold(_ peer: NodeID, _ desk: LeaderDesk, through index: LogIndex? = nil, stream: StreamID? = nil) {
        guard let progress = desk.rules.progress.first(where: { $0.peer == peer }) else { return }
        let through = index ?? desk.baton.log.last.index
        let sequence = progress.inflight.last?.sequence ?? 0
        desk.turn([
            Leaders.accepted(peer, through, stream: stream ?? progress.stream, sequence: sequence),
            .reply(
                .heartbeat(
                    HeartbeatReply(
                        term: 3, stream: stream ?? progress.stream ?? StreamID(0), round: 0, isRejected: false)),
                from: peer),
        ])
    }

    /// The own disk and these peers hold everything that there is.
    static func settle(_ desk: LeaderDesk, _ peers: NodeID...) { settle(desk, peers) }
    static func settle(_ desk: LeaderDesk, _ peers: [NodeID]) {
        for _ in 0..<4 {
            if let write = desk.lastWrite { desk.turn([.durable(write)]) }
            for peer in peers { hold(peer, desk) }
        }
    }

    static func configurations(_ desk: LeaderDesk) -> ClusterConfiguration? { desk.baton.membership.current }

    // MARK: When

    @Test("No member is changed before an entry of the own term is committed (M5; raft-dev, 2015)")
    func ownTermFirst() {
        let desk = Self.leader(isSettled: false)
        let caller = Caller()
        desk.turn([Self.change(.add(4, address: "d:1"), caller)])
        #expect(caller.error?.code == .notCommittedInTerm && desk.baton.log.last == LogID(3, 3))
        #expect(caller.error?.outcome == .nothingHappened)
    }

    @Test("A change is in force when it is appended, and its caller is told when it is committed")
    func inForceAtAppend() {
        let desk = Self.leader()
        let caller = Caller()
        let (_, acts) = desk.turn([Self.change(.add(4, address: "d:1"), caller)])
        #expect(acts.map(\.kind) == ["info", "write(append)", "keep streams", "append", "append"])
        #expect(acts.contains(.keepStreams([2, 3, 4])))
        #expect(Self.configurations(desk)?.learners == [4] && desk.baton.membership.currentID == LogID(4, 3))
        #expect(caller.answerCount == 0)
        Self.settle(desk, 2)
        #expect(caller.answerCount == 1 && caller.error == nil && desk.commitIndex == 4)
    }

    @Test("One change at a time: a second one is refused until the first is committed (M4, I12)")
    func oneAtATime() {
        let desk = Self.leader()
        let (first, second, third) = (Caller(), Caller(), Caller())
        desk.turn([Self.change(.add(4, address: "d:1"), first), Self.change(.add(5, address: "e:1"), second)])
        #expect(second.error?.code == .changeInProgress && Self.configurations(desk)?.learners == [4])
        Self.settle(desk, 2)
        desk.turn([Self.change(.add(5, address: "e:1"), third)])
        #expect(Self.configurations(desk)?.learners == [4, 5])
    }

    @Test("A guarded change is made only if the members are still those that its caller saw; a binding is no change")
    func guarded() {
        let desk = Self.leader()
        let (first, stale, fresh) = (Caller(), Caller(), Caller())
        desk.turn([Self.change(.add(4, address: "d:1"), first, ifUnchangedSince: .zero)])
        #expect(first.answerCount == 0)
        Self.settle(desk, 2)
        desk.turn([Self.change(.add(5, address: "e:1"), stale, ifUnchangedSince: .zero)])
        #expect(stale.error?.code == .membershipChanged && Self.configurations(desk)?.learners == [4])
        Self.meet(4, desk)
        Self.settle(desk, 2, 4)
        #expect(Self.configurations(desk)?.member(4)?.incarnation == Self.life(4))
        #expect(desk.baton.membership.currentID == LogID(5, 3) && desk.baton.membership.membersID == LogID(4, 3))
        desk.turn([Self.change(.add(5, address: "e:1"), fresh, ifUnchangedSince: LogID(4, 3))])
        #expect(fresh.answerCount == 0 && Self.configurations(desk)?.learners == [4, 5])
    }

    @Test("While leadership is passed on nothing is changed")
    func notInTransfer() {
        let desk = Self.leader()
        let caller = Caller()
        desk.turn([.command("a"), .transfer(to: 2, Caller().completion)])
        desk.turn([Self.change(.add(4, address: "d:1"), caller)])
        #expect(caller.error?.code == .notLeader && caller.error?.leader?.id == 2)
    }

    // MARK: Binding

    @Test("Whoever is reached for the first time is bound to the life that was met, in one entry, and only once")
    func binds() {
        let desk = Self.leader(learners: [4])
        desk.turn([2, 3, 4].map { .streamStarted($0, StreamID($0.rawValue + 50), incarnation: Self.life($0)) })
        #expect(desk.baton.membership.currentID == LogID(4, 3))
        #expect(
            Self.configurations(desk)?.members.map(\.incarnation)
                == [Incarnation(rawValue: 1), Self.life(2), Self.life(3), Self.life(4)])
        Self.settle(desk, 2, 3, 4)
        desk.turn([.streamEnded(4, StreamID(54), reason: "test")])
        desk.turn([.streamStarted(4, StreamID(64), incarnation: Self.life(4))])
        #expect(desk.baton.log.last == LogID(4, 3))
    }

    @Test("A request that meets a binding on its way waits for it; a second one does not")
    func heldForBinding() {
        let desk = Self.leader(learners: [4])
        let (first, second) = (Caller(), Caller())
        desk.turn([.streamStarted(4, StreamID(54), incarnation: Self.life(4))])
        desk.turn([Self.change(.add(5, address: "e:1"), first), Self.change(.add(6, address: "f:1"), second)])
        #expect(first.answerCount == 0 && second.error?.code == .changeInProgress)
        #expect(Self.configurations(desk)?.learners == [4])
        Self.settle(desk, 2)
        #expect(Self.configurations(desk)?.learners == [4, 5] && first.error == nil && first.answerCount == 1)
    }

    // MARK: Promotion

    @Test("A learner is promoted by a joint configuration; once that is committed the leader itself leaves it")
    func promotes() {
        let desk = Self.leader(learners: [4])
        let caller = Caller()
        Self.meet(4, desk)
        Self.settle(desk, 2, 4)
        let bound = desk.baton.log.last.index
        desk.turn([Self.change(.promote(4), caller)])
        #expect(Self.configurations(desk)?.voterSets == [[1, 2, 3], [1, 2, 3, 4]])
        desk.turn([.durable(desk.lastWrite!)])
        // A majority of {1, 2, 3}, and with node 4 of {1, 2, 3, 4}, too.
        Self.hold(2, desk)
        #expect(desk.commitIndex == bound)
        Self.hold(4, desk)
        #expect(desk.commitIndex == bound.next)
        #expect(Self.configurations(desk)?.voterSets == [[1, 2, 3, 4]] && caller.answerCount == 0)
        Self.settle(desk, 2, 3)
        #expect(caller.answerCount == 1 && caller.error == nil && desk.isConfigurationCommitted)
    }

    @Test("R11: the new set alone commits nothing, nor do both together (I13)")
    func r11() {
        let desk = Self.leader(voters: [1, 2, 3], learners: [4, 5])
        for peer in [4, 5] as [NodeID] { Self.meet(peer, desk) }
        Self.settle(desk, 2, 4, 5)
        let before = desk.commitIndex
        desk.turn([Self.change(.replaceVoters([3, 4, 5], keepingOthers: false), Caller())])
        desk.turn([.durable(desk.lastWrite!)])
        Self.hold(4, desk)
        Self.hold(5, desk)
        #expect(desk.commitIndex == before, "1, 4 and 5 are three of five, but one of {1, 2, 3}")
        Self.hold(2, desk)
        #expect(desk.commitIndex == before.next)
    }

    @Test("A learner gets no vote while it lags, is not bound, does not hold its binding, or cannot be reached (M8)")
    func unfit() {
        func refusal(_ desk: LeaderDesk) -> RaftError? {
            let caller = Caller()
            desk.turn([Self.change(.promote(4), caller)])
            return caller.error
        }
        let unbound = Self.leader(learners: [4])
        #expect(refusal(unbound)?.code == .learnerLags)

        let lagging = Self.leader(learners: [4], configure: { $0.maximumReplicationLag = 2 })
        Self.meet(4, lagging)
        Self.settle(lagging, 2, 4)
        lagging.turn((0..<3).map { .command("\($0)") })
        Self.settle(lagging, 2)
        #expect(
            refusal(lagging)?.message == "node 4 is 3 entries behind; at most 2 are allowed (maximumReplicationLag)")
        Self.hold(4, lagging, through: lagging.baton.log.last.index.previous)
        #expect(refusal(lagging) == nil)

        let away = Self.leader(learners: [4])
        Self.meet(4, away)
        Self.settle(away, 2, 4)
        away.turn([.streamEnded(4, Leaders.stream(4), reason: "gone")])
        #expect(refusal(away)?.message.hasPrefix("node 4 cannot be reached: gone") == true)
    }

    @Test("R64: a blocking add waits until the learner has caught up")
    func blockingAdd() {
        let desk = Self.leader()
        let caller = Caller()
        desk.turn([Self.change(.add(4, address: "d:1"), caller, isBlocking: true)])
        Self.settle(desk, 2)
        #expect(caller.answerCount == 0, "committed, but the learner has not been reached")
        desk.turn([.streamStarted(4, Leaders.stream(4), incarnation: Self.life(4))])
        Self.settle(desk, 2)
        #expect(caller.answerCount == 0, "its binding is not there yet")
        Self.hold(4, desk)
        #expect(caller.answerCount == 1 && caller.error == nil)
    }

    @Test("R64: a blocking add ends when the learner is removed, when its time is over, and with the leadership")
    func blockingAddEnds() {
        func waiting(timeout: Duration? = nil) -> (LeaderDesk, Caller) {
            let desk = Self.leader()
            let caller = Caller()
            desk.turn([Self.change(.add(4, address: "d:1"), caller, isBlocking: true, timeout: timeout)])
            Self.settle(desk, 2)
            return (desk, caller)
        }
        let (removing, removed) = waiting()
        removing.turn([Self.change(.remove(4), Caller())])
        #expect(removed.error?.code == .unknownNode)

        let (late, tooLate) = waiting(timeout: .ms(150))
        late.now += .ms(100)
        late.turn([.tick])
        #expect(tooLate.answerCount == 0)
        late.now += .ms(100)
        late.turn([.tick])
        #expect(tooLate.error?.code == .deadlineExceeded && tooLate.error?.outcome == .unknown)

        let (deposed, lost) = waiting()
        deposed.turn([.overslept(.seconds(9))])
        #expect(lost.error?.code == .outcomeUnknown)
    }

    @Test("A member that is added again is waited for, too, and needs no entry")
    func addingAgain() {
        let desk = Self.leader(learners: [4])
        let (plain, blocking) = (Caller(), Caller())
        let before = desk.baton.log.last
        desk.turn([Self.change(.add(4, address: "node-4"), plain)])
        desk.turn([Self.change(.add(4, address: "node-4"), blocking, isBlocking: true)])
        #expect(plain.answerCount == 1 && plain.error == nil && blocking.answerCount == 0)
        #expect(desk.baton.log.last == before)
    }

    // MARK: Leaving

    @Test("M1, D13: a leader that is removed leads until it is committed, does not count itself, tells all, and goes")
    func removedLeader() {
        let desk = Self.leader()
        let caller = Caller()
        desk.turn([Self.change(.remove(1), caller)])
        desk.turn([.durable(desk.lastWrite!)])
        Self.hold(2, desk)
        #expect(Self.configurations(desk)?.isJoint == true)
        Self.hold(3, desk)
        #expect(Self.configurations(desk)?.voterSets == [[2, 3]] && caller.answerCount == 0)
        let last = desk.baton.log.last.index
        desk.turn([.durable(desk.lastWrite!)])
        Self.hold(2, desk)
        #expect(desk.commitIndex < last, "this leader and node 2 are no majority of {2, 3}")
        let progress = desk.rules.progress[1]
        let (verdict, acts) = desk.turn([
            Leaders.accepted(3, last, sequence: progress.inflight.last?.sequence ?? 0)
        ])
        #expect(verdict == .stay && desk.commitIndex == last && caller.error == nil && caller.answerCount == 1)
        for peer in [2, 3] as [NodeID] {
            #expect(
                acts.contains(
                    .heartbeat(
                        peer,
                        HeartbeatRequest(
                            term: 3, leader: 1, stream: Leaders.stream(peer), round: 0, commit: last, leaderCommit: last
                        ))), "I14: the commit is published")
        }
        #expect(acts.contains { $0.kind == "timeout-now" })
        let refused = Caller()
        let ticket = OutputTicket<Int> { refused.note($0) }
        desk.turn([.command("late", ticket), Self.change(.add(9, address: "x:1"), refused)])
        #expect(refused.answerCount == 2 && refused.error?.code == .notLeader && refused.error?.leader == nil)
        #expect(Self.pass(.ms(900), desk, answering: [2, 3]).verdict == .stay)
        #expect(
            Self.pass(.ms(100), desk, answering: [2, 3]).verdict == .become(.learner), "within one election timeout")
    }

    /// Time passes in heartbeats, which these peers answer.
    static func pass(
        _ duration: Duration, _ desk: LeaderDesk, answering peers: [NodeID]
    ) -> (verdict: Verdict, acts: [Act]) {
        var passed: (verdict: Verdict, acts: [Act]) = (.stay, [])
        let end = desk.now + duration
        while desk.now < end, passed.verdict == .stay {
            desk.now += desk.baton.settings.heartbeatInterval
            let turn = desk.turn(peers.map { Leaders.beats($0, round: 0) } + [.tick])
            passed = (turn.verdict, passed.acts + turn.acts)
        }
        return passed
    }

    static func told(_ acts: [Act]) -> [NodeID] {
        acts.compactMap { if case .timeoutNow(let peer, _) = $0 { peer } else { nil } }
    }

    /// A leader of four that is being removed under load: the entry that removes it is committed, and node 2 is the only
    /// one to hold the one after it.
    static func leaving(neverLeads: NodeID? = nil, lastHeldBy holders: [NodeID] = [2]) -> LeaderDesk {
        let desk = Self.leader(voters: [1, 2, 3, 4])
        if let neverLeads {
            desk.turn([Self.change(.prefer(neverLeads, .never), Caller())])
            Self.settle(desk, 2, 3, 4)
        }
        desk.turn([Self.change(.remove(1), Caller())])
        desk.turn([.durable(desk.lastWrite!)])
        for peer in [2, 3, 4] as [NodeID] { Self.hold(peer, desk) }
        let removal = desk.baton.log.last.index
        desk.turn([.command("under way")])
        for peer in [2, 3, 4] as [NodeID] { Self.hold(peer, desk, through: removal) }
        for peer in holders { Self.hold(peer, desk) }
        return desk
    }

    @Test("A removed leader tells its successor to campaign once everything is committed, and answers everybody first")
    func passesOn() {
        let desk = Self.leaving()
        #expect(desk.rules.membership.leavesAt != nil && desk.commitIndex < desk.baton.log.last.index)
        #expect(desk.rules.membership.successor == nil, "one of {2, 3, 4} has not committed it")
        let last = desk.baton.log.last
        let (verdict, acts) = desk.turn([.durable(desk.lastWrite!), Leaders.accepted(4, last.index, sequence: 9)])
        #expect(verdict == .stay && desk.commitIndex == last.index)
        #expect(Self.told(acts).count == 1 && desk.rules.proposals.byteCount == 0)
        #expect(Self.told(desk.turn([Leaders.accepted(3, last.index, sequence: 9)]).acts).isEmpty, "once")
        let next = Leaders.beats(2, round: 0, term: 4, isRejected: true)
        #expect(desk.turn([next]).verdict == .become(.learner), "it has heard of the next term")
    }

    @Test("A removed leader repeats its order while its successor answers, and takes another when that one is silent")
    func successorDies() {
        let desk = Self.leaving(lastHeldBy: [2, 3])
        let first = desk.rules.membership.successor
        guard let first else { return #expect(first != nil) }
        let others = [2, 3].filter { $0 != first } as [NodeID]
        #expect(Self.told(Self.pass(.ms(100), desk, answering: [2, 3, 4]).acts) == [first], "it may be lost")
        let acts = Self.pass(.ms(300), desk, answering: others + [4]).acts
        #expect(Self.told(acts).last == others[0])

        let broken = Self.leaving(lastHeldBy: [2, 3])
        broken.turn([.streamEnded(first, Leaders.stream(first), reason: "it died")])
        #expect(Self.told(Self.pass(.ms(100), broken, answering: others + [4]).acts) == others)
    }

    @Test("A removed leader waits for a successor that may lead, but not for long, and without any it just goes")
    func waitsForTheFittest() {
        let desk = Self.leaving(neverLeads: 2, lastHeldBy: [2])
        Self.hold(4, desk, through: desk.baton.log.last.index.previous)
        let last = desk.baton.log.last.index
        desk.turn([Leaders.accepted(3, last, sequence: 9)])
        #expect(desk.rules.membership.successor == 3)

        let pressed = Self.leaving(neverLeads: 2, lastHeldBy: [2])
        #expect(pressed.rules.membership.successor == nil)
        pressed.turn([.streamEnded(3, Leaders.stream(3), reason: "it died")])
        let (verdict, acts) = Self.pass(.seconds(1), pressed, answering: [2, 4])
        #expect(verdict == .become(.learner) && Self.told(acts).isEmpty, "not all of it is committed")
    }

    @Test("A leader that loses its vote and stays as a learner leaves its office, too")
    func demotedLeader() {
        let desk = Self.leader()
        desk.turn([Self.change(.demote(1), Caller())])
        Self.settle(desk, 2, 3)
        Self.settle(desk, 2, 3)
        let verdict = Self.pass(.seconds(1), desk, answering: [2, 3]).verdict
        #expect(verdict == .become(.learner) && Self.configurations(desk)?.learners == [1])
    }

    @Test("A removed member hears that it is final, and then its stream ends; unrelated streams stay (R59)")
    func departs() {
        let desk = Self.leader()
        desk.turn([Self.change(.remove(3), Caller())])
        Self.settle(desk, 2)
        #expect(Self.configurations(desk)?.contains(3) == false)
        #expect(desk.rules.progress.map(\.peer) == [2, 3], "its stream stays")
        Self.settle(desk, 2)
        let last = desk.baton.log.last.index
        let progress = desk.rules.progress[1]
        let (_, acts) = desk.turn([
            Leaders.accepted(3, last, sequence: progress.inflight.last?.sequence ?? 0)
        ])
        #expect(
            acts.contains(
                .heartbeat(
                    3,
                    HeartbeatRequest(
                        term: 3, leader: 1, stream: Leaders.stream(3), round: 0, commit: last, leaderCommit: last))))
        desk.now += .ms(100)
        #expect(desk.turn([.tick]).acts.contains(.keepStreams([2])) && desk.rules.progress.map(\.peer) == [2])
    }

    @Test("R48: a removed member that does not answer is kept for an election timeout, and keeps nobody waiting")
    func departsInSilence() {
        let desk = Self.leader()
        let caller = Caller()
        desk.turn([Self.change(.remove(3), caller)])
        Self.settle(desk, 2)
        Self.settle(desk, 2)
        #expect(caller.answerCount == 1 && desk.rules.progress.map(\.peer) == [2, 3])
        for _ in 0..<21 {
            desk.now += .ms(100)
            Self.hold(2, desk)
            desk.turn([.tick])
        }
        #expect(desk.rules.progress.map(\.peer) == [2])
    }

    @Test("R19: a member that is removed and added again is another life, met on another stream")
    func removedAndAddedAgain() {
        let desk = Self.leader(learners: [4])
        Self.meet(4, desk)
        Self.settle(desk, 2, 4)
        desk.turn([Self.change(.remove(4), Caller())])
        Self.settle(desk, 2)
        #expect(Self.configurations(desk)?.removed == [.init(id: 4, incarnation: Self.life(4))])
        let (_, acts) = desk.turn([Self.change(.add(4, address: "d:2"), Caller())])
        #expect(acts.filter { $0.kind == "keep streams" } == [.keepStreams([2, 3]), .keepStreams([2, 3, 4])])
        Self.settle(desk, 2)
        desk.turn([Leaders.accepted(4, desk.baton.log.last.index, stream: Leaders.stream(4))])
        #expect(desk.rules.progress[2].matchIndex == 0 && desk.rules.progress[2].incarnation == nil)
        Self.meet(4, desk, life: Incarnation(rawValue: 999), stream: StreamID(99))
        #expect(Self.configurations(desk)?.member(4)?.incarnation == Incarnation(rawValue: 999))
    }

    // MARK: Joint

    @Test("M7: a new leader leaves a joint configuration that it finds, once an entry of its own is committed")
    func finishesJoint() {
        let desk = Self.leader(voters: [1, 2, 3], nextVoters: [2, 3, 4], isSettled: false)
        #expect(Self.configurations(desk)?.isJoint == true)
        Self.settle(desk, 2)
        #expect(Self.configurations(desk)?.isJoint == true, "one of {2, 3, 4} is no majority of it")
        Self.settle(desk, 2, 4)
        #expect(Self.configurations(desk)?.voterSets == [[2, 3, 4]])
    }

    @Test("A joint configuration is not left before it is committed (I12)")
    func jointFirst() {
        let desk = Self.leader()
        desk.turn([Self.change(.remove(3), Caller())])
        desk.turn([.durable(desk.lastWrite!)])
        desk.turn([.tick])
        #expect(Self.configurations(desk)?.isJoint == true && desk.baton.log.last.index == 4)
    }

    @Test("A change of voters can be taken back while it is under way; whoever asked for it is told")
    func takenBack() {
        let desk = Self.leader()
        let (first, second) = (Caller(), Caller())
        desk.turn([Self.change(.remove(3), first)])
        desk.turn([Self.change(.redirect(to: [1, 2, 3]), second)])
        #expect(first.error?.code == .changeRedirected && second.answerCount == 0)
        Self.settle(desk, 2, 3)
        Self.settle(desk, 2, 3)
        #expect(Self.configurations(desk)?.voterSets == [[1, 2, 3]] && second.error == nil && second.answerCount == 1)
        #expect(Self.configurations(desk)?.removed.isEmpty == true)
    }

    @Test("Who waits for a change hears when the leadership is lost that it may still be made")
    func deposed() {
        let desk = Self.leader()
        let caller = Caller()
        desk.turn([Self.change(.remove(3), caller)])
        desk.turn([.overslept(.seconds(9))])
        #expect(caller.error?.code == .outcomeUnknown && caller.error?.outcome == .unknown)
    }

    @Test("A sole voter grows and shrinks; alone again it commits by its own disk (M11)")
    func soleVoter() {
        let desk = Self.leader(voters: [1], learners: [2])
        Self.meet(2, desk)
        Self.settle(desk, 2)
        desk.turn([Self.change(.promote(2), Caller())])
        Self.settle(desk, 2)
        Self.settle(desk, 2)
        #expect(Self.configurations(desk)?.voterSets == [[1, 2]] && desk.isConfigurationCommitted)
        let caller = Caller()
        desk.turn([Self.change(.remove(2), caller)])
        desk.turn([.durable(desk.lastWrite!)])
        #expect(Self.configurations(desk)?.isJoint == true, "both sets")
        Self.hold(2, desk)
        #expect(Self.configurations(desk)?.voterSets == [[1]])
        desk.turn([.durable(desk.lastWrite!)])
        #expect(caller.answerCount == 1 && desk.isConfigurationCommitted)
    }
}
