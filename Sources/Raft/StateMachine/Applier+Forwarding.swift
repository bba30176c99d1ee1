extension Applier {
    /// Looks at the bytes as it will when they are applied: what it cannot read then must never be in the log.
    nonisolated func proposal(
        _ request: ForwardRequest, _ done: @escaping @Sendable (Result<[UInt8], RaftError>) -> Void
    ) throws(RaftError) -> Proposal {
        let payload = request.payload
        func command(_ bytes: ArraySlice<UInt8>, _ kind: EntryKind) throws -> Proposal {
            _ = try Machine.Command(decoding: bytes)
            guard let codec = OutputCodec<Machine.Output>.found else {
                throw RaftError(.corrupt, "\(Machine.Output.self) is no ReplicatedOutput, and cannot be sent")
            }
            let ticket = OutputTicket<Machine.Output> { result in done(result.flatMap { Self.sendable($0, codec) }) }
            return Proposal(kind: kind, payload: payload, term: request.onlyInTerm, ticket: ticket)
        }
        do {
            switch request.kind {
            case .command: return try command(payload[...], .command)
            case .sessionCommand:
                _ = try SessionRequest(decoding: payload[...])
                return try command(payload[SessionRequest.headerSize...], .sessionCommand)
            case .session:
                let ticket = SessionTicket { result in
                    done(
                        result.map { session in
                            var bytes: [UInt8] = []
                            session.rawValue.encode(into: &bytes)
                            return bytes
                        })
                }
                let order = try taken(SessionOrder(decoding: payload[...]))
                return Proposal(kind: .session, payload: order.encoded, term: request.onlyInTerm, ticket: ticket)
            }
        } catch {
            throw RaftError(error, or: .corrupt, "\(payload.count) bytes are no command of \(Machine.self): ")
        }
    }

    /// The limits of a session are its leader's, and when one ends of itself its leader says.
    private nonisolated func taken(_ order: SessionOrder) throws(RaftError) -> SessionOrder {
        switch order {
        case .register: return .register(SessionLimits(settings))
        case .keepAlive, .close: return order
        case .expire: throw RaftError(.corrupt, "only a leader ends sessions that are silent")
        }
    }

    private nonisolated static func sendable(
        _ output: Machine.Output, _ codec: OutputCodec<Machine.Output>
    ) -> Result<[UInt8], RaftError> {
        let bytes = codec.encode(output)
        guard bytes.count <= 31 << 17 else {
            return .failure(
                RaftError(
                    .replyDropped,
                    "the command was applied, and its result of \(bytes.count) bytes does not fit in one message between members; ask the leader itself",
                    outcome: .unknown))
        }
        return .success(bytes)
    }
}
