internal import CProtobufC
internal import CRaftProtos
internal import Raft

/// Peer messages as bytes, and back. Every failure has its reason; nothing that a peer sends can trap or cost more
/// memory than the message and ``budget``.
enum PeerCodec {
    /// What a message may take while it is unpacked; the entries are not among it.
    static let budget = 16_384

    // MARK: Requests

    /// The tag of `PeerRequest.entries`: field 15, length-delimited.
    private static let entriesTag: UInt8 = 15 << 3 | 2
    /// The tag of `PeerRequest.snapshot`: field 5, length-delimited.
    private static let snapshotTag: UInt8 = 5 << 3 | 2

    static func encode(_ request: PeerRequest) -> [UInt8] {
        var envelope = Raft__Peer__V1__PeerRequest()
        raft__peer__v1__peer_request__init(&envelope)
        switch request {
        case .vote(let vote):
            var body = Raft__Peer__V1__VoteRequest()
            raft__peer__v1__vote_request__init(&body)
            body.phase = phase(vote.phase)
            body.term = vote.term.rawValue
            body.candidate = vote.candidate.rawValue
            body.last_log_term = vote.lastLog.term.rawValue
            body.last_log_index = vote.lastLog.index.rawValue
            body.round = vote.round
            body.is_transfer = vote.isTransfer ? 1 : 0
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REQUEST__BODY_VOTE
                envelope.vote = body
                return Protobuf.encode(envelope)
            }
        case .append(let append):
            var body = Raft__Peer__V1__AppendRequest()
            raft__peer__v1__append_request__init(&body)
            body.term = append.term.rawValue
            body.leader = append.leader.rawValue
            body.stream = append.stream.rawValue
            body.sequence = append.sequence
            body.previous_term = append.previous.term.rawValue
            body.previous_index = append.previous.index.rawValue
            body.leader_commit = append.leaderCommit.rawValue
            let count = append.byteCount
            var bytes = withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REQUEST__BODY_APPEND
                envelope.append = body
                return Protobuf.encode(envelope, reserve: count + 8)
            }
            beginEntries(count, in: &bytes)
            for batch in append.entries { bytes.append(contentsOf: batch.bytes) }
            return bytes
        case .snapshot(let snapshot):
            var manifest = snapshot.manifest.encoded
            var body = Raft__Peer__V1__SnapshotRequest()
            raft__peer__v1__snapshot_request__init(&body)
            body.term = snapshot.term.rawValue
            body.leader = snapshot.leader.rawValue
            body.stream = snapshot.stream.rawValue
            body.offset = snapshot.offset
            body.checksum = snapshot.checksum
            var bytes = manifest.withUnsafeMutableBufferPointer { manifest in
                body.manifest = ProtobufCBinaryData(len: manifest.count, data: manifest.baseAddress)
                return withUnsafeMutablePointer(to: &body) { body in
                    envelope.body_case = RAFT__PEER__V1__PEER_REQUEST__BODY_SNAPSHOT
                    envelope.snapshot = body
                    return Protobuf.encode(envelope, reserve: snapshot.bytes.count + 8)
                }
            }
            beginEntries(snapshot.bytes.count, in: &bytes)
            bytes.append(contentsOf: snapshot.bytes)
            return bytes
        case .heartbeat(let heartbeat):
            var body = Raft__Peer__V1__HeartbeatRequest()
            raft__peer__v1__heartbeat_request__init(&body)
            body.term = heartbeat.term.rawValue
            body.leader = heartbeat.leader.rawValue
            body.stream = heartbeat.stream.rawValue
            body.round = heartbeat.round
            body.commit = heartbeat.commit.rawValue
            body.leader_commit = heartbeat.leaderCommit.rawValue
            body.fresh_mark = heartbeat.freshMark
            body.fresh_index = heartbeat.freshIndex.rawValue
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REQUEST__BODY_HEARTBEAT
                envelope.heartbeat = body
                return Protobuf.encode(envelope)
            }
        case .timeoutNow(let timeout):
            var body = Raft__Peer__V1__TimeoutNowRequest()
            raft__peer__v1__timeout_now_request__init(&body)
            body.term = timeout.term.rawValue
            body.leader = timeout.leader.rawValue
            body.last_log_term = timeout.lastLog.term.rawValue
            body.last_log_index = timeout.lastLog.index.rawValue
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REQUEST__BODY_TIMEOUT_NOW
                envelope.timeout_now = body
                return Protobuf.encode(envelope)
            }
        case .readIndex(let question):
            var body = Raft__Peer__V1__ReadIndexRequest()
            raft__peer__v1__read_index_request__init(&body)
            body.term = question.term.rawValue
            body.asker = question.asker.rawValue
            body.id = question.id
            body.may_use_lease = question.mayUseLease ? 1 : 0
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REQUEST__BODY_READ_INDEX
                envelope.read_index = body
                return Protobuf.encode(envelope)
            }
        case .forward(let forward): return encode(forward)
        }
    }

    /// The packer would copy the bytes once more; a bytes field is a tag, a length and the bytes.
    static func beginEntries(_ count: Int, in bytes: inout [UInt8]) {
        guard count > 0 else { return }
        bytes.append(entriesTag)
        appendVarint(UInt64(count), to: &bytes)
    }

    static func decodeRequest(_ bytes: [UInt8]) throws(RPCStatus) -> PeerRequest {
        let split = try splitEntries(bytes)
        // A snapshot's manifest names every member: it may be as long as it is, and is unpacked once.
        let budget = split.body.first == snapshotTag ? budget + split.body.count : budget
        return try Protobuf.decode(split.body, budget: budget, unpack: raft__peer__v1__peer_request__unpack) {
            envelope throws(RPCStatus) in
            let kind = envelope.pointee.body_case
            let carriesEntries =
                kind == RAFT__PEER__V1__PEER_REQUEST__BODY_APPEND || kind == RAFT__PEER__V1__PEER_REQUEST__BODY_SNAPSHOT
                || kind == RAFT__PEER__V1__PEER_REQUEST__BODY_FORWARD
            guard carriesEntries || split.entries.isEmpty else { throw refuse("entries without an append") }
            switch envelope.pointee.body_case {
            case RAFT__PEER__V1__PEER_REQUEST__BODY_VOTE:
                guard let body = envelope.pointee.vote?.pointee else { throw refuse("no body") }
                return .vote(
                    VoteRequest(
                        phase: try phase(body.phase), term: Term(body.term), candidate: try node(body.candidate),
                        lastLog: logID(body.last_log_term, body.last_log_index), round: body.round,
                        isTransfer: body.is_transfer != 0))
            case RAFT__PEER__V1__PEER_REQUEST__BODY_APPEND:
                guard let body = envelope.pointee.append?.pointee else { throw refuse("no body") }
                return .append(try decodeAppend(body, entries: split.entries))
            case RAFT__PEER__V1__PEER_REQUEST__BODY_HEARTBEAT:
                guard let body = envelope.pointee.heartbeat?.pointee else { throw refuse("no body") }
                return .heartbeat(
                    HeartbeatRequest(
                        term: Term(body.term), leader: try node(body.leader), stream: StreamID(rawValue: body.stream),
                        round: body.round, commit: LogIndex(body.commit), leaderCommit: LogIndex(body.leader_commit),
                        freshMark: body.fresh_mark, freshIndex: LogIndex(body.fresh_index)))
            case RAFT__PEER__V1__PEER_REQUEST__BODY_TIMEOUT_NOW:
                guard let body = envelope.pointee.timeout_now?.pointee else { throw refuse("no body") }
                return .timeoutNow(
                    TimeoutNowRequest(
                        term: Term(body.term), leader: try node(body.leader),
                        lastLog: logID(body.last_log_term, body.last_log_index)))
            case RAFT__PEER__V1__PEER_REQUEST__BODY_READ_INDEX:
                guard let body = envelope.pointee.read_index?.pointee else { throw refuse("no body") }
                return .readIndex(
                    ReadIndexRequest(
                        term: Term(body.term), asker: try node(body.asker), id: body.id,
                        mayUseLease: body.may_use_lease != 0))
            case RAFT__PEER__V1__PEER_REQUEST__BODY_SNAPSHOT:
                guard let body = envelope.pointee.snapshot?.pointee else { throw refuse("no body") }
                return .snapshot(try decodeSnapshot(body, piece: split.entries))
            case RAFT__PEER__V1__PEER_REQUEST__BODY_FORWARD:
                guard let body = envelope.pointee.forward?.pointee else { throw refuse("no body") }
                return .forward(try decode(body, payload: split.entries))
            default: throw refuse("a request of an unknown kind; the peer may be of a newer version")
            }
        }
    }

    private static func decodeSnapshot(
        _ body: Raft__Peer__V1__SnapshotRequest, piece: ArraySlice<UInt8>
    ) throws(RPCStatus) -> SnapshotRequest {
        let manifest: SnapshotManifest
        do throws(RaftError) {
            manifest = try SnapshotManifest(decoding: Protobuf.bytes(body.manifest))
        } catch {
            throw refuse("snapshot: \(error)")
        }
        guard manifest.last.term.rawValue <= body.term else {
            throw refuse("snapshot of term \(body.term) that ends with entry \(manifest.last)")
        }
        return SnapshotRequest(
            term: Term(body.term), leader: try node(body.leader), stream: StreamID(rawValue: body.stream),
            manifest: manifest, offset: body.offset, checksum: body.checksum, bytes: Array(piece))
    }

    private static func decodeAppend(
        _ body: Raft__Peer__V1__AppendRequest, entries: ArraySlice<UInt8>
    ) throws(RPCStatus) -> AppendRequest {
        let term = Term(body.term)
        let previous = logID(body.previous_term, body.previous_index)
        var batches: [EntryBatch] = []
        if !entries.isEmpty {
            let batch: EntryBatch
            do throws(MalformedRecords) {
                // The one copy of the entries: these bytes go to the log and the disk as they are.
                batch = try EntryBatch(parsing: Array(entries))
            } catch {
                throw refuse("append: \(error)")
            }
            guard batch.first.index == previous.index.next, batch.first.term >= previous.term, batch.last.term <= term
            else {
                throw refuse("append of term \(term) with entries \(batch.first) to \(batch.last) after \(previous)")
            }
            batches = [batch]
        }
        return AppendRequest(
            term: term, leader: try node(body.leader), stream: StreamID(rawValue: body.stream),
            sequence: body.sequence, previous: previous, leaderCommit: LogIndex(body.leader_commit), entries: batches)
    }

    /// Cuts the entries off the end, so that the unpacker neither copies nor counts them.
    static func splitEntries(
        _ bytes: [UInt8]
    ) throws(RPCStatus) -> (body: ArraySlice<UInt8>, entries: ArraySlice<UInt8>) {
        var position = 0
        while position < bytes.count {
            let start = position
            let tag = try varint(bytes, &position)
            switch tag & 7 {
            case 0: _ = try varint(bytes, &position)
            case 1: position += 8
            case 5: position += 4
            case 2:
                let count = try varint(bytes, &position)
                guard count <= UInt64(bytes.count - position) else { throw refuse("a field reaches past the end") }
                if tag == UInt64(entriesTag) {
                    guard position + Int(count) == bytes.count else { throw refuse("entries are not the last field") }
                    return (bytes[..<start], bytes[position...])
                }
                position += Int(count)
            default: throw refuse("wire type \(tag & 7)")
            }
            guard position <= bytes.count else { throw refuse("a field reaches past the end") }
        }
        return (bytes[...], bytes[bytes.count...])
    }

    private static func varint(_ bytes: [UInt8], _ position: inout Int) throws(RPCStatus) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard position < bytes.count else { throw refuse("a number without an end") }
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw refuse("a number of more than ten bytes")
    }

    private static func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
        var left = value
        while left >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: left) | 0x80)
            left >>= 7
        }
        bytes.append(UInt8(left))
    }

    // MARK: Parts

    static func refuse(_ reason: String) -> RPCStatus { RPCStatus(.invalidArgument, reason) }

    static func logID(_ term: UInt64, _ index: UInt64) -> LogID { LogID(term: Term(term), index: LogIndex(index)) }

    static func node(_ id: UInt64) throws(RPCStatus) -> NodeID {
        guard id > 0 else { throw refuse("node id 0") }
        return NodeID(id)
    }

    static func phase(_ phase: VoteRequest.Phase) -> Raft__Peer__V1__VotePhase {
        phase == .vote ? RAFT__PEER__V1__VOTE_PHASE__VOTE : RAFT__PEER__V1__VOTE_PHASE__PRE_VOTE
    }

    static func phase(_ phase: Raft__Peer__V1__VotePhase) throws(RPCStatus) -> VoteRequest.Phase {
        switch phase {
        case RAFT__PEER__V1__VOTE_PHASE__PRE_VOTE: .preVote
        case RAFT__PEER__V1__VOTE_PHASE__VOTE: .vote
        default: throw refuse("vote phase \(phase.rawValue)")
        }
    }
}
