internal import Raft
internal import RaftTransport

extension KeyValueClient {
    /// One write: as it is, or as a command of a session that is made again until it is known what became of it.
    func write<Response>(
        _ method: Method, _ timeout: Duration?, _ encode: (SessionRequest?) -> [UInt8],
        decode: (_ bytes: [UInt8]) throws(RPCStatus) -> Response
    ) async throws(RaftClientError) -> Response {
        guard let sessions else {
            return try await call(method, encode(nil), isRead: false, timeout, decode: decode)
        }
        let deadline = clock.now + (timeout ?? options.timeout)
        while true {
            // For all who wait for it, also those with more time.
            let long = max(deadline - clock.now, options.timeout)
            let request = try await sessions.next(until: deadline, on: clock) { [self] in
                do throws(RaftClientError) {
                    return .success(try await register(long))
                } catch {
                    return .failure(error)
                }
            }
            // With or without a reply nobody asks for it again.
            defer { sessions.answered(request) }
            do throws(RaftClientError) {
                return try await call(
                    method, encode(request), isRead: false, in: request, max(deadline - clock.now, .zero),
                    decode: decode)
            } catch {
                // Only of a first attempt, which certainly did nothing; any other ends in an unknown outcome.
                guard error.code == .sessionExpired else { throw error }
            }
        }
    }

    /// A registration that is made twice leaves one session that nobody uses, and that ends by itself.
    private func register(_ timeout: Duration) async throws(RaftClientError) -> SessionID {
        let request = RegisterSessionRequest(forwards: options.forwardsWrites).encoded()
        return try await call(ClientMethods.registerSession, request, isRead: true, timeout) {
            bytes throws(RPCStatus) in try RegisterSessionResponse(decoding: bytes).session
        }
    }

    /// Tells the cluster that the client is there, so that its sessions are not ended while it has nothing to write.
    /// Does nothing without ``Options/usesSessions``, or before the first write. A session that has ended all the same
    /// is replaced with the next write.
    public func keepSessionsAlive(timeout: Duration? = nil) async throws(RaftClientError) {
        for numbers in sessions?.all ?? [] {
            let request = KeepSessionRequest(
                session: numbers.session, lowestUnanswered: numbers.lowestUnanswered, forwards: options.forwardsWrites)
            do throws(RaftClientError) {
                try await call(ClientMethods.keepSession, request.encoded(), isRead: true, timeout) {
                    bytes throws(RPCStatus) in _ = try SessionResponse(decoding: bytes)
                }
            } catch {
                guard error.code == .sessionExpired else { throw error }
                sessions?.forget(numbers.session)
            }
        }
    }

    func closeSessions() async {
        for numbers in sessions?.all ?? [] {
            sessions?.forget(numbers.session)
            let request = CloseSessionRequest(session: numbers.session, forwards: options.forwardsWrites)
                .encoded()
            do throws(RaftClientError) {
                try await call(ClientMethods.closeSession, request, isRead: true, .milliseconds(500)) {
                    bytes throws(RPCStatus) in _ = try SessionResponse(decoding: bytes)
                }
            } catch {
                return  // They end by themselves.
            }
        }
    }

    /// The sessions that one node has applied. Needs a certificate of role `admin`, and no leader.
    public func listSessions(of endpoint: String, timeout: Duration? = nil) async throws(RaftClientError) -> SessionList
    {
        try await ask(endpoint, ClientMethods.listSessions, ListSessionsRequest().encoded(), timeout) {
            bytes throws(RPCStatus) in try SessionList(decoding: bytes)
        }
    }
}
