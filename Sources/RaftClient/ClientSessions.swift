internal import Raft

/// The sessions of one client: one as a rule, more while more calls are under way than one takes.
final class ClientSessions: Sendable {
    private struct State {
        var sessions: [SessionNumbers] = []
        var registration: Task<Result<SessionID, RaftClientError>, Never>?
    }
    private let state = Lock(State())
    /// The most calls of one session under way: well below what a cluster keeps replies for.
    private let maximumOpen: Int

    init(maximumOpen: Int) { self.maximumOpen = maximumOpen }

    private enum Found {
        case request(SessionRequest)
        case registering(Task<Result<SessionID, RaftClientError>, Never>)
    }

    /// The request of a new command, in a session that is begun if there is none with room. Callers that ask at once
    /// share one registration.
    func next(
        _ register: @escaping @Sendable () async -> Result<SessionID, RaftClientError>
    ) async throws(RaftClientError) -> SessionRequest {
        while true {
            let found: Found = state.withLock { held in
                if let at = held.sessions.firstIndex(where: { $0.openCount < maximumOpen }) {
                    return .request(held.sessions[at].next())
                }
                if let task = held.registration { return .registering(task) }
                // A task of its own: it serves every caller that asks meanwhile, and outlives the one that began it.
                let task = Task { [self] in
                    let result = await register()
                    state.withLock { state in
                        state.registration = nil
                        if case .success(let session) = result { state.sessions.append(SessionNumbers(session)) }
                    }
                    return result
                }
                held.registration = task
                return .registering(task)
            }
            switch found {
            case .request(let request): return request
            case .registering(let task): _ = try await task.value.get()
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
