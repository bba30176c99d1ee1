@testable import Raft

/// What a turn decided, in a form that tests can compare: one case for each `Effect`.
enum Act: Equatable {
    case write([Operation], replies: [PeerReply] = [])
    case reply(PeerReply)
    case replyAfterWrites(PeerReply)
    case requestVotes([NodeID], VoteRequest)
    case keepStreams([NodeID])
    case rememberJoining
    case append(NodeID, StreamID, AppendRequest, readThrough: LogIndex? = nil)
    case heartbeat(NodeID, HeartbeatRequest)
    case timeoutNow(NodeID, TimeoutNowRequest)
    case askReadIndex(NodeID, mayUseLease: Bool)
    case forward(NodeID)
    case probe(Suspicion)
    case apply(from: LogIndex, through: LogIndex, tickets: Int = 0)
    case buildSnapshot
    case abortBuild
    case installSnapshot(LogID)
    case sendSnapshot(NodeID, LogID, on: StreamID)
    case endSnapshot(NodeID)
    case receiveSnapshot(from: UInt64, to: UInt64, begins: Bool = false)
    case endReceipt
    case discardSnapshot
    case pruneSnapshots(endingBefore: LogIndex)
    case succeedSnapshot(Int, LogID)
    case sweepSessions
    case serveReads(Int, at: LogIndex)
    case fail(Int, RaftError.Code)
    case succeed
    case note(Note.Weight)

    enum Operation: Equatable {
        case hardState(HardState)
        case truncate(LogID)
        case append(EntryBatch)
        case purge(LogID)
        case reset(LogID)
    }

    init(_ effect: Effect) {
        switch effect {
        case .write(let operations, _, let replies):
            self = .write(operations.map(Operation.init), replies: replies.map { Self.unmarked($0.reply) })
        case .reply(let held): self = .reply(Self.unmarked(held.reply))
        case .replyAfterWrites(let held): self = .replyAfterWrites(Self.unmarked(held.reply))
        case .requestVotes(let voters, let request): self = .requestVotes(voters, request)
        case .keepStreams(let peers): self = .keepStreams(peers)
        case .rememberJoining: self = .rememberJoining
        case .append(let peer, let stream, let order):
            self = .append(peer, stream, order.request, readThrough: order.readThrough)
        case .heartbeat(let peer, _, let request): self = .heartbeat(peer, request)
        case .timeoutNow(let peer, _, let request): self = .timeoutNow(peer, request)
        case .askReadIndex(let leader, let request):
            self = .askReadIndex(leader, mayUseLease: request.mayUseLease)
        case .forward(let leader, _): self = .forward(leader.id)
        case .probe(let suspicion): self = .probe(suspicion)
        case .apply(let order): self = .apply(from: order.first, through: order.through, tickets: order.tickets.count)
        case .buildSnapshot: self = .buildSnapshot
        case .abortBuild: self = .abortBuild
        case .installSnapshot(let manifest): self = .installSnapshot(manifest.last)
        case .sendSnapshot(let peer, let order): self = .sendSnapshot(peer, order.manifest.last, on: order.stream)
        case .endSnapshot(let peer): self = .endSnapshot(peer)
        case .receiveSnapshot(let piece):
            self = .receiveSnapshot(from: piece.request.offset, to: piece.request.end, begins: piece.begins)
        case .endReceipt: self = .endReceipt
        case .discardSnapshot: self = .discardSnapshot
        case .pruneSnapshots(let index): self = .pruneSnapshots(endingBefore: index)
        case .succeedSnapshot(let tickets, let manifest): self = .succeedSnapshot(tickets.count, manifest.last)
        case .sweepSessions: self = .sweepSessions
        case .serveReads(let tickets, let index): self = .serveReads(tickets.count, at: index)
        case .fail(let tickets, let error): self = .fail(tickets.count, error.code)
        case .succeed: self = .succeed
        case .note(let note): self = .note(note.weight)
        }
    }

    /// A mark says something to its maker only, and is as random as it should be.
    private static func unmarked(_ reply: PeerReply) -> PeerReply {
        guard case .heartbeat(var reply) = reply else { return reply }
        reply.mark = 0
        return .heartbeat(reply)
    }

    /// The case's name alone: for the table, where the cell says what kind of thing happens.
    var kind: String {
        switch self {
        case .write(let operations, let replies):
            "write(\(operations.map(\.kind).joined(separator: "+"))\(replies.isEmpty ? "" : ", then reply"))"
        case .reply: "reply"
        case .replyAfterWrites: "reply after writes"
        case .requestVotes(_, let request): request.phase == .preVote ? "ask for pre-votes" : "ask for votes"
        case .keepStreams(let peers): peers.isEmpty ? "end streams" : "keep streams"
        case .rememberJoining: "remember joining"
        case .append: "append"
        case .heartbeat: "heartbeat"
        case .timeoutNow: "timeout-now"
        case .askReadIndex: "ask for read index"
        case .forward: "forward"
        case .probe: "probe"
        case .apply: "apply"
        case .sweepSessions: "sweep sessions"
        case .serveReads: "serve reads"
        case .buildSnapshot: "build snapshot"
        case .abortBuild: "abort build"
        case .installSnapshot: "install snapshot"
        case .sendSnapshot: "send snapshot"
        case .endSnapshot: "end snapshot"
        case .receiveSnapshot: "receive snapshot"
        case .endReceipt: "end receipt"
        case .discardSnapshot: "discard snapshot"
        case .pruneSnapshots: "prune snapshots"
        case .succeedSnapshot: "succeed snapshot"
        case .fail(_, let code): "fail \(code)"
        case .succeed: "succeed"
        case .note(let weight): "\(weight)"
        }
    }
}

extension Act.Operation {
    init(_ operation: LogOperation) {
        switch operation {
        case .hardState(let state): self = .hardState(state)
        case .truncate(let id): self = .truncate(id)
        case .append(let batch): self = .append(batch)
        case .purge(let id): self = .purge(id)
        case .reset(let id): self = .reset(id)
        }
    }
    var kind: String {
        switch self {
        case .hardState(let state): state.votedFor == nil ? "term" : "vote"
        case .truncate: "truncate"
        case .append: "append"
        case .purge: "purge"
        case .reset: "reset"
        }
    }
}

extension LogID {
    init(_ index: LogIndex, _ term: Term) { self.init(term: term, index: index) }
}

/// Entries with these terms from `first` on; the payload tells two entries of one index and different terms apart.
func batch(from first: LogIndex, _ terms: [Term], kind: EntryKind = .command) -> EntryBatch {
    var bytes: [UInt8] = []
    var index = first
    for term in terms {
        let payload = Array("\(index)@\(term)".utf8)
        payload.withUnsafeBytes {
            EntryRecord.append(to: &bytes, group: 0, kind: kind, id: LogID(index, term), payload: $0)
        }
        index = index.next
    }
    do { return try EntryBatch(parsing: bytes) } catch { preconditionFailure("a test's own batch: \(error)") }
}
