/// One life of one replication stream. Never repeats within a process, and begins at a random number, so that an
/// answer to an earlier life can be told apart (D10, R19).
public struct StreamID: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public var description: String { String(rawValue, radix: 16) }
}

/// RequestVote (Figure 2), and the question before it (dissertation §9.6).
public struct VoteRequest: Hashable, Sendable {
    /// A question whether a vote would be granted, or the request for it.
    public enum Phase: UInt8, Sendable {
        /// "Would you vote for me?" Changes nothing at either end.
        case preVote = 0
        case vote = 1
    }
    /// Which of the two it is.
    public var phase: Phase
    /// The term stood for. In a pre-vote the prospective one, which nobody adopts.
    public var term: Term
    public var candidate: NodeID
    /// The last entry of the candidate's log.
    public var lastLog: LogID
    /// Which round of this candidate asks; the reply repeats it.
    public var round: UInt64
    /// The leader asked for this election (§3.10 of the dissertation): do not refuse because a leader was heard.
    public var isTransfer: Bool
    public init(
        phase: Phase, term: Term, candidate: NodeID, lastLog: LogID, round: UInt64, isTransfer: Bool = false
    ) {
        self.phase = phase
        self.term = term
        self.candidate = candidate
        self.lastLog = lastLog
        self.round = round
        self.isTransfer = isTransfer
    }
}

/// What a voter answers to a ``VoteRequest``.
public struct VoteReply: Hashable, Sendable {
    /// Of the request that it answers, as its round.
    public var phase: VoteRequest.Phase
    /// Of the request that it answers: replies to an earlier one do not count.
    public var round: UInt64
    /// The voter's term; in a *granted* pre-vote the prospective term of the question.
    public var term: Term
    public var isGranted: Bool
    public init(phase: VoteRequest.Phase, round: UInt64, term: Term, isGranted: Bool) {
        self.phase = phase
        self.round = round
        self.term = term
        self.isGranted = isGranted
    }
}

/// AppendEntries (Figure 2), without the heartbeat: see ``HeartbeatRequest``.
public struct AppendRequest: Hashable, Sendable {
    public var term: Term
    public var leader: NodeID
    public var stream: StreamID
    /// Which append of this stream it is; the reply repeats it. A reply to something that is no longer the question
    /// must not be taken for an answer, and one that comes twice must not be answered twice.
    public var sequence: UInt64
    /// The entry right before the first one sent.
    public var previous: LogID
    public var leaderCommit: LogIndex
    /// In order, without a gap. Empty in a probe.
    public var entries: [EntryBatch]
    public init(
        term: Term, leader: NodeID, stream: StreamID, sequence: UInt64, previous: LogID, leaderCommit: LogIndex,
        entries: [EntryBatch]
    ) {
        self.term = term
        self.leader = leader
        self.stream = stream
        self.sequence = sequence
        self.previous = previous
        self.leaderCommit = leaderCommit
        self.entries = entries
    }
    public static func == (a: AppendRequest, b: AppendRequest) -> Bool {
        a.term == b.term && a.leader == b.leader && a.stream == b.stream && a.sequence == b.sequence
            && a.previous == b.previous
            && a.leaderCommit == b.leaderCommit
            && a.entries.lazy.flatMap(\.bytes).elementsEqual(b.entries.lazy.flatMap(\.bytes))
    }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(term)
        hasher.combine(stream)
        hasher.combine(sequence)
        hasher.combine(previous)
    }
    /// The last entry that the follower's log agrees with us about once it has accepted this.
    public var last: LogID { entries.last?.last ?? previous }
    public var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }
}

/// What a follower answers to an ``AppendRequest``.
public struct AppendReply: Hashable, Sendable {
    /// What became of the entries.
    public enum Outcome: Hashable, Sendable {
        /// Everything through this index is in the follower's log, equal to the leader's, and durable.
        case accepted(through: LogIndex)
        /// The follower holds no entry `previous` (whose index this repeats); `hint` is the last entry of its log that
        /// can still agree with the leader's: at or below that index, of a term at or below that term.
        case conflict(previous: LogIndex, hint: LogID)
        /// The request's term is over; see `term`.
        case rejected
    }
    /// The follower's term, after it has seen the request.
    public var term: Term
    /// Of the request that it answers.
    public var stream: StreamID
    /// Of the request.
    public var sequence: UInt64
    public var outcome: Outcome
    public init(term: Term, stream: StreamID, sequence: UInt64, outcome: Outcome) {
        self.term = term
        self.stream = stream
        self.sequence = sequence
        self.outcome = outcome
    }
}

/// "I lead": keeps followers from campaigning, carries the read round and the commit index; never an entry.
public struct HeartbeatRequest: Hashable, Sendable {
    public var term: Term
    public var leader: NodeID
    public var stream: StreamID
    /// The newest round in which reads wait for a quorum (dissertation §6.4).
    public var round: UInt64
    /// min(the receiver's matchIndex, the leader's commitIndex): safe to commit through.
    public var commit: LogIndex
    /// The leader's commitIndex, uncapped. Never used to advance the receiver's.
    public var leaderCommit: LogIndex
    /// The leader had this mark of the receiver (``HeartbeatReply/mark``) when a round began that a quorum has confirmed
    /// since, with `freshIndex` committed when it began. 0 when there is no such round.
    public var freshMark: UInt64
    public var freshIndex: LogIndex
    public init(
        term: Term, leader: NodeID, stream: StreamID, round: UInt64, commit: LogIndex, leaderCommit: LogIndex,
        freshMark: UInt64 = 0, freshIndex: LogIndex = 0
    ) {
        self.freshMark = freshMark
        self.freshIndex = freshIndex
        self.term = term
        self.leader = leader
        self.stream = stream
        self.round = round
        self.commit = commit
        self.leaderCommit = leaderCommit
    }
}

/// Claims no position in the log; waits for the disk only when the heartbeat brought a new term.
public struct HeartbeatReply: Hashable, Sendable {
    public var term: Term
    public var stream: StreamID
    public var round: UInt64
    /// The request's term is over; see `term`.
    public var isRejected: Bool
    /// Says to the follower that made it when it was made, and to nobody else anything; 0 for none.
    public var mark: UInt64
    public init(term: Term, stream: StreamID, round: UInt64, isRejected: Bool, mark: UInt64 = 0) {
        self.mark = mark
        self.term = term
        self.stream = stream
        self.round = round
        self.isRejected = isRejected
    }
}

/// "Campaign now, without a pre-vote" (dissertation §3.10). Obeyed only by a voter of that term that follows this
/// leader and holds this entry. Has no reply: the vote requests that follow are the answer.
public struct TimeoutNowRequest: Hashable, Sendable {
    public var term: Term
    public var leader: NodeID
    public var lastLog: LogID
    public init(term: Term, leader: NodeID, lastLog: LogID) {
        self.term = term
        self.leader = leader
        self.lastLog = lastLog
    }
}

/// "From which index on may I serve a linearizable read?" (ReadIndex for followers, dissertation §6.4). Asked by any member
/// of the leader that it follows; answered only once a quorum has confirmed that leader after the question came.
public struct ReadIndexRequest: Hashable, Sendable {
    public var term: Term
    public var asker: NodeID
    /// The answer repeats it.
    public var id: UInt64
    /// All who wait for the answer rely on clocks anyway: the leader's lease is enough.
    public var mayUseLease: Bool
    public init(term: Term, asker: NodeID, id: UInt64, mayUseLease: Bool = false) {
        self.term = term
        self.asker = asker
        self.id = id
        self.mayUseLease = mayUseLease
    }
}

/// What a leader answers to a ``ReadIndexRequest``.
public struct ReadIndexReply: Hashable, Sendable {
    /// The leader's term.
    public var term: Term
    /// Of the question that it answers.
    public var id: UInt64
    /// Everything acknowledged before the question is at or below it; nil when this node does not lead, or not in the
    /// term of the question.
    public var index: LogIndex?
    public init(term: Term, id: UInt64, index: LogIndex?) {
        self.term = term
        self.id = id
        self.index = index
    }
}

/// One piece of a snapshot (InstallSnapshot, Figure 13), for a peer whose next entry the leader has purged. Every piece
/// says what snapshot it is of, so that any of them can be the first that arrives.
public struct SnapshotRequest: Hashable, Sendable {
    public var term: Term
    public var leader: NodeID
    /// The replication stream in whose place the snapshot is sent.
    public var stream: StreamID
    public var manifest: SnapshotManifest
    /// Where in the state these bytes begin.
    public var offset: UInt64
    /// CRC-32C of ``bytes``.
    public var checksum: UInt32
    /// Empty only when the state is.
    public var bytes: [UInt8]
    public init(
        term: Term, leader: NodeID, stream: StreamID, manifest: SnapshotManifest, offset: UInt64, checksum: UInt32,
        bytes: [UInt8]
    ) {
        self.term = term
        self.leader = leader
        self.stream = stream
        self.manifest = manifest
        self.offset = offset
        self.checksum = checksum
        self.bytes = bytes
    }
    /// Whether the bytes are those that were sent.
    public var isIntact: Bool { SnapshotChecksum.of(bytes[...]) == checksum }
    /// Where the next piece begins.
    public var end: UInt64 { offset.addingReportingOverflow(UInt64(bytes.count)).partialValue }
}

/// What a member answers to a ``SnapshotRequest``.
public struct SnapshotReply: Hashable, Sendable {
    /// What became of the piece.
    public enum Outcome: Hashable, Sendable {
        /// The bytes before this offset were written; go on from there.
        case received(through: UInt64)
        /// Nothing more of it is needed: everything through this index is here, committed and durable.
        case installed(through: LogIndex)
        /// The receiver cannot take it now; its log says why. Begin again later.
        case unable
        /// The request's term is over; see `term`.
        case rejected
    }
    /// The member's term, after it has seen the request.
    public var term: Term
    /// Of the request that it answers.
    public var stream: StreamID
    public var snapshot: SnapshotID
    public var outcome: Outcome
    public init(term: Term, stream: StreamID, snapshot: SnapshotID, outcome: Outcome) {
        self.term = term
        self.stream = stream
        self.snapshot = snapshot
        self.outcome = outcome
    }
}

/// "A caller brought this here; it is for you." Sent by a member to the leader that it follows, and never sent on again.
/// It speaks of no term and of no entry: for the leader it is one more proposal.
public struct ForwardRequest: Hashable, Sendable {
    /// What the bytes are.
    public enum Kind: UInt8, Sendable {
        case command = 0
        /// A command of a session.
        case sessionCommand = 1
        /// Begins a session, keeps it alive, or ends it.
        case session = 2
    }
    /// The member that passes it on.
    public var sender: NodeID
    /// Which of the sender's it is; the reply repeats it.
    public var id: UInt64
    public var kind: Kind
    /// The only term in which the leader may take it; nil for any.
    public var onlyInTerm: Term?
    /// How long the caller still waited when this was sent; nil for as long as it takes.
    public var timeout: Duration?
    /// Whom the sender serves; nil for the program that holds it. Nobody but a member can set it.
    public var caller: ForwardedCaller?
    public var payload: [UInt8]
    public init(
        sender: NodeID, id: UInt64, kind: Kind, onlyInTerm: Term? = nil, timeout: Duration? = nil,
        caller: ForwardedCaller? = nil, payload: [UInt8]
    ) {
        self.sender = sender
        self.id = id
        self.kind = kind
        self.onlyInTerm = onlyInTerm
        self.timeout = timeout
        self.caller = caller
        self.payload = payload
    }
}

/// What became of a ``ForwardRequest``.
public struct ForwardReply: Hashable, Sendable {
    /// Of the request that it answers.
    public var id: UInt64
    /// The command's output as its machine encodes it, or the number of a session; or the error, as its caller would
    /// have got it from the node that answers.
    public var result: Result<[UInt8], RaftError>
    public init(id: UInt64, result: Result<[UInt8], RaftError>) {
        self.id = id
        self.result = result
    }
}

/// Anything that one member asks another one.
public enum PeerRequest: Hashable, Sendable {
    case vote(VoteRequest)
    case append(AppendRequest)
    case heartbeat(HeartbeatRequest)
    case timeoutNow(TimeoutNowRequest)
    indirect case snapshot(SnapshotRequest)
    case readIndex(ReadIndexRequest)
    /// Unlike the others it must not arrive twice, and when it may have been lost the link must break.
    indirect case forward(ForwardRequest)

    /// The sender's term; a pre-vote's is the one after it. 0 for what speaks of none.
    public var term: Term {
        switch self {
        case .vote(let request): request.term
        case .append(let request): request.term
        case .heartbeat(let request): request.term
        case .timeoutNow(let request): request.term
        case .snapshot(let request): request.term
        case .readIndex(let request): request.term
        case .forward: 0
        }
    }
    /// Who says that it sends this. The transport has checked it against the certificate.
    public var sender: NodeID {
        switch self {
        case .vote(let request): request.candidate
        case .append(let request): request.leader
        case .heartbeat(let request): request.leader
        case .timeoutNow(let request): request.leader
        case .snapshot(let request): request.leader
        case .readIndex(let request): request.asker
        case .forward(let request): request.sender
        }
    }
}

/// Anything that a member answers.
public enum PeerReply: Hashable, Sendable {
    case vote(VoteReply)
    case append(AppendReply)
    case heartbeat(HeartbeatReply)
    case snapshot(SnapshotReply)
    case readIndex(ReadIndexReply)
    case forward(ForwardReply)

    /// The sender's term; a granted pre-vote's is that of the question. 0 for what speaks of none.
    public var term: Term {
        switch self {
        case .vote(let reply): reply.term
        case .append(let reply): reply.term
        case .heartbeat(let reply): reply.term
        case .snapshot(let reply): reply.term
        case .readIndex(let reply): reply.term
        case .forward: 0
        }
    }
}
