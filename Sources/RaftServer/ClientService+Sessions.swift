internal import Raft
internal import RaftClient
internal import RaftTransport

extension ClientService {
    func offerSessions(_ table: inout ServiceTable) {
        table.register(ClientMethods.registerSession) { call in
            answering(call) { () throws(RPCStatus) in
                _ = try RegisterSessionRequest(decoding: call.request)
                node.sessions.register { answer(call, $0) { RegisterSessionResponse(session: $0).encoded() } }
            }
        }
        table.register(ClientMethods.keepSession) { call in
            answering(call) { () throws(RPCStatus) in
                let request = try KeepSessionRequest(decoding: call.request)
                node.sessions.keepAlive(request.session, lowestUnanswered: request.lowestUnanswered) {
                    answer(call, $0) { _ in SessionResponse().encoded() }
                }
            }
        }
        table.register(ClientMethods.closeSession) { call in
            answering(call) { () throws(RPCStatus) in
                let request = try CloseSessionRequest(decoding: call.request)
                node.sessions.close(request.session) { answer(call, $0) { _ in SessionResponse().encoded() } }
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
