import Testing

@testable import Raft

@Suite("A leader's rules")
struct LeaderRulesTests {
    typealias LeaderDesk = Desk<LeaderRules>

    /// A leader of term 3 whose log is [1, 2] and its own no-op, with streams 12 and 13 to nodes 2 and 3.
    static func leader(
        voters: [NodeID] = [1, 2, 3], nextVoters: [NodeID]? = nil, learners: [NodeID] = [], open: [NodeID] = [2, 3],
        isSettled: Bool = true, configure: (inout Configuration) -> Void = { _ in }
    ) -> LeaderDesk {
        let desk = Desk(
            LeaderRules(), term: 3, vote: 1, log: [1, 2], voters: voters, nextVoters: nextVoters, learners: learners,
            configure: configure)
        desk.begin()
        desk.turn([.durable(desk.lastWrite!)])
        desk.turn(open.map { .streamStarted($0, stream($0)) })
        if isSettled, !open.isEmpty {
            for peer in open { desk.turn([accepted(peer, 3)]) }
            for peer in open { desk.turn([beats(peer, round: 0)]) }
            desk.turn([.applied(through: 3)])
        }
        return desk
    }

    static func stream(_ peer: NodeID) -> StreamID { StreamID(10 + peer.rawValue) }
    static func accepted(
        _ peer: NodeID, _ through: LogIndex, term: Term = 3, stream: StreamID? = nil, sequence: UInt64 = 1
    ) -> Message {
        .reply(
            .append(
                AppendReply(
                    term: term, stream: stream ?? Self.stream(peer), sequence: sequence,
                    outcome: .accepted(through: through))), from: peer)
    }
    static func beats(
        _ peer: NodeID, round: UInt64, term: Term = 3, stream: StreamID? = nil, isRejected: Bool = false
    ) -> Message {
        .reply(
            .heartbeat(
                HeartbeatReply(
                    term: term, stream: stream ?? Self.stream(peer), round: round, isRejected: isRejected)), from: peer)
    }
    func heartbeat(_ peer: NodeID, round: UInt64 = 0, commit: LogIndex, leaderCommit: LogIndex) -> Act {
        .heartbeat(
            peer,
            HeartbeatRequest(
                term: 3, leader: 1, stream: Self.stream(peer), round: round, commit: commit, leaderCommit: leaderCommit)
        )
    }
    func append(
        _ peer: NodeID, after previous: LogID, _ entries: [EntryBatch], commit: LogIndex, readThrough: LogIndex? = nil,
        sequence: UInt64 = 2
    ) -> Act {
        .append(
            peer, Self.stream(peer),
            AppendRequest(
                term: 3, leader: 1, stream: Self.stream(peer), sequence: sequence, previous: previous,
                leaderCommit: commit, entries: entries), readThrough: readThrough)
    }
    /// The entry that holds this command, at this index of term 3.
    func command(_ text: String, at index: LogIndex) -> EntryBatch { commands([text], from: index) }
    func commands(_ texts: [String], from index: LogIndex) -> EntryBatch {
        var builder = EntryBatch.Builder(first: index, term: 3)
        for text in texts { builder.append(.command, Array(text.utf8)) }
        return builder.finish()!
    }
    var noop: EntryBatch {
        var builder = EntryBatch.Builder(first: 3, term: 3)
        builder.append(.blank, [])
        return builder.finish()!
    }

    // MARK: Office

    @Test("A new leader writes a no-op of its term, and opens a stream to every other member, learners too")
    func begins() {
        let desk = Desk(LeaderRules(), term: 3, vote: 1, log: [1, 2], learners: [4])
        desk.expectBegin(.stay, [.write([.append(noop)]), .keepStreams([2, 3, 4])]) {
            $0.last = LogID(3, 3)
            $0.leader = 1
        }
        #expect(desk.rules.progress.allSatisfy { $0.nextIndex == 3 && $0.matchIndex == 0 && $0.stream == nil })
    }

    @Test("A stream that starts is probed where the logs may agree, and told at once who leads")
    func streamStarts() {
        let desk = Self.leader(open: [])
        desk.expect(
            .streamStarted(2, Self.stream(2)), .stay,
            [heartbeat(2, commit: 0, leaderCommit: 0), append(2, after: LogID(3, 3), [], commit: 0, sequence: 1)])
    }

    @Test("A leader that leaves tells the callers of logged commands that the outcome is unknown, the others nothing")
    func leaves() {
        let desk = Self.leader()
        desk.turn([.command("logged")])
        desk.expect(
            .writeFailed(RaftError(.storage, "")), .become(.stopped(RaftError(.storage, ""))),
            [.keepStreams([]), .fail(1, .outcomeUnknown)]
        ) { $0.leader = nil }
        let other = Self.leader()
        let (_, acts) = other.turn([.command("not yet logged"), .read(Ticket()), .writeFailed(RaftError(.storage, ""))])
        #expect(acts == [.keepStreams([]), .fail(2, .notLeader)])
    }

    // MARK: Writes

    @Test("All proposals of a turn are one batch, one write, and one append for each peer")
    func batches() {
        let desk = Self.leader()
        let (_, acts) = desk.turn([.command("a"), .command("b")])
        let both = commands(["a", "b"], from: 4)
        #expect(
            acts == [
                .write([.append(both)]), append(2, after: LogID(3, 3), [both], commit: 3),
                append(3, after: LogID(3, 3), [both], commit: 3),
            ])
    }

    @Test("An entry is committed once a quorum has it on disk, this node counting like any other")
    func commits() {
        let desk = Self.leader()
        desk.turn([.command("a")])
        let write = desk.lastWrite!
        // One peer alone is no quorum of three: the leader's own disk has not answered.
        desk.expect(Self.accepted(2, 4))
        desk.expect(.durable(write), .stay, [.apply(from: 4, through: 4, tickets: 1)]) {
            $0.durableIndex = 4
            $0.commitIndex = 4
            $0.applyOrdered = 4
        }
        desk.expect(Self.accepted(3, 4))
        desk.expect(.applied(through: 4)) { $0.lastApplied = 4 }
    }

    @Test("A quorum of the others commits without this node's disk; it applies only what it has itself")
    func commitsWithoutOwnDisk() {
        let desk = Self.leader()
        desk.turn([.command("a")])
        let write = desk.lastWrite!
        desk.expect(Self.accepted(2, 4))
        desk.expect(Self.accepted(3, 4)) { $0.commitIndex = 4 }
        desk.expect(.durable(write), .stay, [.apply(from: 4, through: 4, tickets: 1)]) {
            $0.durableIndex = 4
            $0.applyOrdered = 4
        }
    }

    @Test("Entries of older terms are committed only with one of this term above them (Figure 8)")
    func olderTerms() {
        let desk = Self.leader(isSettled: false)
        desk.expect(Self.accepted(2, 2), .stay, [append(2, after: LogID(2, 2), [noop], commit: 0)])
        #expect(desk.state.commitIndex == 0, "a quorum holds entry 2, of an older term")
        desk.expect(
            Self.accepted(2, 3), .stay, [.apply(from: 1, through: 3)]
        ) {
            $0.commitIndex = 3
            $0.applyOrdered = 3
        }
    }

    @Test("A learner's acknowledgement counts for nothing")
    func learnersDoNotCount() {
        let desk = Self.leader(learners: [4], open: [4], isSettled: false)
        desk.expect(Self.accepted(4, 3))
        #expect(desk.state.commitIndex == 0)
    }

    @Test("A joint configuration commits with a majority of each set")
    func joint() {
        let desk = Self.leader(voters: [1, 2, 3], nextVoters: [3, 4, 5], open: [2, 3, 4, 5], isSettled: false)
        desk.turn([Self.accepted(2, 3)])
        #expect(desk.state.commitIndex == 0, "1 and 2 are a majority of the old voters only")
        desk.turn([Self.accepted(4, 3)])
        #expect(desk.state.commitIndex == 0)
        desk.turn([Self.accepted(5, 3)])
        #expect(desk.state.commitIndex == 3)
    }

    @Test("An acknowledgement of another life of the stream, of another term or of nobody is dropped (D10, R19)")
    func staleAcknowledgements() {
        let desk = Self.leader()
        desk.turn([.command("a"), .durable(desk.lastWrite!)])
        desk.turn([.durable(desk.lastWrite!)])
        desk.expect(Self.accepted(2, 4, stream: StreamID(99)))
        desk.expect(Self.accepted(2, 4, term: 2))
        desk.expect(Self.accepted(7, 4))
        #expect(desk.state.commitIndex == 3)
    }

    @Test("An acknowledgement beyond the end of the log is a fault of the peer, and counts for nothing")
    func acknowledgesTooMuch() {
        let desk = Self.leader()
        desk.expect(Self.accepted(2, 50), .stay, [.note(.error)])
        #expect(desk.rules.progress[0].matchIndex == 3)
    }

    @Test("Why a peer cannot be reached is said once, and again only when it is something else")
    func unreachable() {
        let desk = Self.leader()
        desk.expect(.streamEnded(2, Self.stream(2), reason: "cut"), .stay, [.note(.warning)])
        desk.expect(.streamEnded(2, StreamID(90), reason: "refused"), .stay, [.note(.warning)])
        desk.expect(.streamEnded(2, StreamID(91), reason: "refused"))
        #expect(desk.rules.progress[0].lastFailure == "refused")
        desk.expect(.streamEnded(3, StreamID(92), reason: "of an earlier life"))
        #expect(desk.rules.progress[1].stream != nil)
    }

    @Test("A conflict is probed again where both logs can agree")
    func conflict() {
        let desk = Self.leader(isSettled: false)
        let all = desk.baton.log.entries(from: 2, through: 3, maximumBytes: .max)!
        desk.expect(
            .reply(
                .append(
                    AppendReply(
                        term: 3, stream: Self.stream(2), outcome: .conflict(previous: 3, hint: LogID(1, 1)))), from: 2),
            .stay, [append(2, after: LogID(1, 1), all, commit: 0)])
    }

    @Test("Entries that are no longer in memory are read from the disk, as far as the disk has them")
    func readsFromDisk() {
        let desk = Self.leader(open: [2, 3], configure: { $0.maximumTailBytes = 0 })
        #expect(desk.baton.log.entries(from: 1, through: 3, maximumBytes: .max) == nil, "evicted")
        desk.turn([.command("a")])  // not durable yet
        desk.turn([.streamEnded(3, Self.stream(3), reason: "test")])
        desk.turn([.streamStarted(3, Self.stream(3))])
        let (_, acts) = desk.turn([
            .reply(
                .append(
                    AppendReply(
                        term: 3, stream: Self.stream(3), sequence: 3, outcome: .conflict(previous: 4, hint: LogID(1, 1))
                    )), from: 3)
        ])
        #expect(acts == [append(3, after: LogID(1, 1), [], commit: 3, readThrough: 3, sequence: 4)])
    }

    @Test("A command that is too large is refused, and nothing happened")
    func tooLarge() {
        let desk = Self.leader(configure: { $0.maximumCommandBytes = 3 })
        desk.expect(.command("abcd"), .stay, [.fail(1, .tooLarge)])
    }

    @Test("Above the limit of uncommitted bytes proposals are refused, until some are committed")
    func overloaded() {
        let desk = Self.leader(configure: { $0.maximumUncommittedBytes = 70 })
        let (_, acts) = desk.turn([.command("a"), .command("b"), .command("c")])
        #expect(acts.contains(.fail(1, .overloaded)))
        #expect(desk.state.last.index == 5)
        desk.turn([.durable(desk.lastWrite!), Self.accepted(2, 5)])
        let (_, later) = desk.turn([.command("d")])
        #expect(!later.contains(.fail(1, .overloaded)))
    }

    @Test("On a full disk a leader refuses commands before it takes them, and answers reads; later it takes them again")
    func outOfSpace() {
        let desk = Self.leader()
        desk.turn([.logRoom(RaftError(.outOfSpace, "no room for segment 7"))])
        #expect(desk.baton.logShortage?.message == "no room for segment 7")
        desk.expect(.command("a"), .stay, [.fail(1, .outOfSpace)])
        desk.expect(.read(Ticket(), .local), .stay, [.serveReads(1, at: 0)])
        #expect(desk.state.last.index == 3)
        desk.turn([.logRoom(nil)])
        desk.turn([.command("b")])
        #expect(desk.state.last.index == 4)
    }

    // MARK: Reads

    @Test("A leader looks for silent sessions four times in the time that they may be silent")
    func sessions() {
        let desk = Desk(
            LeaderRules(), term: 3, vote: 1, log: [1], voters: [1], configure: { $0.sessionTimeout = .seconds(4000) })
        desk.begin()
        desk.turn([.durable(desk.lastWrite!)])
        var sweeps: [Bool] = []
        for _ in 1...7 {
            desk.now += .seconds(500)
            sweeps.append(desk.turn([.tick]).acts.contains(.sweepSessions))
        }
        #expect(sweeps == [false, true, false, true, false, true, false])
    }

    @Test("Reads that wait share one round of heartbeats, and are served at the commit index of its beginning")
    func reads() {
        let desk = Self.leader()
        let (_, acts) = desk.turn([.read(Ticket()), .read(Ticket())])
        #expect(
            acts == [
                heartbeat(2, round: 1, commit: 3, leaderCommit: 3), heartbeat(3, round: 1, commit: 3, leaderCommit: 3),
            ])
        // A reply to an older heartbeat shows nothing; nor does one from a learner or from another life.
        desk.expect(Self.beats(2, round: 0))
        desk.expect(Self.beats(2, round: 1, stream: StreamID(5)))
        desk.expect(Self.beats(2, round: 1), .stay, [.serveReads(2, at: 3)])
        desk.expect(Self.beats(3, round: 1))
    }

    @Test("A read that comes during a round waits for the next one: replies from before it show nothing")
    func readsDuringRound() {
        let desk = Self.leader()
        desk.turn([.read(Ticket())])
        desk.expect(.read(Ticket()))
        desk.expect(
            Self.beats(2, round: 1), .stay,
            [
                .serveReads(1, at: 3), heartbeat(2, round: 2, commit: 3, leaderCommit: 3),
                heartbeat(3, round: 2, commit: 3, leaderCommit: 3),
            ])
        desk.expect(Self.beats(3, round: 1))
        desk.expect(Self.beats(3, round: 2), .stay, [.serveReads(1, at: 3)])
    }

    @Test("No read is served before an entry of this term is committed (§8, D3)")
    func readsBeforeOpening() {
        let desk = Self.leader(isSettled: false)
        desk.expect(.read(Ticket()))
        desk.turn([Self.beats(2, round: 0), Self.beats(3, round: 0)])
        let (_, acts) = desk.turn([Self.accepted(2, 3)])
        #expect(
            acts == [
                .apply(from: 1, through: 3), heartbeat(2, round: 1, commit: 3, leaderCommit: 3),
                heartbeat(3, round: 1, commit: 0, leaderCommit: 3),
            ])
        desk.expect(Self.beats(3, round: 1), .stay, [.serveReads(1, at: 3)])
    }

    @Test("A reply of a higher term fails the reads that wait, and the leader follows (D3, R14)")
    func readsWithHigherTerm() {
        let desk = Self.leader()
        desk.turn([.read(Ticket())])
        desk.expect(
            Self.beats(2, round: 1, term: 8, isRejected: true), .become(.follower),
            [.write([.hardState(HardState(currentTerm: 8))]), .keepStreams([]), .fail(1, .notLeader)]
        ) {
            $0.hardState = HardState(currentTerm: 8)
            $0.leader = nil
        }
    }

    @Test("A sole voter serves reads at once")
    func soleReads() {
        let desk = Desk(LeaderRules(), term: 3, vote: 1, log: [1], voters: [1])
        desk.begin()
        desk.turn([.durable(desk.lastWrite!)])
        #expect(desk.state.commitIndex == 2)
        desk.expect(.read(Ticket()), .stay, [.serveReads(1, at: 2)])
    }

    @Test("Above the limit of waiting calls reads are refused")
    func readsOverloaded() {
        let desk = Self.leader(configure: { $0.maximumWaitingCalls = 1 })
        desk.turn([.read(Ticket())])
        desk.expect(.read(Ticket()), .stay, [.fail(1, .overloaded)])
    }

    // MARK: Time

    @Test("Heartbeats go to every peer in contact each interval, with the commit index capped by what it has")
    func heartbeats() {
        let desk = Self.leader(open: [2])
        desk.turn([.streamStarted(3, Self.stream(3))])
        desk.expect(.tick)
        desk.now += .ms(100)
        desk.expect(
            .tick, .stay,
            [heartbeat(2, round: 1, commit: 3, leaderCommit: 3), heartbeat(3, round: 1, commit: 0, leaderCommit: 3)])
        #expect(desk.rules.deadline(desk.baton) == desk.now + .ms(100))
    }

    @Test("A leader that no quorum answers for a maximum election timeout steps down (check-quorum)")
    func checkQuorum() {
        let desk = Self.leader()
        desk.now += .ms(1999)
        let (verdict, _) = desk.turn([.tick])
        #expect(verdict == .stay)
        desk.turn([Self.beats(3, round: 0)])
        desk.now += .ms(1999)
        #expect(desk.turn([.tick]).verdict == .stay, "node 3 and this one are a quorum")
        desk.now += .ms(1)
        desk.turn([.command("a")])
        desk.now += .ms(100)
        let (ended, acts) = desk.turn([.tick])
        #expect(ended == .become(.follower))
        #expect(acts == [.note(.warning), .keepStreams([]), .fail(1, .outcomeUnknown)])
        #expect(desk.state.leader == nil)
    }

    @Test("A leader whose disk does not answer steps down; a sole voter has nobody to step down for")
    func hungDisk() {
        let desk = Self.leader()
        desk.turn([.command("a")])
        desk.now += .ms(1001)
        desk.turn([Self.beats(2, round: 0)])
        let (verdict, acts) = desk.turn([.tick])
        #expect(verdict == .become(.follower))
        #expect(acts == [.note(.warning), .keepStreams([]), .fail(1, .outcomeUnknown)])

        let sole = Desk(LeaderRules(), term: 3, vote: 1, log: [1], voters: [1])
        sole.begin()
        sole.now += .seconds(60)
        sole.expect(.tick)
        sole.now += .seconds(60)
        sole.expect(.overslept(.seconds(58)))
        // Or its clock would say the same again at once, for ever.
        #expect(sole.rules.deadline(sole.baton).map { $0 > sole.now } == true)
    }

    @Test("A leader that was held up steps down before it serves anything (P2, P10)")
    func overslept() {
        let desk = Self.leader()
        let (verdict, acts) = desk.turn([.read(Ticket()), .overslept(.seconds(3)), .command("late")])
        #expect(verdict == .become(.follower))
        #expect(acts == [.note(.warning), .keepStreams([]), .fail(1, .notLeader)])
    }

    @Test("An append without an answer for a minimum election timeout is asked again from where the logs agree")
    func appendLost() {
        let desk = Self.leader()
        desk.turn([.command("a"), .durable(desk.lastWrite!)])
        desk.turn([.durable(desk.lastWrite!), Self.accepted(2, 4, sequence: 2)])
        desk.now += .ms(1001)
        desk.turn([Self.beats(2, round: 0), Self.beats(3, round: 0)])
        let (_, acts) = desk.turn([.tick])
        #expect(
            acts == [
                heartbeat(2, round: 1, commit: 4, leaderCommit: 4), heartbeat(3, round: 1, commit: 3, leaderCommit: 4),
                append(3, after: LogID(3, 3), [command("a", at: 4)], commit: 4, sequence: 3),
            ])
    }

    // MARK: Other candidates, other leaders

    func vote(_ term: Term, phase: VoteRequest.Phase = .vote, isTransfer: Bool = false) -> PeerRequest {
        .vote(
            VoteRequest(
                phase: phase, term: term, candidate: 2, lastLog: LogID(9, 9), round: 5, isTransfer: isTransfer))
    }
    func refused(_ phase: VoteRequest.Phase = .vote) -> Act {
        .reply(.vote(VoteReply(phase: phase, round: 5, term: 3, isGranted: false)))
    }

    @Test("While a quorum answers, a vote or pre-vote request is refused without a look at its term (D6, R30)")
    func protectedLeader() {
        let desk = Self.leader()
        desk.expect(desk.request(vote(50)), .stay, [refused()])
        desk.expect(desk.request(vote(50, phase: .preVote)), .stay, [refused(.preVote)])
        desk.now += .ms(1000)  // No quorum has answered for a minimum election timeout.
        desk.expect(
            desk.request(vote(50, phase: .preVote)), .stay,
            [.reply(.vote(VoteReply(phase: .preVote, round: 5, term: 50, isGranted: true)))])
        desk.expect(
            desk.request(vote(50)), .handOver(.follower),
            [.write([.hardState(HardState(currentTerm: 50))]), .keepStreams([])]
        ) {
            $0.hardState = HardState(currentTerm: 50)
            $0.leader = nil
        }
    }

    @Test("A vote request with the transfer flag is looked at whatever this leader hears")
    func transferFlag() {
        let desk = Self.leader()
        desk.expect(
            desk.request(vote(4, isTransfer: true)), .handOver(.follower),
            [.write([.hardState(HardState(currentTerm: 4))]), .keepStreams([])]
        ) {
            $0.hardState = HardState(currentTerm: 4)
            $0.leader = nil
        }
    }

    @Test("A vote of its own term is this leader's own")
    func ownTermVote() {
        let desk = Self.leader()
        desk.now += .ms(1000)
        desk.expect(desk.request(vote(3)), .stay, [refused()])
    }
}
