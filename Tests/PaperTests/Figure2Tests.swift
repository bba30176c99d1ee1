import Testing

@testable import Raft

/// Figure 2 of "In Search of an Understandable Consensus Algorithm" (extended version), one test for each sentence.
@Suite("Figure 2")
struct Figure2Tests {
    // MARK: State

    @Suite("State")
    struct State {
        @Test("Persistent state is on stable storage before any answer: currentTerm and votedFor")
        func persistentBeforeAnswer() {
            let node = Voter(FollowerRules(), term: 1)
            node.take(askVote(2, for: 3, last: .zero))
            #expect(node.written.last == HardState(currentTerm: 2, votedFor: 3))
            #expect(node.replies.isEmpty)
            #expect(node.repliesAfterWrite == [voteReply(2, true)])
        }

        @Test("Persistent state is on stable storage before any answer: log[]")
        func logBeforeAnswer() {
            let node = Voter(FollowerRules(), term: 2)
            node.take(append(2, after: .zero, [1, 2]))
            #expect(node.replies.isEmpty)
            #expect(node.repliesAfterWrite == [accepted(2, through: 2)])
        }

        @Test("currentTerm begins at 0 and only rises")
        func currentTerm() {
            let node = Voter(FollowerRules(), term: 0)
            #expect(node.baton.currentTerm == 0)
            node.take(append(3, after: .zero))
            #expect(node.baton.currentTerm == 3)
            node.take(append(2, after: .zero))
            #expect(node.baton.currentTerm == 3)
        }

        @Test("votedFor is the candidate that got this node's vote in the current term, or none")
        func votedFor() {
            let node = Voter(FollowerRules(), term: 2, vote: 3)
            #expect(node.baton.hardState.votedFor == 3)
            node.take(append(3, after: .zero))
            #expect(node.baton.hardState.votedFor == nil, "a new term, in which it has not voted")
        }

        @Test("The first index of the log is 1")
        func firstIndex() {
            let node = Voter(LeaderRules(), term: 1)
            #expect(node.baton.log.last == .zero)
            node.begin()
            #expect(node.baton.log.last == LogID(1, 1))
        }

        @Test("commitIndex and lastApplied begin at 0 and only rise")
        func volatileState() {
            let node = Voter(FollowerRules(), term: 1, log: [1, 1, 1])
            #expect(node.baton.commitIndex == 0 && node.baton.lastApplied == 0)
            node.take(append(1, after: LogID(3, 1), commit: 2))
            node.take(.applied(through: 2))
            #expect(node.baton.commitIndex == 2 && node.baton.lastApplied == 2)
            node.take(append(1, after: LogID(3, 1), commit: 1))
            #expect(node.baton.commitIndex == 2 && node.baton.lastApplied == 2)
        }

        @Test("After an election nextIndex is the leader's last index + 1 and matchIndex is 0, for every server")
        func leaderState() {
            let node = Voter(LeaderRules(), term: 3, log: [1, 1, 2])
            node.begin()
            #expect(node.rules.progress.map(\.nextIndex) == [4, 4])
            #expect(node.rules.progress.map(\.matchIndex) == [0, 0])
        }
    }

    // MARK: AppendEntries RPC

    @Suite("AppendEntries RPC: Receiver implementation")
    struct AppendEntries {
        func refused(_ term: Term) -> PeerReply {
            .append(AppendReply(term: term, stream: stream, sequence: 1, outcome: .rejected))
        }

        @Test("1. False if the term is below currentTerm")
        func one() {
            let node = Voter(FollowerRules(), term: 4, log: [1])
            node.take(append(3, after: LogID(1, 1), [3], commit: 1))
            #expect(node.replies == [refused(4)])
            #expect(node.log == [1] && node.baton.commitIndex == 0)
        }

        @Test("2. False if there is no entry at prevLogIndex with prevLogTerm")
        func two() {
            for previous in [LogID(2, 1), LogID(5, 3), LogID(3, 2)] {
                let node = Voter(FollowerRules(), term: 4, log: [1, 2, 3])
                node.take(append(4, after: previous, [4]))
                guard case .append(let reply)? = node.replies.first, case .conflict(previous.index, _) = reply.outcome
                else {
                    Issue.record("accepted after \(previous)")
                    continue
                }
                #expect(node.log == [1, 2, 3], "nothing is cut before both logs are known to agree")
            }
        }

        @Test("3. An entry with the index of a new one but another term goes, and everything behind it")
        func three() {
            let node = Voter(FollowerRules(), term: 4, log: [1, 2, 2, 2])
            node.take(append(4, after: LogID(1, 1), [4]))
            #expect(node.log == [1, 4])
        }

        @Test("3. Entries that do not conflict stay, also when the request ends before them")
        func threeKeeps() {
            let node = Voter(FollowerRules(), term: 4, log: [1, 2, 2, 2])
            node.take(append(4, after: LogID(1, 1), [2]))
            #expect(node.log == [1, 2, 2, 2])
        }

        @Test("4. New entries that the log does not hold yet are appended")
        func four() {
            let node = Voter(FollowerRules(), term: 4, log: [1, 2])
            node.take(append(4, after: LogID(1, 1), [2, 4, 4]))
            #expect(node.log == [1, 2, 4, 4])
            #expect(node.repliesAfterWrite == [accepted(4, through: 4)])
        }

        @Test("5. commitIndex becomes the lesser of leaderCommit and the last new entry's index")
        func five() {
            let node = Voter(FollowerRules(), term: 4, log: [1, 2, 2, 2])
            node.take(append(4, after: LogID(1, 1), [2], commit: 3))
            #expect(node.baton.commitIndex == 2, "beyond entry 2 the logs are not known to agree")
            node.take(append(4, after: LogID(4, 2), commit: 3))
            #expect(node.baton.commitIndex == 3)
        }
    }

    // MARK: RequestVote RPC

    @Suite("RequestVote RPC: Receiver implementation")
    struct RequestVote {
        @Test("1. False if the term is below currentTerm")
        func one() {
            let node = Voter(FollowerRules(), term: 4)
            node.take(askVote(3, for: 2, last: LogID(9, 3)))
            #expect(node.replies == [voteReply(4, false)])
        }

        @Test("2. Granted if votedFor is none or this candidate, and the candidate's log is as up to date")
        func two() {
            for (vote, last, isGranted) in [
                (nil, LogID(2, 2), true), (2, LogID(2, 2), true), (3, LogID(2, 2), false), (nil, LogID(1, 2), false),
                (nil, LogID(9, 1), false), (2, LogID(1, 2), false), (nil, LogID(1, 3), true), (3, LogID(9, 9), false),
            ] as [(NodeID?, LogID, Bool)] {
                let node = Voter(FollowerRules(), term: 4, vote: vote, log: [1, 2])
                node.take(askVote(4, for: 2, last: last))
                #expect(
                    node.replies + node.repliesAfterWrite == [voteReply(4, isGranted)], "\(last), voted \(vote as Any)")
            }
        }
    }

    // MARK: Rules for servers

    @Suite("Rules for Servers: All servers")
    struct AllServers {
        @Test("Entries through commitIndex are applied, in order, each once")
        func applies() {
            let node = Voter(FollowerRules(), term: 1, log: [1, 1, 1, 1])
            node.take(append(1, after: LogID(4, 1), commit: 2))
            #expect(node.applied == [1...2])
            node.take(append(1, after: LogID(4, 1), commit: 2))
            #expect(node.applied == [])
            node.take(append(1, after: LogID(4, 1), commit: 4))
            #expect(node.applied == [3...4])
        }

        @Test("A request or reply of a later term: adopt it, become follower")
        func laterTerm() {
            let leader = Voter(LeaderRules(), term: 2)
            leader.begin()
            leader.take(append(3, after: .zero))
            #expect(leader.verdict == .handOver(.follower) && leader.baton.currentTerm == 3)

            let candidate = Voter(CandidateRules(), term: 2)
            candidate.begin()
            candidate.take(voteReply(5, false), from: 2)
            #expect(candidate.verdict == .become(.follower) && candidate.baton.currentTerm == 5)
        }
    }

    @Suite("Rules for Servers: Followers")
    struct Followers {
        @Test("They answer candidates and leaders")
        func answer() {
            let node = Voter(FollowerRules(), term: 1)
            node.take(append(1, after: .zero))
            #expect(node.replies == [accepted(1, through: 0)])
            node.baton.now += .seconds(5)
            node.take(askVote(1, for: 3, last: .zero))
            #expect(node.repliesAfterWrite == [voteReply(1, true)])
        }

        @Test(
            "Without an append of the current leader and without granting a vote, an election timeout makes a candidate"
        )
        func timeout() {
            let node = Voter(FollowerRules(), term: 1)
            node.begin()
            node.baton.now = node.rules.deadline(node.baton)!
            node.take(.tick)
            #expect(node.verdict == .become(.candidate(isTransfer: false)))
        }

        @Test("An append of the current leader, or granting a vote, starts the timeout anew; refusing does not")
        func timeoutReset() {
            for (message, isReset) in [
                (append(1, after: .zero), true), (askVote(1, for: 2, last: .zero), true),
                (append(0, after: .zero), false),
                (askVote(0, for: 2, last: .zero), false),
            ] {
                let node = Voter(FollowerRules(), term: 1)
                node.begin()
                let before = node.rules.deadline(node.baton)!
                node.baton.now = before
                node.take(message)
                #expect((node.rules.deadline(node.baton)! > before) == isReset)
            }
        }
    }

    @Suite("Rules for Servers: Candidates")
    struct Candidates {
        /// One who has won its pre-vote (dissertation §9.6), which Figure 2 does not know.
        func elected(of count: UInt64) -> Voter<CandidateRules> {
            let node = Voter(CandidateRules(), term: 1, log: [1], of: count)
            node.begin()
            for peer in 2...(count / 2 + 1) {
                let question = VoteReply(phase: .preVote, round: node.rules.round, term: 2, isGranted: true)
                node.take(.vote(question), from: NodeID(peer))
            }
            return node
        }

        @Test("An election raises currentTerm, votes for itself, starts the timer anew, and asks all other servers")
        func starts() throws {
            let node = elected(of: 3)
            #expect(node.written == [HardState(currentTerm: 2, votedFor: 1)])
            #expect(node.questions.isEmpty, "nobody is asked before the own vote is durable")
            guard case .write(_, let id, _)? = node.effects.last else { return #expect(Bool(false), "nothing written") }
            node.take(.durable(id))
            let question = try #require(node.questions.first)
            #expect(question.to == [2, 3])
            #expect(question.request.term == 2 && question.request.candidate == 1)
            #expect(question.request.lastLog == LogID(1, 1) && question.request.phase == .vote)
            #expect(node.rules.deadline(node.baton)! > node.baton.now)
        }

        func voting(of count: UInt64) -> Voter<CandidateRules> {
            let node = elected(of: count)
            guard case .write(_, let id, _)? = node.effects.last else { return node }
            node.take(.durable(id))
            return node
        }

        @Test("Votes of a majority make a leader")
        func majority() {
            let node = voting(of: 5)
            node.take(voteReply(2, true, round: node.rules.round), from: 3)
            #expect(node.verdict == .stay)
            node.take(voteReply(2, true, round: node.rules.round), from: 5)
            #expect(node.verdict == .become(.leader))
        }

        @Test("An append of a new leader makes a follower")
        func newLeader() {
            let node = voting(of: 3)
            node.take(append(2, after: .zero))
            #expect(node.verdict == .handOver(.follower))
        }

        @Test("An election timeout begins a new election")
        func timeout() {
            let node = voting(of: 3)
            node.baton.now = node.rules.deadline(node.baton)!
            node.take(.tick)
            #expect(node.verdict == .stay)
            #expect(node.questions.first?.request.term == 3)
        }
    }

    @Suite("Rules for Servers: Leaders")
    struct Leaders {
        /// A leader of term 3 with log [1, 2, 3]; node 2 is at entry 3, node 3 is unknown.
        func leader() -> Voter<LeaderRules> {
            let node = Voter(LeaderRules(), term: 3, vote: 1, log: [1, 2])
            node.begin()
            node.sync()
            node.take(.streamStarted(2, stream))
            node.take(.streamStarted(3, stream))
            node.take(accepted(3, through: 3), from: 2)
            return node
        }

        func propose(_ node: Voter<LeaderRules>) {
            node.take(.propose(Proposal(payload: [1], ticket: Ticket())))
        }

        @Test("On election every server hears of it, and again whenever nothing else is sent, before they time out")
        func heartbeats() {
            let node = Voter(LeaderRules(), term: 3, vote: 1)
            node.begin()
            node.take(.streamStarted(2, stream), .streamStarted(3, stream))
            #expect(node.heartbeats == [2, 3])
            let next = node.rules.deadline(node.baton)!
            #expect(next - node.baton.now < node.baton.settings.electionTimeout.lowerBound / 2)
            node.baton.now = next
            node.take(.tick)
            #expect(node.heartbeats == [2, 3])
        }

        @Test("A client's command is appended to the log; the answer comes once it is applied")
        func command() {
            let node = leader()
            propose(node)
            #expect(node.log == [1, 2, 3, 3])
            #expect(node.applied == [])
            node.sync()
            node.take(accepted(3, through: 4), from: 2)
            #expect(node.applied == [4...4])
            guard case .apply(let order)? = node.effects.first(where: { if case .apply = $0 { true } else { false } })
            else { return #expect(Bool(false), "nothing applied") }
            #expect(order.tickets.map(\.index) == [4], "the caller goes with the entry to the state machine")
        }

        @Test("When the last index is at or above a follower's nextIndex, entries from nextIndex on are sent")
        func sends() throws {
            let node = leader()
            propose(node)
            let sent = try #require(node.appends.first { $0.to == 2 })
            #expect(sent.request.previous == LogID(3, 3))
            #expect(sent.request.last == LogID(4, 3))
        }

        @Test("Success moves the follower's nextIndex and matchIndex")
        func success() {
            let node = leader()
            propose(node)
            node.take(accepted(3, through: 4), from: 2)
            #expect(node.rules.progress[0].matchIndex == 4 && node.rules.progress[0].nextIndex == 5)
        }

        @Test("A refusal for inconsistency moves nextIndex back, and the append is tried again")
        func retry() {
            let node = leader()
            let before = node.rules.progress[1].nextIndex
            let refusal = AppendReply(
                term: 3, stream: stream, sequence: 1, outcome: .conflict(previous: before.previous, hint: LogID(1, 1)))
            node.take(.append(refusal), from: 3)
            #expect(node.rules.progress[1].nextIndex < before)
            #expect(node.appends.map(\.to) == [3])
            #expect(node.appends.first?.request.previous == LogID(1, 1))
        }

        @Test("An N above commitIndex that a majority holds, of the current term, is the new commitIndex")
        func commit() {
            let node = leader()
            #expect(node.baton.commitIndex == 3, "this node and node 2 hold entry 3, of term 3")
            propose(node)
            propose(node)
            node.take(accepted(3, through: 5), from: 2)
            #expect(node.baton.commitIndex == 3, "this node's disk has not answered")
            node.take(accepted(3, through: 4), from: 3)
            #expect(node.baton.commitIndex == 4)
        }
    }
}
