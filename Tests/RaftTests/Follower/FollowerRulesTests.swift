import Testing

@testable import Raft

@Suite("A follower's rules")
struct FollowerRulesTests {
    let stream = StreamID(9)

    func append(
        _ term: Term, from leader: NodeID = 2, after previous: LogID, _ entries: [EntryBatch] = [],
        commit: LogIndex = 0
    ) -> PeerRequest {
        .append(
            AppendRequest(
                term: term, leader: leader, stream: stream, previous: previous, leaderCommit: commit, entries: entries))
    }

    func accepted(_ term: Term, _ through: LogIndex) -> PeerReply {
        .append(AppendReply(term: term, stream: stream, outcome: .accepted(through: through)))
    }

    func heartbeat(_ term: Term, from leader: NodeID = 2, round: UInt64 = 4, commit: LogIndex = 0) -> PeerRequest {
        .heartbeat(
            HeartbeatRequest(
                term: term, leader: leader, stream: stream, round: round, commit: commit, leaderCommit: 99))
    }

    func beats(_ term: Term, round: UInt64 = 4, isRejected: Bool = false) -> PeerReply {
        .heartbeat(HeartbeatReply(term: term, stream: stream, round: round, isRejected: isRejected))
    }

    // MARK: Office

    @Test("A follower begins with a full random timeout, restarted or not (D14)")
    func begins() {
        let desk = Desk(FollowerRules(), log: [1])
        desk.expectBegin { $0.timerStartedAt = desk.now }
        let deadline = desk.rules.deadline(desk.baton)!
        #expect((desk.now + .ms(1000)...desk.now + .ms(2000)).contains(deadline))
    }

    @Test("A sole voter campaigns at once, and never leads in its old term (D16)")
    func soleVoter() {
        let desk = Desk(FollowerRules(), log: [1], voters: [1])
        desk.expectBegin(.become(.candidate(isTransfer: false)))
    }

    @Test("A voter whose joint configuration has another voter in one set is not a sole voter (R12)")
    func jointSoleVoter() {
        for (old, new) in [([1], [1, 2]), ([1, 2], [1]), ([1], [2])] as [([NodeID], [NodeID])] {
            let desk = Desk(FollowerRules(), log: [1], voters: old, nextVoters: new)
            desk.expectBegin { $0.timerStartedAt = desk.now }
        }
        let desk = Desk(FollowerRules(), log: [1], voters: [1], nextVoters: [1])
        desk.expectBegin(.become(.candidate(isTransfer: false)))
    }

    @Test(
        "A leader that has passed its office on stays for a heartbeat, so that its successor gets its vote; then stops")
    func beginsStopping() {
        let desk = Desk(FollowerRules(), term: 3, log: [1])
        desk.baton.isStopping = true
        desk.expectBegin()
        desk.expect(.tick)
        let ballot = VoteRequest(
            phase: .vote, term: 4, candidate: 2, lastLog: LogID(1, 1), round: 7, isTransfer: true)
        let (verdict, _) = desk.turn([desk.request(.vote(ballot))])
        #expect(verdict == .stay && desk.baton.hardState.votedFor == 2)
        desk.now += desk.baton.settings.heartbeatInterval
        desk.expect(.tick, .become(.stopped(nil)))
    }

    // MARK: Append

    @Test("A follower appends what follows its log, and acknowledges with the write")
    func appends() {
        let desk = Desk(FollowerRules(), term: 3, log: [1, 3])
        desk.begin()
        desk.now += .ms(50)
        let new = batch(from: 3, [3, 3])
        desk.expect(
            desk.request(append(3, after: LogID(2, 3), [new], commit: 1)), .stay,
            [
                .note(.info), .write([.append(new)], replies: [accepted(3, 4)]), .apply(from: 1, through: 1),
            ]
        ) {
            $0.last = LogID(4, 3)
            $0.leader = 2
            $0.leaderHeardAt = desk.now
            $0.timerStartedAt = desk.now
            $0.commitIndex = 1
            $0.applyOrdered = 1
        }
        // What is committed but not durable here is not applied: no machine is ahead of its own log.
        desk.expect(
            desk.request(append(3, after: LogID(4, 3), commit: 4)), .stay,
            [.replyAfterWrites(accepted(3, 4)), .apply(from: 2, through: 2)]
        ) {
            $0.commitIndex = 4
            $0.applyOrdered = 2
        }
        desk.expect(.durable(desk.lastWrite!), .stay, [.apply(from: 3, through: 4)]) {
            $0.durableIndex = 4
            $0.applyOrdered = 4
        }
        desk.expect(.applied(through: 4)) { $0.lastApplied = 4 }
    }

    @Test("A slow state machine is told of one run ahead at most; the rest waits in the log (P8)")
    func slowMachine() {
        let size = batch(from: 1, [1]).byteCount
        let desk = Desk(
            FollowerRules(), term: 1, log: [1, 1, 1, 1], leader: 2, heardAt: .zero,
            configure: { $0.maximumApplyBytes = size })
        desk.expect(
            desk.request(append(1, after: LogID(4, 1), commit: 4)), .stay,
            [.reply(accepted(1, 4)), .apply(from: 1, through: 1), .apply(from: 2, through: 2)]
        ) {
            $0.leaderHeardAt = desk.now
            $0.commitIndex = 4
            $0.applyOrdered = 2
        }
        desk.expect(desk.request(heartbeat(1, commit: 4)), .stay, [.reply(beats(1))])
        desk.expect(.applied(through: 1), .stay, [.apply(from: 3, through: 3)]) {
            $0.lastApplied = 1
            $0.applyOrdered = 3
        }
        desk.expect(.applied(through: 3), .stay, [.apply(from: 4, through: 4)]) {
            $0.lastApplied = 3
            $0.applyOrdered = 4
        }
    }

    @Test("What is durable leaves memory above the limit, applied or not, and is then read from the disk")
    func slowMachineMemory() {
        let desk = Desk(
            FollowerRules(), term: 1, log: [1, 1, 1], leader: 2, heardAt: .zero, configure: { $0.maximumTailBytes = 0 })
        #expect(desk.baton.log.byteCount == 0)
        desk.turn([desk.request(append(1, after: LogID(3, 1), commit: 3))])
        guard case .apply(let order)? = desk.effects.last else { return #expect(Bool(false), "nothing applied") }
        #expect(order.entries == nil && order.through == 3)
    }

    @Test("An append that brings nothing new is acknowledged at once when all of it is durable")
    func nothingNew() {
        let desk = Desk(FollowerRules(), term: 3, log: [1, 3, 3], leader: 2, heardAt: .zero)
        desk.expect(
            desk.request(append(3, after: LogID(1, 1), [batch(from: 2, [3])], commit: 3)), .stay,
            [.reply(accepted(3, 2)), .apply(from: 1, through: 2)]
        ) {
            $0.leaderHeardAt = desk.now
            $0.commitIndex = 2  // min(leaderCommit, the last entry that the request speaks of)
            $0.applyOrdered = 2
        }
        #expect(desk.state.last == LogID(3, 3), "a stale append must not cut what a later one brought")
    }

    @Test("A conflicting tail is cut and replaced in one write, and what was committed stays")
    func replaces() {
        let desk = Desk(FollowerRules(), term: 5, log: [1, 1, 2, 2], commit: 2, leader: 2, heardAt: .zero)
        let new = batch(from: 3, [4])
        desk.expect(
            desk.request(append(5, after: LogID(1, 1), [batch(from: 2, [1, 4])], commit: 0)), .stay,
            [.write([.truncate(LogID(2, 1)), .append(new)], replies: [accepted(5, 3)])]
        ) {
            $0.leaderHeardAt = desk.now
            $0.last = LogID(3, 4)
            $0.durableIndex = 2
        }
    }

    @Test("A gap is refused with the end of the log, and a wrong term with the last term that can agree")
    func conflicts() {
        let desk = Desk(FollowerRules(), term: 5, log: [1, 1, 4, 4], leader: 2, heardAt: .zero)
        func conflict(_ previous: LogIndex, _ hint: LogID) -> Act {
            .reply(.append(AppendReply(term: 5, stream: stream, outcome: .conflict(previous: previous, hint: hint))))
        }
        desk.expect(desk.request(append(5, after: LogID(9, 5))), .stay, [conflict(9, LogID(4, 4))]) {
            $0.leaderHeardAt = desk.now
        }
        desk.expect(desk.request(append(5, after: LogID(4, 3))), .stay, [conflict(4, LogID(2, 1))])
    }

    @Test("A commit index never moves back, and never past what the leader's message speaks of (D5)")
    func commitNeverFalls() {
        let desk = Desk(FollowerRules(), term: 2, log: [1, 2, 2], commit: 2, leader: 2, heardAt: .zero)
        desk.now += .ms(1)
        desk.expect(desk.request(append(2, after: LogID(3, 2), commit: 1)), .stay, [.reply(accepted(2, 3))]) {
            $0.leaderHeardAt = desk.now
        }
        desk.expect(desk.request(heartbeat(2, commit: 1)), .stay, [.reply(beats(2))])
        desk.expect(
            desk.request(heartbeat(2, commit: 77)), .stay, [.apply(from: 3, through: 3), .reply(beats(2))]
        ) {
            $0.commitIndex = 3
            $0.applyOrdered = 3
        }
    }

    @Test("A heartbeat's reply waits for the disk only when it brought a new term")
    func heartbeatOfNewTerm() {
        let desk = Desk(FollowerRules(), term: 2, log: [1])
        desk.begin()
        desk.expect(
            desk.request(heartbeat(3)), .stay,
            [
                .write([.hardState(HardState(currentTerm: 3))]), .note(.info), .replyAfterWrites(beats(3)),
            ]
        ) {
            $0.hardState = HardState(currentTerm: 3)
            $0.leader = 2
            $0.leaderHeardAt = desk.now
        }
        desk.expect(.durable(desk.lastWrite!)) { $0.durableHardState = HardState(currentTerm: 3) }
        desk.expect(desk.request(heartbeat(3)), .stay, [.reply(beats(3))])
    }

    @Test("A heartbeat does not wait behind entries that are still being written")
    func heartbeatDuringWrite() {
        let desk = Desk(FollowerRules(), term: 2, log: [1], leader: 2, heardAt: .zero)
        desk.turn([desk.request(append(2, after: LogID(1, 1), [batch(from: 2, [2])]))])
        desk.expect(desk.request(heartbeat(2)), .stay, [.reply(beats(2))])
    }

    @Test("A second leader of one term is not followed")
    func secondLeader() {
        let desk = Desk(FollowerRules(), term: 2, log: [1], leader: 2, heardAt: .zero)
        desk.expect(desk.request(heartbeat(2, from: 3)), .stay, [.note(.error)])
        desk.expect(desk.request(append(2, from: 3, after: .zero)), .stay, [.note(.error)])
    }

    @Test(
        "A voter that a configuration leaves out may still be needed to bring it about: it is a learner once that is committed"
    )
    func losesVote() throws {
        let desk = Desk(FollowerRules(), term: 2, log: [1], leader: 2, heardAt: .zero)
        var builder = EntryBatch.Builder(first: 2, term: 2)
        builder.append(.configuration, Desk<FollowerRules>.configuration([2, 3], nil, [1]).encoded)
        let new = builder.finish()!
        desk.expect(
            desk.request(append(2, after: LogID(1, 1), [new])), .stay,
            [.write([.append(new)], replies: [accepted(2, 2)])]
        ) {
            $0.last = LogID(2, 2)
            $0.leaderHeardAt = desk.now
            $0.voters = [2, 3]
        }
        let (mayCampaign, isVoter) = (desk.baton.mayCampaign, desk.baton.isVoter)
        #expect(mayCampaign && !isVoter)
        let (verdict, _) = desk.turn([desk.request(heartbeat(2, commit: 2))])
        #expect(verdict == .become(.learner))
        let mayStillCampaign = desk.baton.mayCampaign
        #expect(!mayStillCampaign)
    }

    @Test("A learner that never had a vote does not campaign, whatever is not committed yet")
    func neverVoted() {
        let desk = Desk(LearnerRules(), term: 2, log: [1], voters: [2, 3], learners: [1], leader: 2, heardAt: .zero)
        let (mayCampaign, role) = (desk.baton.mayCampaign, desk.baton.passiveRole)
        #expect(!mayCampaign && role == .learner)
    }

    @Test("A configuration entry that cannot be read is not appended")
    func unreadableConfiguration() {
        let desk = Desk(FollowerRules(), term: 2, log: [1], leader: 2, heardAt: .zero)
        var builder = EntryBatch.Builder(first: 2, term: 2)
        builder.append(.configuration, [1, 9, 9])
        desk.expect(desk.request(append(2, after: LogID(1, 1), [builder.finish()!])), .stay, [.note(.error)]) {
            $0.leaderHeardAt = desk.now
        }
    }

    // MARK: Time

    @Test("A follower campaigns when its timer runs out, and not before")
    func timeout() {
        let desk = Desk(FollowerRules(), log: [1])
        desk.begin()
        desk.expect(.tick)
        desk.now = desk.rules.deadline(desk.baton)!
        desk.expect(.tick, .become(.candidate(isTransfer: false)))
    }

    @Test("A follower whose disk does not answer starts no campaign")
    func timeoutWithHungDisk() {
        let desk = Desk(FollowerRules(), term: 2, log: [1], leader: 2, heardAt: .zero)
        desk.begin()
        desk.turn([desk.request(append(2, after: LogID(1, 1), [batch(from: 2, [2])]))])
        desk.now += .ms(2001)
        desk.expect(.tick, .stay, [.note(.warning)]) { $0.timerStartedAt = desk.now }
        desk.expect(.durable(desk.lastWrite!)) { $0.durableIndex = 2 }
        desk.now += .ms(2001)
        desk.expect(.tick, .become(.candidate(isTransfer: false)))
    }

    @Test("A follower that was held up gives its leader a full timeout to be heard again")
    func overslept() {
        let desk = Desk(FollowerRules(), log: [1])
        desk.begin()
        desk.now += .seconds(60)
        desk.expect(.overslept(.seconds(58)), .stay, [.note(.warning)]) { $0.timerStartedAt = desk.now }
        desk.expect(.tick)
    }

    // MARK: Votes

    func vote(
        _ term: Term, _ last: LogID, phase: VoteRequest.Phase = .vote, from candidate: NodeID = 3,
        isTransfer: Bool = false
    ) -> PeerRequest {
        .vote(
            VoteRequest(
                phase: phase, term: term, candidate: candidate, lastLog: last, round: 5, isTransfer: isTransfer))
    }

    func answer(_ term: Term, _ isGranted: Bool, phase: VoteRequest.Phase = .vote) -> PeerReply {
        .vote(VoteReply(phase: phase, round: 5, term: term, isGranted: isGranted))
    }

    @Test("A vote leaves with the write that makes it durable, and starts the timer anew")
    func grants() {
        let desk = Desk(FollowerRules(), term: 2, log: [1])
        desk.begin()
        desk.now += .ms(500)
        let voted = HardState(currentTerm: 4, votedFor: 3)
        desk.expect(
            desk.request(vote(4, LogID(1, 1))), .stay,
            [
                .write([.hardState(HardState(currentTerm: 4))]),
                .write([.hardState(voted)], replies: [answer(4, true)]),
            ]
        ) {
            $0.hardState = voted
            $0.timerStartedAt = desk.now
        }
        // Asked again before the vote is durable: the answer waits too. Another candidate gets none, in this term.
        desk.expect(desk.request(vote(4, LogID(1, 1))), .stay, [.replyAfterWrites(answer(4, true))])
        desk.expect(desk.request(vote(4, LogID(8, 3), from: 2)), .stay, [.replyAfterWrites(answer(4, false))])
        desk.expect(.durable(desk.lastWrite!)) { $0.durableHardState = voted }
        desk.expect(desk.request(vote(4, LogID(8, 3), from: 2)), .stay, [.reply(answer(4, false))])
    }

    @Test("No vote for a log that is less up to date, by term first and then by index (§5.4.1)")
    func refusesShorterLog() {
        for (last, isGranted) in [
            (LogID(9, 1), false), (LogID(2, 3), false), (LogID(3, 3), true), (LogID(4, 3), true), (LogID(1, 4), true),
        ] {
            let desk = Desk(FollowerRules(), term: 4, log: [1, 1, 3])
            let (verdict, acts) = desk.turn([desk.request(vote(4, last))])
            #expect(verdict == .stay)
            if isGranted {
                #expect(
                    acts == [
                        .write([.hardState(HardState(currentTerm: 4, votedFor: 3))], replies: [answer(4, true)])
                    ])
            } else {
                #expect(acts == [.reply(answer(4, false))])
            }
        }
    }

    @Test("Refusing a vote does not start the timer anew")
    func refusalKeepsTimer() {
        let desk = Desk(FollowerRules(), term: 4, log: [1, 3])
        desk.begin()
        desk.now += .ms(100)
        desk.expect(
            desk.request(vote(5, LogID(1, 1))), .stay,
            [.write([.hardState(HardState(currentTerm: 5))]), .replyAfterWrites(answer(5, false))]
        ) { $0.hardState = HardState(currentTerm: 5) }
    }

    @Test("A pre-vote is answered as a vote would be, and changes nothing")
    func preVote() {
        let desk = Desk(FollowerRules(), term: 4, vote: 2, log: [1, 3])
        desk.begin()
        desk.now += .ms(100)
        desk.expect(
            desk.request(vote(5, LogID(2, 3), phase: .preVote)), .stay, [.reply(answer(5, true, phase: .preVote))])
        desk.expect(
            desk.request(vote(5, LogID(1, 1), phase: .preVote)), .stay, [.reply(answer(4, false, phase: .preVote))])
        // The prospective term is mine already, and so is my vote in it: another candidate's.
        desk.expect(
            desk.request(vote(4, LogID(2, 3), phase: .preVote)), .stay, [.reply(answer(4, false, phase: .preVote))])
    }

    // MARK: Timeout-now

    @Test("Timeout-now is obeyed only from the leader of this term, and only with the entry that it names (R35)")
    func timeoutNow() {
        func order(_ term: Term, _ leader: NodeID, _ last: LogID) -> PeerRequest {
            .timeoutNow(TimeoutNowRequest(term: term, leader: leader, lastLog: last))
        }
        for bad in [
            order(3, 2, LogID(2, 2)), order(1, 2, LogID(2, 2)), order(2, 3, LogID(2, 2)), order(2, 2, LogID(3, 2)),
            order(2, 2, LogID(2, 1)),
        ] {
            let desk = Desk(FollowerRules(), term: 2, log: [1, 2], leader: 2, heardAt: .zero)
            desk.expect(desk.request(bad))
        }
        let desk = Desk(FollowerRules(), term: 2, log: [1, 2], leader: 2, heardAt: .zero)
        desk.expect(desk.request(order(2, 2, LogID(2, 2))), .become(.candidate(isTransfer: true)))
    }

    @Test("A refused caller is told who leads")
    func hint() {
        let desk = Desk(FollowerRules(), term: 2, log: [1], leader: 2, heardAt: .zero)
        desk.turn([.command("a")])
        guard case .fail(_, let error)? = desk.effects.first else { return #expect(Bool(false), "nobody was told") }
        #expect(error.code == .notLeader)
        #expect(error.leader == LeaderHint(id: 2, address: "node-2"))
        #expect(error.outcome == .nothingHappened)
        #expect(error.message == "not the leader in term 2; ask node 2 at node-2")
    }

    // MARK: Membership

    @Test("A follower that was removed, members say, does not campaign until it hears a leader again (M9)")
    func removed() {
        let desk = Desk(FollowerRules(), log: [1])
        desk.begin()
        desk.expect(.removed(by: 3), .stay, [.note(.warning)])
        desk.expect(.removed(by: 2))
        desk.now += .ms(2000)
        desk.expect(.tick) { $0.timerStartedAt = desk.now }
        #expect(desk.isRemoved)
        desk.turn([desk.request(heartbeat(1))])
        #expect(!desk.isRemoved)
        desk.now += .ms(2000)
        #expect(desk.turn([.tick]).verdict == .become(.candidate(isTransfer: false)))
    }

    /// A node whose log came from a leader, and a life that the configuration binds or does not.
    func joined(boundTo life: UInt64?) -> Desk<FollowerRules> {
        let configuration = Desk<FollowerRules>.configuration([1, 2, 3]).binding {
            $0 == 1 ? life.map(Incarnation.init(rawValue:)) : nil
        }
        return Desk(FollowerRules(), log: [1], hasJoined: true, configuration: configuration)
    }

    @Test(
        "R27: a node that has its log from a leader has no vote before a configuration binds its life",
        arguments: [
            nil, 1, 2,
        ] as [UInt64?])
    func joinedVotes(_ life: UInt64?) {
        let isBound = life == 1
        let vote = VoteRequest(phase: .vote, term: 9, candidate: 2, lastLog: LogID(9, 9), round: 1)
        let preVote = VoteRequest(phase: .preVote, term: 9, candidate: 2, lastLog: LogID(9, 9), round: 1)
        for request in [vote, preVote] {
            let desk = joined(boundTo: life)
            let replies = desk.turn([desk.request(.vote(request))]).acts.flatMap { act -> [PeerReply] in
                switch act {
                case .write(_, let replies): replies
                case .reply(let reply), .replyAfterWrites(let reply): [reply]
                default: []
                }
            }
            guard case .vote(let reply) = replies.last else {
                Issue.record("no answer")
                return
            }
            #expect(reply.isGranted == isBound)
        }
        let desk = joined(boundTo: life)
        desk.begin()
        desk.now += .ms(2000)
        #expect(desk.turn([.tick]).verdict == (isBound ? .become(.candidate(isTransfer: false)) : .stay))
        let told = joined(boundTo: life)
        told.baton.leader = 2
        let order = TimeoutNowRequest(term: 1, leader: 2, lastLog: LogID(1, 1))
        #expect(
            told.turn([told.request(.timeoutNow(order))]).verdict
                == (isBound ? .become(.candidate(isTransfer: true)) : .stay))
    }

    @Test("R27: who replays a log in which it was the sole voter once does not lead by that")
    func joinedSoleVoter() {
        let desk = Desk(
            FollowerRules(), log: [1], hasJoined: true, configuration: Desk<FollowerRules>.configuration([1]))
        #expect(desk.begin().verdict == .stay)
        desk.now += .ms(9000)
        #expect(desk.turn([.tick]).verdict == .stay)
    }

    @Test("Who has just become the sole voter by a leader's entry lets that leader hear that it is committed")
    func soleVoterUnderLeader() {
        let desk = Desk(FollowerRules(), log: [1], voters: [1], leader: 2, heardAt: .seconds(100))
        #expect(desk.begin().verdict == .stay)
        desk.now += .ms(2000)
        #expect(desk.turn([.tick]).verdict == .become(.candidate(isTransfer: false)))
    }

    @Test("R58: callers are sent to a member, or to nobody")
    func hintNamesMembers() {
        let desk = Desk(FollowerRules(), log: [1], leader: 9)
        let caller = Caller()
        desk.turn([.command("a", OutputTicket<Int> { caller.note($0) })])
        #expect(caller.error?.code == .notLeader && caller.error?.leader == nil)
    }

    @Test("One that is never to lead waits three times as long before it campaigns, and campaigns then")
    func neverToLead() throws {
        let members = (1...3).map { number -> ClusterConfiguration.Member in
            .init(id: NodeID(UInt64(number)), address: "n:\(number)", preference: number == 1 ? .never : .ordinary)
        }
        let desk = Desk(
            FollowerRules(), me: 1, term: 1, log: [1],
            configuration: try ClusterConfiguration(voterSets: [[1, 2, 3]], members: members))
        desk.begin()
        let usual = desk.baton.settings.electionTimeout
        let deadline = desk.rules.deadline(desk.baton)
        let due = try #require(deadline)
        #expect(due - desk.now >= usual.lowerBound * 3 && due - desk.now <= usual.upperBound * 3)
        desk.now = due - .milliseconds(1)
        #expect(desk.turn([.tick]).verdict == .stay)
        desk.now = due
        #expect(desk.turn([.tick]).verdict == .become(.candidate(isTransfer: false)))
    }
}
