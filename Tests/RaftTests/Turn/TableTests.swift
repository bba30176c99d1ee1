import Testing

@testable import Raft

/// The role × message table: every message in every role, each cell written down with what it does.
/// A message or a role without its cell fails, and so does a cell that does anything else.
@Suite("The table: every message in every role")
struct TableTests {
    /// Every kind of message there is. `of` has no default: a new case of `Message` does not compile without its row.
    enum Row: String, CaseIterable {
        case propose, read, leaseRead, boundedRead, indexRead, localRead, readIndex, readIndexReply
        case forward, forwardReply
        case initialize, transfer, stop, stopWithoutCaller
        case changeMembership, removed, connectionBroke, found
        case append, heartbeat, vote, preVote, timeoutNow
        case appendReply, heartbeatReply, voteReply, preVoteReply
        case durable, writeFailed, logRoom, applied, applyFailed, streamStarted, streamEnded, tick, electionTimeout
        case overslept
        case snapshot, snapshotReply, triggerSnapshot, pushSnapshot, snapshotBuilt, snapshotFailed, snapshotUnreadable
        case snapshotInstalled, pieceWritten, pieceDurable, pieceFailed

        static func of(_ message: Message) -> Set<Row> {
            switch message {
            case .propose: [.propose]
            case .read: [.read, .leaseRead, .boundedRead, .indexRead, .localRead]
            case .request(.readIndex, _): [.readIndex]
            case .reply(.readIndex, _): [.readIndexReply]
            case .request(.forward, _): [.forward]
            case .reply(.forward, _): [.forwardReply]
            case .initialize: [.initialize]
            case .transfer: [.transfer]
            case .changeMembership: [.changeMembership]
            case .removed: [.removed]
            case .connectionBroke: [.connectionBroke]
            case .found: [.found]
            case .stop: [.stop, .stopWithoutCaller]
            case .request(.append, _): [.append]
            case .request(.heartbeat, _): [.heartbeat]
            case .request(.vote, _): [.vote, .preVote]
            case .request(.timeoutNow, _): [.timeoutNow]
            case .reply(.append, _): [.appendReply]
            case .reply(.heartbeat, _): [.heartbeatReply]
            case .reply(.vote, _): [.voteReply, .preVoteReply]
            case .durable: [.durable]
            case .writeFailed: [.writeFailed]
            case .logRoom: [.logRoom]
            case .applied: [.applied]
            case .applyFailed: [.applyFailed]
            case .streamStarted: [.streamStarted]
            case .streamEnded: [.streamEnded]
            case .tick: [.tick, .electionTimeout]
            case .overslept: [.overslept]
            case .request(.snapshot, _): [.snapshot]
            case .reply(.snapshot, _): [.snapshotReply]
            case .triggerSnapshot: [.triggerSnapshot]
            case .pushSnapshot: [.pushSnapshot]
            case .snapshotBuilt: [.snapshotBuilt]
            case .snapshotFailed: [.snapshotFailed]
            case .snapshotUnreadable: [.snapshotUnreadable]
            case .snapshotInstalled: [.snapshotInstalled]
            case .snapshotPiece: [.pieceWritten, .pieceDurable, .pieceFailed]
            }
        }

        /// The row's message, of term 5, which is every node's here, and fit to do what the row is about.
        func message(round: UInt64, write: WriteID?, leaderStream: StreamID) -> Message {
            let stream = StreamID(9)
            let last = LogID(9, 5)
            func request(_ request: PeerRequest) -> Message { .request(request, reply: Path()) }
            switch self {
            case .propose: return .command("x")
            case .read: return .read(Ticket())
            case .leaseRead: return .read(Ticket(), .lease)
            case .boundedRead: return .read(Ticket(), .noOlderThan(.seconds(1)))
            case .indexRead: return .read(Ticket(), .atLeast(0))
            case .localRead: return .read(Ticket(), .local)
            case .readIndex: return request(.readIndex(ReadIndexRequest(term: 5, asker: 2, id: 7)))
            case .readIndexReply: return .reply(.readIndex(ReadIndexReply(term: 5, id: 7, index: 2)), from: 2)
            case .forward: return request(.forward(ForwardRequest(sender: 2, id: 7, kind: .command, payload: [1])))
            case .forwardReply: return .reply(.forward(ForwardReply(id: 7, result: .success([]))), from: 2)
            case .initialize: return .initialize(Desk<FollowerRules>.configuration([1, 2, 3]), Caller().completion)
            case .transfer: return .transfer(to: 2, Caller().completion)
            case .changeMembership:
                return .changeMembership(
                    MembershipOrder(request: .add(4, address: "node-4"), ticket: Caller().completion))
            case .removed: return .removed(by: 2)
            case .connectionBroke: return .connectionBroke(from: 2)
            case .found: return .found(Suspicion(leader: 2, term: 5, since: .seconds(100)))
            case .stop: return .stop(Caller().completion)
            case .stopWithoutCaller: return .stop(nil)
            case .append:
                return request(
                    .append(
                        AppendRequest(
                            term: 5, leader: 2, stream: stream, previous: LogID(2, 4), leaderCommit: 2,
                            entries: [batch(from: 3, [5])])))
            case .heartbeat:
                return request(
                    .heartbeat(
                        HeartbeatRequest(term: 5, leader: 2, stream: stream, round: 1, commit: 1, leaderCommit: 1)))
            case .vote: return request(.vote(VoteRequest(phase: .vote, term: 5, candidate: 2, lastLog: last, round: 1)))
            case .preVote:
                return request(.vote(VoteRequest(phase: .preVote, term: 6, candidate: 2, lastLog: last, round: 1)))
            case .timeoutNow: return request(.timeoutNow(TimeoutNowRequest(term: 5, leader: 2, lastLog: LogID(2, 4))))
            case .appendReply:
                return .reply(
                    .append(AppendReply(term: 5, stream: leaderStream, outcome: .accepted(through: 3))), from: 2)
            case .heartbeatReply:
                return .reply(
                    .heartbeat(HeartbeatReply(term: 5, stream: leaderStream, round: 0, isRejected: false)), from: 2)
            case .voteReply:
                return .reply(.vote(VoteReply(phase: .vote, round: round, term: 5, isGranted: true)), from: 2)
            case .preVoteReply:
                return .reply(.vote(VoteReply(phase: .preVote, round: round, term: 6, isGranted: true)), from: 2)
            case .durable: return .durable(write ?? WriteID(rawValue: 0))
            case .writeFailed: return .writeFailed(RaftError(.storage, "test"))
            case .logRoom: return .logRoom(RaftError(.outOfSpace, "test"))
            case .applied: return .applied(through: 0)
            case .applyFailed: return .applyFailed(RaftError(.stateMachine, "test"))
            case .streamStarted: return .streamStarted(2, StreamID(12))
            case .streamEnded: return .streamEnded(2, leaderStream, reason: "test")
            case .tick, .electionTimeout: return .tick
            case .overslept: return .overslept(.seconds(9))
            case .snapshot: return request(.snapshot(piece(of: manifest(7, 4), term: 5, leader: 2, stream: stream)))
            case .snapshotReply:
                return .reply(
                    .snapshot(
                        SnapshotReply(
                            term: 5, stream: leaderStream, snapshot: manifest(7, 4).id, outcome: .installed(through: 2))
                    ), from: 2)
            case .triggerSnapshot: return .triggerSnapshot(SnapshotTicket { _ in })
            case .pushSnapshot: return .pushSnapshot(to: 2, SnapshotTicket { _ in })
            case .snapshotBuilt: return .snapshotBuilt(manifest(1, 1))
            case .snapshotFailed: return .snapshotFailed(manifest(1, 1).id, RaftError(.snapshotFailed, "test"))
            case .snapshotUnreadable: return .snapshotUnreadable(manifest(1, 1).id, RaftError(.corrupt, "test"))
            case .snapshotInstalled: return .snapshotInstalled(manifest(1, 1))
            case .pieceWritten: return .snapshotPiece(result(.written(through: 3), of: manifest(7, 4)))
            case .pieceDurable: return .snapshotPiece(result(.durable, of: manifest(7, 4)))
            case .pieceFailed: return .snapshotPiece(result(.failed(RaftError(.storage, "test")), of: manifest(7, 4)))
            }
        }
    }

    struct Cell: Equatable, CustomStringConvertible {
        var verdict: Verdict
        var acts: [String]
        init(_ verdict: Verdict = .stay, _ acts: String...) {
            self.verdict = verdict
            self.acts = acts
        }
        init(_ verdict: Verdict, acts: [String]) {
            self.verdict = verdict
            self.acts = acts
        }
        var description: String { "\(verdict) \(acts)" }
    }

    enum Column: String, CaseIterable {
        case follower, preCandidate, candidate, leader, learner
    }

    static let drop = Cell()
    static let storage = NextRole.stopped(RaftError(.storage, "test"))
    static let machine = NextRole.stopped(RaftError(.stateMachine, "test"))
    static let stopped = NextRole.stopped(nil)

    /// follower · candidate in its pre-vote phase · candidate in its vote phase · leader · learner
    static let table: [Row: [Cell]] = [
        .propose: [
            Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"),
            Cell(.stay, "write(append)", "append"), Cell(.stay, "fail notLeader"),
        ],
        // The leader's opening is not committed here yet: the read waits.
        .read: [
            Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"), drop,
            Cell(.stay, "fail notLeader"),
        ],
        .leaseRead: [
            Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"), drop,
            Cell(.stay, "fail notLeader"),
        ],
        // Nobody has shown how recent this node is.
        .boundedRead: [
            Cell(.stay, "fail tooStale"), Cell(.stay, "fail tooStale"), Cell(.stay, "fail tooStale"), drop,
            Cell(.stay, "fail tooStale"),
        ],
        .indexRead: Array(repeating: Cell(.stay, "serve reads"), count: 5),
        .localRead: Array(repeating: Cell(.stay, "serve reads"), count: 5),
        .readIndex: [Cell(.stay, "reply"), Cell(.stay, "reply"), Cell(.stay, "reply"), drop, Cell(.stay, "reply")],
        .readIndexReply: Array(repeating: drop, count: 5),  // Nobody has asked: RemoteReadsTests ask.
        // The port makes a proposal of it, which has its row: it never comes to a role.
        .forward: Array(repeating: drop, count: 5),
        .forwardReply: Array(repeating: drop, count: 5),  // It goes to the link that waits for it.
        .initialize: Array(repeating: Cell(.stay, "fail alreadyInitialized"), count: 5),
        .transfer: [
            Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"),
            Cell(.stay, "info"), Cell(.stay, "fail notLeader"),
        ],
        // The leader's opening is not committed here yet: see LeaderRules+MembershipTests for changes that are made.
        .changeMembership: [
            Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"),
            Cell(.stay, "fail notCommittedInTerm"), Cell(.stay, "fail notLeader"),
        ],
        .removed: [
            Cell(.stay, "warning"), Cell(.become(.follower), "warning"), Cell(.become(.follower), "warning"), drop,
            Cell(.stay, "warning"),
        ],
        // Nobody here follows node 2: SuspicionTests do.
        .connectionBroke: Array(repeating: drop, count: 5),
        .found: Array(repeating: drop, count: 5),
        .stop: [
            Cell(.become(stopped)), Cell(.become(stopped)), Cell(.become(stopped)), Cell(.stay, "info"),
            Cell(.become(stopped)),
        ],
        .stopWithoutCaller: [
            Cell(.become(stopped)), Cell(.become(stopped)), Cell(.become(stopped)),
            Cell(.become(stopped), "end streams"), Cell(.become(stopped)),
        ],
        .append: [
            Cell(.stay, "info", "write(append, then reply)", "apply"), Cell(.handOver(.follower)),
            Cell(.handOver(.follower)), Cell(.stay, "error"),
            Cell(.stay, "info", "write(append, then reply)", "apply"),
        ],
        .heartbeat: [
            Cell(.stay, "info", "apply", "reply"), Cell(.handOver(.follower)), Cell(.handOver(.follower)),
            Cell(.stay, "error"), Cell(.stay, "info", "apply", "reply"),
        ],
        .vote: [
            Cell(.stay, "write(vote, then reply)"), Cell(.become(.follower), "write(vote, then reply)"),
            Cell(.stay, "reply"), Cell(.stay, "reply"), Cell(.stay, "write(vote, then reply)"),
        ],
        .preVote: Array(repeating: Cell(.stay, "reply"), count: 5),
        // Nobody here knows node 2 as the leader: see FollowerRulesTests for the order that is obeyed.
        .timeoutNow: Array(repeating: drop, count: 5),
        .appendReply: [drop, drop, drop, Cell(.stay, "apply"), drop],
        .heartbeatReply: Array(repeating: drop, count: 5),  // The leader notes it; LeaderRulesTests says what.
        .voteReply: [drop, drop, Cell(.become(.leader), "info"), drop, drop],
        .preVoteReply: [drop, Cell(.stay, "write(vote)"), drop, drop, drop],
        .durable: Array(repeating: drop, count: 5),
        .writeFailed: [
            Cell(.become(storage)), Cell(.become(storage)), Cell(.become(storage)),
            Cell(.become(storage), "end streams"), Cell(.become(storage)),
        ],
        .logRoom: Array(repeating: Cell(.stay, "warning"), count: 5),
        .applied: Array(repeating: drop, count: 5),
        .applyFailed: [
            Cell(.become(machine)), Cell(.become(machine)), Cell(.become(machine)),
            Cell(.become(machine), "end streams"), Cell(.become(machine)),
        ],
        .streamStarted: [drop, drop, drop, Cell(.stay, "heartbeat", "append"), drop],
        .streamEnded: [drop, drop, drop, Cell(.stay, "warning"), drop],
        .tick: Array(repeating: drop, count: 5),
        .electionTimeout: [
            Cell(.become(.candidate(isTransfer: false))), Cell(.stay, "ask for pre-votes"),
            Cell(.stay, "ask for pre-votes"), Cell(.become(.follower), "warning", "end streams"), drop,
        ],
        .overslept: [
            Cell(.stay, "warning"), Cell(.stay, "warning", "ask for pre-votes"),
            Cell(.stay, "warning", "ask for pre-votes"), Cell(.become(.follower), "warning", "end streams"), drop,
        ],
        .snapshot: [
            Cell(.stay, "info", "info", "receive snapshot"), Cell(.handOver(.follower)), Cell(.handOver(.follower)),
            Cell(.stay, "error"), Cell(.stay, "info", "info", "receive snapshot"),
        ],
        .snapshotReply: Array(repeating: drop, count: 5),  // The leader notes it; LeaderRules+SnapshotsTests says what.
        // Nothing was applied here yet.
        .triggerSnapshot: Array(repeating: Cell(.stay, "fail snapshotFailed"), count: 5),
        .pushSnapshot: [
            Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"), Cell(.stay, "fail notLeader"),
            Cell(.stay, "fail snapshotFailed"), Cell(.stay, "fail notLeader"),
        ],
        .snapshotBuilt: Array(repeating: Cell(.stay, "succeed snapshot", "info"), count: 5),
        .snapshotFailed: Array(repeating: Cell(.stay, "fail snapshotFailed", "warning"), count: 5),
        .snapshotUnreadable: Array(repeating: Cell(.stay, "error"), count: 5),
        .snapshotInstalled: Array(repeating: Cell(.stay, "info"), count: 5),
        .pieceWritten: [Cell(.stay, "reply"), drop, drop, drop, Cell(.stay, "reply")],
        // The log ends before it: a leader leaves it where it is, a candidate lets a follower see to it.
        .pieceDurable: [
            Cell(.stay, "info", "install snapshot", "write(reset, then reply)"), Cell(.handOver(.follower)),
            Cell(.handOver(.follower)), drop,
            // Its configuration gives the learner a vote.
            Cell(.become(.follower), "info", "install snapshot", "write(reset, then reply)"),
        ],
        .pieceFailed: [
            Cell(.stay, "warning", "reply"), Cell(.stay, "warning"), Cell(.stay, "warning"), Cell(.stay, "warning"),
            Cell(.stay, "warning", "reply"),
        ],
    ]

    /// Term 5, log [1, 4]; nobody was heard for so long that rule 3 does not apply, except at `.tick`.
    static func cell(_ column: Column, _ row: Row) -> Cell {
        func feed<Rules: RoleRules>(_ desk: Desk<Rules>, round: UInt64 = 0, stream: StreamID = StreamID(9)) -> Cell {
            switch row {
            case .vote, .preVote: desk.now += .ms(1000)
            case .electionTimeout: desk.now += .ms(2000)
            default: break
            }
            let message = row.message(round: round, write: desk.lastWrite, leaderStream: stream)
            if !Row.of(message).contains(row) { Issue.record("row \(row) feeds \(message)") }
            let (verdict, acts) = desk.turn([message])
            return Cell(verdict, acts: acts.map(\.kind))
        }
        switch column {
        case .follower:
            let desk = Desk(FollowerRules(), term: 5, log: [1, 4], makesSnapshots: true)
            desk.begin()
            return feed(desk)
        case .preCandidate:
            let desk = Desk(CandidateRules(), term: 5, log: [1, 4], makesSnapshots: true)
            desk.begin()
            return feed(desk, round: desk.rules.round)
        case .candidate:
            let desk = Desk(CandidateRules(isTransfer: true), term: 4, log: [1, 4], makesSnapshots: true)
            desk.begin()
            desk.turn([.durable(desk.lastWrite!)])
            return feed(desk, round: desk.rules.round)
        case .leader:
            let desk = Desk(LeaderRules(), term: 5, vote: 1, log: [1, 4], makesSnapshots: true)
            desk.begin()
            desk.turn([.durable(desk.lastWrite!)])
            if row != .streamStarted {
                desk.turn([.streamStarted(2, StreamID(12))])
                if row == .propose {
                    desk.turn([
                        .reply(
                            .append(AppendReply(term: 5, stream: StreamID(12), outcome: .accepted(through: 3))), from: 2
                        )
                    ])
                }
            }
            return feed(desk, stream: StreamID(12))
        case .learner:
            return feed(
                Desk(LearnerRules(), term: 5, log: [1, 4], voters: [2, 3], learners: [1], makesSnapshots: true))
        }
    }

    @Test("Every cell is handled on purpose", arguments: Row.allCases)
    func cells(_ row: Row) throws {
        let cells = try #require(Self.table[row], "no row for \(row): write down what each role does with it")
        #expect(cells.count == Column.allCases.count)
        for (column, cell) in zip(Column.allCases, cells) {
            #expect(Self.cell(column, row) == cell, "\(column) × \(row)")
        }
    }
}
