internal import CProtobufC
internal import CRaftProtos
internal import Raft

/// Replies and the hello.
extension PeerCodec {
    static func encode(_ reply: PeerReply) -> [UInt8] {
        var envelope = Raft__Peer__V1__PeerReply()
        raft__peer__v1__peer_reply__init(&envelope)
        switch reply {
        case .vote(let vote):
            var body = Raft__Peer__V1__VoteReply()
            raft__peer__v1__vote_reply__init(&body)
            body.phase = phase(vote.phase)
            body.round = vote.round
            body.term = vote.term.rawValue
            body.is_granted = vote.isGranted ? 1 : 0
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REPLY__BODY_VOTE
                envelope.vote = body
                return Protobuf.encode(envelope)
            }
        case .append(let append):
            var body = Raft__Peer__V1__AppendReply()
            raft__peer__v1__append_reply__init(&body)
            body.term = append.term.rawValue
            body.stream = append.stream.rawValue
            body.sequence = append.sequence
            switch append.outcome {
            case .accepted(let through):
                body.outcome = RAFT__PEER__V1__APPEND_OUTCOME__ACCEPTED
                body.index = through.rawValue
            case .conflict(let previous, let hint):
                body.outcome = RAFT__PEER__V1__APPEND_OUTCOME__CONFLICT
                body.index = previous.rawValue
                body.hint_term = hint.term.rawValue
                body.hint_index = hint.index.rawValue
            case .rejected: body.outcome = RAFT__PEER__V1__APPEND_OUTCOME__REJECTED
            }
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REPLY__BODY_APPEND
                envelope.append = body
                return Protobuf.encode(envelope)
            }
        case .heartbeat(let heartbeat):
            var body = Raft__Peer__V1__HeartbeatReply()
            raft__peer__v1__heartbeat_reply__init(&body)
            body.term = heartbeat.term.rawValue
            body.stream = heartbeat.stream.rawValue
            body.round = heartbeat.round
            body.is_rejected = heartbeat.isRejected ? 1 : 0
            body.mark = heartbeat.mark
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REPLY__BODY_HEARTBEAT
                envelope.heartbeat = body
                return Protobuf.encode(envelope)
            }
        case .snapshot(let snapshot):
            var body = Raft__Peer__V1__SnapshotReply()
            raft__peer__v1__snapshot_reply__init(&body)
            body.term = snapshot.term.rawValue
            body.stream = snapshot.stream.rawValue
            body.builder = snapshot.snapshot.builder.rawValue
            body.number = snapshot.snapshot.number
            switch snapshot.outcome {
            case .rejected: body.outcome = RAFT__PEER__V1__SNAPSHOT_OUTCOME__SNAPSHOT_REJECTED
            case .received(let offset):
                body.outcome = RAFT__PEER__V1__SNAPSHOT_OUTCOME__SNAPSHOT_RECEIVED
                body.position = offset
            case .installed(let index):
                body.outcome = RAFT__PEER__V1__SNAPSHOT_OUTCOME__SNAPSHOT_INSTALLED
                body.position = index.rawValue
            case .unable: body.outcome = RAFT__PEER__V1__SNAPSHOT_OUTCOME__SNAPSHOT_UNABLE
            }
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REPLY__BODY_SNAPSHOT
                envelope.snapshot = body
                return Protobuf.encode(envelope)
            }
        case .readIndex(let answer):
            var body = Raft__Peer__V1__ReadIndexReply()
            raft__peer__v1__read_index_reply__init(&body)
            body.term = answer.term.rawValue
            body.id = answer.id
            body.has_index = answer.index == nil ? 0 : 1
            body.index = answer.index?.rawValue ?? 0
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REPLY__BODY_READ_INDEX
                envelope.read_index = body
                return Protobuf.encode(envelope)
            }
        case .forward(let forward): return encode(forward)
        }
    }

    /// The tag of `PeerReply.forward`: field 6, length-delimited.
    private static let forwardTag: UInt8 = 6 << 3 | 2

    static func decodeReply(_ bytes: [UInt8]) throws(RPCStatus) -> PeerReply {
        // A command's output may be as long as it is, and is unpacked once.
        let budget = bytes.first == forwardTag ? budget + bytes.count : budget
        return try Protobuf.decode(bytes, budget: budget, unpack: raft__peer__v1__peer_reply__unpack) {
            envelope throws(RPCStatus) in
            switch envelope.pointee.body_case {
            case RAFT__PEER__V1__PEER_REPLY__BODY_VOTE:
                guard let body = envelope.pointee.vote?.pointee else { throw refuse("no body") }
                return .vote(
                    VoteReply(
                        phase: try phase(body.phase), round: body.round, term: Term(body.term),
                        isGranted: body.is_granted != 0))
            case RAFT__PEER__V1__PEER_REPLY__BODY_APPEND:
                guard let body = envelope.pointee.append?.pointee else { throw refuse("no body") }
                let outcome: AppendReply.Outcome
                switch body.outcome {
                case RAFT__PEER__V1__APPEND_OUTCOME__ACCEPTED: outcome = .accepted(through: LogIndex(body.index))
                case RAFT__PEER__V1__APPEND_OUTCOME__CONFLICT:
                    outcome = .conflict(
                        previous: LogIndex(body.index), hint: logID(body.hint_term, body.hint_index))
                case RAFT__PEER__V1__APPEND_OUTCOME__REJECTED: outcome = .rejected
                default: throw refuse("append outcome \(body.outcome.rawValue)")
                }
                return .append(
                    AppendReply(
                        term: Term(body.term), stream: StreamID(rawValue: body.stream), sequence: body.sequence,
                        outcome: outcome))
            case RAFT__PEER__V1__PEER_REPLY__BODY_HEARTBEAT:
                guard let body = envelope.pointee.heartbeat?.pointee else { throw refuse("no body") }
                return .heartbeat(
                    HeartbeatReply(
                        term: Term(body.term), stream: StreamID(rawValue: body.stream), round: body.round,
                        isRejected: body.is_rejected != 0, mark: body.mark))
            case RAFT__PEER__V1__PEER_REPLY__BODY_READ_INDEX:
                guard let body = envelope.pointee.read_index?.pointee else { throw refuse("no body") }
                return .readIndex(
                    ReadIndexReply(
                        term: Term(body.term), id: body.id, index: body.has_index != 0 ? LogIndex(body.index) : nil))
            case RAFT__PEER__V1__PEER_REPLY__BODY_SNAPSHOT:
                guard let body = envelope.pointee.snapshot?.pointee else { throw refuse("no body") }
                return .snapshot(
                    SnapshotReply(
                        term: Term(body.term), stream: StreamID(rawValue: body.stream),
                        snapshot: SnapshotID(builder: Incarnation(rawValue: body.builder), number: body.number),
                        outcome: try snapshotOutcome(body)))
            case RAFT__PEER__V1__PEER_REPLY__BODY_FORWARD:
                guard let body = envelope.pointee.forward?.pointee else { throw refuse("no body") }
                return .forward(try decode(body))
            default: throw refuse("a reply of an unknown kind; the peer may be of a newer version")
            }
        }
    }

    private static func snapshotOutcome(
        _ body: Raft__Peer__V1__SnapshotReply
    ) throws(RPCStatus) -> SnapshotReply.Outcome {
        switch body.outcome {
        case RAFT__PEER__V1__SNAPSHOT_OUTCOME__SNAPSHOT_REJECTED: .rejected
        case RAFT__PEER__V1__SNAPSHOT_OUTCOME__SNAPSHOT_RECEIVED: .received(through: body.position)
        case RAFT__PEER__V1__SNAPSHOT_OUTCOME__SNAPSHOT_INSTALLED: .installed(through: LogIndex(body.position))
        case RAFT__PEER__V1__SNAPSHOT_OUTCOME__SNAPSHOT_UNABLE: .unable
        default: throw refuse("snapshot outcome \(body.outcome.rawValue)")
        }
    }

    static func encode(_ hello: Hello) -> [UInt8] {
        let arena = ProtobufArena(budget: 4096)
        var message = Raft__Peer__V1__Hello()
        raft__peer__v1__hello__init(&message)
        message.cluster = arena.string(hello.cluster)
        message.node = hello.node.rawValue
        message.incarnation = hello.incarnation.rawValue
        message.has_bootstrap = hello.bootstrap == nil ? 0 : 1
        message.bootstrap = hello.bootstrap ?? 0
        message.configuration_term = hello.configuration.term.rawValue
        message.configuration_index = hello.configuration.index.rawValue
        return Protobuf.encode(message)
    }

    static func decodeHello(_ bytes: [UInt8]) throws(RPCStatus) -> Hello {
        try Protobuf.decode(bytes, budget: budget, unpack: raft__peer__v1__hello__unpack) {
            message throws(RPCStatus) in
            let message = message.pointee
            return Hello(
                cluster: Protobuf.string(message.cluster), node: try node(message.node),
                incarnation: Incarnation(rawValue: message.incarnation),
                bootstrap: message.has_bootstrap != 0 ? message.bootstrap : nil,
                configuration: logID(message.configuration_term, message.configuration_index))
        }
    }
}
