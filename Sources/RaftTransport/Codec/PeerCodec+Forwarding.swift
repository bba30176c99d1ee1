internal import CProtobufC
internal import CRaftProtos
internal import Raft

/// Writes that members pass on, and what became of them.
extension PeerCodec {
    /// The most bytes of an error's text that travel.
    private static let maximumTextBytes = 2048
    /// The most bytes of an address, which a configuration has at most, and which a hint must fit into.
    private static let maximumAddressBytes = 1024
    /// A year: nobody waits for longer.
    private static let maximumMilliseconds: UInt64 = 366 * 86_400_000

    static func encode(_ forward: ForwardRequest) -> [UInt8] {
        let arena = ProtobufArena(budget: 4096)
        var envelope = Raft__Peer__V1__PeerRequest()
        raft__peer__v1__peer_request__init(&envelope)
        var body = Raft__Peer__V1__ForwardRequest()
        raft__peer__v1__forward_request__init(&body)
        body.sender = forward.sender.rawValue
        body.id = forward.id
        body.kind =
            switch forward.kind {
            case .command: RAFT__PEER__V1__FORWARD_KIND__FORWARD_COMMAND
            case .sessionCommand: RAFT__PEER__V1__FORWARD_KIND__FORWARD_SESSION_COMMAND
            case .session: RAFT__PEER__V1__FORWARD_KIND__FORWARD_SESSION
            }
        body.has_term = forward.onlyInTerm == nil ? 0 : 1
        body.only_in_term = forward.onlyInTerm?.rawValue ?? 0
        body.has_timeout = forward.timeout == nil ? 0 : 1
        body.timeout_milliseconds = forward.timeout.map(milliseconds) ?? 0
        body.has_caller = forward.caller == nil ? 0 : 1
        body.identity = arena.string(forward.caller?.identity ?? "")
        body.method = arena.string(forward.caller?.method ?? "")
        var bytes = withUnsafeMutablePointer(to: &body) { body in
            envelope.body_case = RAFT__PEER__V1__PEER_REQUEST__BODY_FORWARD
            envelope.forward = body
            return Protobuf.encode(envelope, reserve: forward.payload.count + 8)
        }
        beginEntries(forward.payload.count, in: &bytes)
        bytes.append(contentsOf: forward.payload)
        return bytes
    }

    /// Rounded up: what is left of a deadline is not lost on the way.
    private static func milliseconds(_ timeout: Duration) -> UInt64 {
        guard timeout > .zero else { return 0 }
        let (seconds, attoseconds) = timeout.components
        let (whole, isAbove) = UInt64(seconds).multipliedReportingOverflow(by: 1000)
        guard !isAbove else { return maximumMilliseconds }
        return min(whole + UInt64((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000), maximumMilliseconds)
    }

    static func decode(
        _ body: Raft__Peer__V1__ForwardRequest, payload: ArraySlice<UInt8>
    ) throws(RPCStatus) -> ForwardRequest {
        let kind: ForwardRequest.Kind
        switch body.kind {
        case RAFT__PEER__V1__FORWARD_KIND__FORWARD_COMMAND: kind = .command
        case RAFT__PEER__V1__FORWARD_KIND__FORWARD_SESSION_COMMAND: kind = .sessionCommand
        case RAFT__PEER__V1__FORWARD_KIND__FORWARD_SESSION: kind = .session
        default: throw refuse("forwarded write of kind \(body.kind.rawValue)")
        }
        var caller: ForwardedCaller?
        if body.has_caller != 0 {
            let (identity, method) = (Protobuf.string(body.identity), Protobuf.string(body.method))
            caller = ForwardedCaller(identity: identity, method: method)
            guard caller?.identity == identity, caller?.method == method else {
                throw refuse("forwarded write of a caller whose name has more than 255 bytes, or control characters")
            }
        }
        return ForwardRequest(
            sender: try node(body.sender), id: body.id, kind: kind,
            onlyInTerm: body.has_term != 0 ? Term(body.only_in_term) : nil,
            timeout: body.has_timeout != 0
                ? .milliseconds(Int64(min(body.timeout_milliseconds, maximumMilliseconds))) : nil,
            caller: caller, payload: Array(payload))
    }

    static func encode(_ forward: ForwardReply) -> [UInt8] {
        let arena = ProtobufArena(budget: 8192)
        var envelope = Raft__Peer__V1__PeerReply()
        raft__peer__v1__peer_reply__init(&envelope)
        var body = Raft__Peer__V1__ForwardReply()
        raft__peer__v1__forward_reply__init(&body)
        body.id = forward.id
        var output: [UInt8] = []
        switch forward.result {
        case .success(let bytes): output = bytes
        case .failure(let error):
            body.code = arena.string("\(error.code)")
            body.message = arena.string(error.message.cut(toBytes: maximumTextBytes))
            body.outcome =
                error.outcome == .unknown
                ? RAFT__PEER__V1__FORWARD_OUTCOME__FORWARD_UNKNOWN
                : RAFT__PEER__V1__FORWARD_OUTCOME__FORWARD_NOTHING_HAPPENED
            body.leader_id = error.leader?.id.rawValue ?? 0
            body.leader_address = arena.string(error.leader?.address ?? "")
        }
        return output.withUnsafeMutableBufferPointer { output in
            body.output = ProtobufCBinaryData(len: output.count, data: output.baseAddress)
            return withUnsafeMutablePointer(to: &body) { body in
                envelope.body_case = RAFT__PEER__V1__PEER_REPLY__BODY_FORWARD
                envelope.forward = body
                return Protobuf.encode(envelope)
            }
        }
    }

    static func decode(_ body: Raft__Peer__V1__ForwardReply) throws(RPCStatus) -> ForwardReply {
        let name = Protobuf.string(body.code)
        guard !name.isEmpty else { return ForwardReply(id: body.id, result: .success(Protobuf.bytes(body.output))) }
        let address = Protobuf.string(body.leader_address)
        guard address.utf8.count <= maximumAddressBytes else {
            throw refuse("a hint with an address of \(address.utf8.count) bytes")
        }
        let leader =
            body.leader_id == 0
            ? nil : LeaderHint(id: NodeID(body.leader_id), address: address.isEmpty ? nil : address)
        let code = RaftError.Code.ofWrites.first { $0.description == name }
        return ForwardReply(
            id: body.id,
            result: .failure(
                RaftError(
                    code ?? .outcomeUnknown, Protobuf.string(body.message).cut(toBytes: maximumTextBytes),
                    // What is not known to have done nothing may have done something.
                    outcome: body.outcome == RAFT__PEER__V1__FORWARD_OUTCOME__FORWARD_NOTHING_HAPPENED && code != nil
                        ? .nothingHappened : .unknown,
                    leader: leader)))
    }
}
