/// A reply to a peer that has been decided, with the way back.
struct HeldReply: Sendable {
    let path: any ReplyPath
    let reply: PeerReply
}

/// Entries to send to one peer. They are taken from memory where the leader still has them, else from the disk.
struct AppendOrder: Sendable {
    var request: AppendRequest
    /// Set when the entries must be read: from one above `request.previous` through this index, as many as fit.
    var readThrough: LogIndex?
}

/// A committed run for the state machine, with the callers who wait for outputs in it.
struct ApplyOrder: Sendable {
    var first: LogIndex
    var through: LogIndex
    /// The entries, or nil when they are no longer in memory.
    var entries: [EntryBatch]?
    /// In order of index.
    var tickets: [(index: LogIndex, ticket: Ticket)]
}

/// What a turn decided to do. Nothing happens in a rules file; everything happens in `Effect+Perform.swift`.
enum Effect: Sendable {
    /// Hand to the log writer, in this order; `replies` leave once it is durable, and `.durable(id)` comes back.
    case write([LogOperation], id: WriteID, replies: [HeldReply])
    /// Send now: it speaks of nothing that is not durable.
    case reply(HeldReply)
    /// Send once everything that the log writer was given so far is durable; now, if it is idle.
    case replyAfterWrites(HeldReply)
    case requestVotes([NodeID], VoteRequest)
    /// Open one replication stream to each of these, and end every other.
    case keepStreams([NodeID])
    /// Keep on disk, before anything that follows, that this node's first entries come from a leader.
    case rememberJoining
    case append(NodeID, StreamID, AppendOrder)
    case heartbeat(NodeID, StreamID, HeartbeatRequest)
    case timeoutNow(NodeID, StreamID, TimeoutNowRequest)
    case askReadIndex(NodeID, ReadIndexRequest)
    /// Look whether anything listens at the leader's address; `.found` comes back if nothing does.
    case probe(Suspicion)
    /// Give a caller's command to the leader, and its result to the caller.
    indirect case forward(LeaderHint, Proposal)
    case apply(ApplyOrder)
    /// Take a view of the state and make a snapshot of it, beside everything else.
    case buildSnapshot(SnapshotID)
    case abortBuild
    /// The machine's state is that of this snapshot from now on; what it was told to apply before is void.
    indirect case installSnapshot(SnapshotManifest)
    /// Send this snapshot, beside the replication stream; goes on where it is if it is on its way already.
    indirect case sendSnapshot(NodeID, SnapshotOrder)
    case endSnapshot(NodeID)
    indirect case receiveSnapshot(SnapshotPiece)
    /// Give up what was received of it.
    case endReceipt(SnapshotID)
    case discardSnapshot(SnapshotID)
    case pruneSnapshots(endingBefore: LogIndex)
    indirect case succeedSnapshot([SnapshotTicket], SnapshotManifest)
    /// Propose the end of sessions that were silent for too long.
    case sweepSessions
    /// Answer these once the state machine has applied through `index`.
    case serveReads([Ticket], at: LogIndex)
    case fail([Ticket], RaftError)
    case succeed(CompletionTicket)
    /// Something an operator wants to see: a role change, a lost peer.
    case note(Note)
}

/// A snapshot to send to one peer, and what every piece of it says.
struct SnapshotOrder: Sendable, Equatable {
    var term: Term
    var leader: NodeID
    var stream: StreamID
    var manifest: SnapshotManifest
}

/// A piece of a snapshot to write, and where its fate is to be told.
struct SnapshotPiece: Sendable {
    var request: SnapshotRequest
    /// It is the first: whatever was received before is given up.
    var begins: Bool
    var path: any ReplyPath
}

/// A line for the log, by weight.
struct Note: Sendable {
    enum Weight: Sendable { case info, warning, error }
    let weight: Weight
    let text: String
}

/// What the turn has decided so far, in order.
struct Effects: Sendable {
    private(set) var list: [Effect] = []

    mutating func add(_ effect: Effect) { list.append(effect) }
    mutating func note(_ text: String) { list.append(.note(Note(weight: .info, text: text))) }
    mutating func warn(_ text: String) { list.append(.note(Note(weight: .warning, text: text))) }
    mutating func alarm(_ text: String) { list.append(.note(Note(weight: .error, text: text))) }
    /// The turn broke a rule: nothing that it decided may happen, but everyone who waits is told.
    mutating func abandon(_ error: RaftError) {
        list = list.compactMap { effect in
            switch effect {
            case .fail, .note: effect
            case .succeed(let ticket): .fail([ticket], error)
            case .succeedSnapshot(let tickets, _): .fail(tickets, error)
            case .apply(let order): .fail(order.tickets.map(\.ticket), error)
            case .serveReads(let tickets, _): .fail(tickets, error)
            case .forward(_, let proposal): .fail([proposal.ticket], error)
            case .write, .reply, .replyAfterWrites, .requestVotes, .keepStreams, .append, .heartbeat, .timeoutNow,
                .askReadIndex, .probe, .rememberJoining, .buildSnapshot, .abortBuild, .installSnapshot, .sendSnapshot,
                .endSnapshot, .receiveSnapshot, .endReceipt, .discardSnapshot, .pruneSnapshots, .sweepSessions:
                nil
            }
        }
    }
    mutating func takeAll() -> [Effect] {
        defer { list = [] }
        return list
    }
    /// Swaps everything into `empty`, which must be empty: its storage is that of the next turn's.
    mutating func takeAll(into empty: inout [Effect]) { swap(&list, &empty) }
}
