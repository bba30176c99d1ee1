internal import Raft

/// The sessions of one client: one as a rule, more while more calls are under way than one takes.
final class ClientSessions: Sendable {
    private struct State {
        var sessions: [SessionNumbers] = []
        var registration: SharedAttempt<Result<SessionID, RaftClientError>>?
    }
    private let state = Lock(State())
    /// The most calls of one session under way: well below what a cluster keeps replies for.
    private let maximumOpen: Int

    init(maximumOpen: Int) { self.maximumOpen = maximumOpen }

    private enum Found {
        case request(SessionRequest)
        case registering(SharedAttempt<Result<SessionID, RaftClientError>>)
    }

    /// The request of a new command, in a session that is begun if there is none with room. Callers that ask at once
    /// share one registration, and each waits for it until its own deadline.
    func next(
        until deadline: Duration, on clock: any ClientClock,
        _ register: @escaping @Sendable () async -> Result<SessionID, RaftClientError>
    ) async throws(RaftClientError) -> SessionRequest {
        while true {
            let found: Found = state.withLock { held in
                if let at = held.sessions.firstIndex(where: { $0.openCount < maximumOpen }) {
                    return .request(held.sessions[at].next())
                }
                if let attempt = held.registration { return .registering(attempt) }
                let attempt = SharedAttempt<Result<SessionID, RaftClientError>>()
                attempt.begin { [self] in
                    let result = await register()
                    state.withLock { state in
                        state.registration = nil
                        if case .success(let session) = result { state.sessions.append(SessionNumbers(session)) }
                    }
                    return result
                }
                held.registration = attempt
                return .registering(attempt)
            }
            switch found {
            case .request(let request): return request
            case .registering(let attempt):
                let left = max(deadline - clock.now, .zero)
                guard let result = await attempt.value(within: left, on: clock) else {
                    if Task.isCancelled { throw RaftClientError(.cancelled, "cancelled before a session was begun") }
                    throw RaftClientError(.unavailable, "no session was begun in time; the write was never sent")
                }
                _ = try result.get()
            }
        }
    }

    /// Its reply is there, or nobody will ask for it again.
    func answered(_ request: SessionRequest) {
        state.withLock { state in
            guard let at = state.sessions.firstIndex(where: { $0.session == request.session }) else { return }
            state.sessions[at].answered(request.sequence)
        }
    }

    /// The cluster does not have it any more.
    func forget(_ session: SessionID) {
        state.withLock { $0.sessions.removeAll { $0.session == session } }
    }

    /// Those that there are, with the lowest number that waits for its reply in each.
    var all: [SessionNumbers] { state.withLock { $0.sessions } }
}
