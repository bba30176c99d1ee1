internal import Raft
internal import RaftClient
internal import RaftTransport

extension ClientService {
    func offerSessions(_ table: inout ServiceTable) {
        table.register(ClientMethods.registerSession) { call in
            answering(call) { () throws(RPCStatus) in
                let request = try RegisterSessionRequest(decoding: call.request)
                let rim = Rim(call, nil, request.forwards)
                node.sessions.register(forwarding: rim.forwarding, within: rim.timeout) {
                    answer(call, $0) { RegisterSessionResponse(session: $0).encoded() }
                }
            }
        }
        table.register(ClientMethods.keepSession) { call in
            answering(call) { () throws(RPCStatus) in
                let request = try KeepSessionRequest(decoding: call.request)
                let rim = Rim(call, nil, request.forwards)
                node.sessions.keepAlive(
                    request.session, lowestUnanswered: request.lowestUnanswered, forwarding: rim.forwarding,
                    within: rim.timeout
                ) {
                    answer(call, $0) { _ in SessionResponse().encoded() }
                }
            }
        }
        table.register(ClientMethods.closeSession) { call in
            answering(call) { () throws(RPCStatus) in
                let request = try CloseSessionRequest(decoding: call.request)
                let rim = Rim(call, nil, request.forwards)
                node.sessions.close(request.session, forwarding: rim.forwarding, within: rim.timeout) {
                    answer(call, $0) { _ in SessionResponse().encoded() }
                }
            }
        }
    }

    private func answer(
        _ call: ServerCall, _ result: Result<SessionID, RaftError>, _ encode: (SessionID) -> [UInt8]
    ) {
        switch result {
        case .success(let session): call.respond(encode(session))
        case .failure(let error): call.fail(RPCStatus(error))
        }
    }
}
