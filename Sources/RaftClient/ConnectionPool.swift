internal import Raft
internal import RaftTransport

/// The connections of one client, one for each endpoint and purpose, kept for as long as they are open.
final class ConnectionPool: Sendable {
    private struct Key: Hashable {
        let endpoint: String
        let purpose: Purpose
    }
    private enum Slot {
        case connecting(SharedAttempt<Result<any Channel, RPCStatus>>)
        case open(any Channel)
    }
    private struct State {
        var slots: [Key: Slot] = [:]
        var isClosed = false
    }

    private let connector: any Connector
    private let clock: any ClientClock
    /// How long connecting may take.
    private let timeout: Duration
    private let executor: (any TaskExecutor)?
    private let state = Lock(State())

    /// - Parameter executor: where connections are made; nil for wherever there is room.
    init(
        _ connector: any Connector, clock: any ClientClock, timeout: Duration, on executor: (any TaskExecutor)? = nil
    ) {
        self.executor = executor
        self.connector = connector
        self.clock = clock
        self.timeout = timeout
    }

    /// The connection, if it is there: what nearly every call finds.
    func openChannel(to endpoint: String, purpose: Purpose) -> (any Channel)? {
        state.withLock { state in
            guard case .open(let channel)? = state.slots[Key(endpoint: endpoint, purpose: purpose)], channel.isOpen
            else { return nil }
            return channel
        }
    }

    /// An open connection, made if there is none. Callers that ask at once share one attempt, and each waits for it
    /// until its own limit.
    ///
    /// - Throws: always with `wasSent` false.
    func channel(to endpoint: String, purpose: Purpose, within limit: Duration) async throws(RPCStatus) -> any Channel {
        let key = Key(endpoint: endpoint, purpose: purpose)
        let attempt: SharedAttempt<Result<any Channel, RPCStatus>>
        switch find(key) {
        case .open(let channel): return channel
        case .connecting(let shared): attempt = shared
        case nil: throw RPCStatus(.cancelled, "the client is closed", wasSent: false)
        }
        guard let result = await attempt.value(within: limit, on: clock) else {
            if Task.isCancelled { throw RPCStatus(.cancelled, "the caller cancelled", wasSent: false) }
            throw RPCStatus(.deadlineExceeded, "\(endpoint): no connection within \(limit)", wasSent: false)
        }
        return try result.get()
    }

    private func find(_ key: Key) -> Slot? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            switch state.slots[key] {
            case .open(let channel) where channel.isOpen: return .open(channel)
            case .connecting(let attempt): return .connecting(attempt)
            default: break
            }
            // Endpoints that were hints once do not pile up.
            state.slots = state.slots.filter { _, slot in
                if case .open(let channel) = slot { channel.isOpen } else { true }
            }
            let attempt = SharedAttempt<Result<any Channel, RPCStatus>>(on: executor)
            attempt.begin { [self] in
                let result: Result<any Channel, RPCStatus>
                do throws(RPCStatus) {
                    result = .success(
                        try await connector.connect(to: key.endpoint, purpose: key.purpose, timeout: timeout))
                } catch {
                    result = .failure(error)
                }
                return await finish(key, result)
            }
            state.slots[key] = .connecting(attempt)
            return .connecting(attempt)
        }
    }

    private func finish(
        _ key: Key, _ result: Result<any Channel, RPCStatus>
    ) async -> Result<any Channel, RPCStatus> {
        let isClosed = state.withLock { state in
            switch result {
            case .success(let channel) where !state.isClosed: state.slots[key] = .open(channel)
            default: state.slots[key] = nil
            }
            return state.isClosed
        }
        guard isClosed, case .success(let channel) = result else { return result }
        await channel.close()
        return .failure(RPCStatus(.cancelled, "the client is closed", wasSent: false))
    }

    /// Closes every connection, also those still being made.
    func close() async {
        let slots = state.withLock { state in
            state.isClosed = true
            defer { state.slots = [:] }
            return Array(state.slots.values)
        }
        for slot in slots {
            switch slot {
            case .open(let channel): await channel.close()
            case .connecting(let attempt): _ = await attempt.value()
            }
        }
    }
}
