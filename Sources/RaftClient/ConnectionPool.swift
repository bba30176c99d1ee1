internal import Raft
internal import RaftTransport

/// The connections of one client, one for each endpoint and purpose, kept for as long as they are open.
final class ConnectionPool: Sendable {
    private struct Key: Hashable {
        let endpoint: String
        let purpose: Purpose
    }
    private enum Slot {
        case connecting(Task<Result<any Channel, RPCStatus>, Never>)
        case open(any Channel)
    }
    private struct State {
        var slots: [Key: Slot] = [:]
        var isClosed = false
    }

    private let connector: any Connector
    private let state = Lock(State())

    init(_ connector: any Connector) { self.connector = connector }

    /// An open connection, made if there is none. Callers that ask at once share one attempt.
    ///
    /// - Throws: always with `wasSent` false.
    func channel(to endpoint: String, purpose: Purpose, timeout: Duration) async throws(RPCStatus) -> any Channel {
        let key = Key(endpoint: endpoint, purpose: purpose)
        let attempt: Task<Result<any Channel, RPCStatus>, Never>
        switch find(key, timeout) {
        case .open(let channel): return channel
        case .connecting(let task): attempt = task
        case nil: throw RPCStatus(.cancelled, "the client is closed", wasSent: false)
        }
        return try await attempt.value.get()
    }

    private func find(_ key: Key, _ timeout: Duration) -> Slot? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            switch state.slots[key] {
            case .open(let channel) where channel.isOpen: return .open(channel)
            case .connecting(let task): return .connecting(task)
            default: break
            }
            // Endpoints that were hints once do not pile up.
            state.slots = state.slots.filter { _, slot in
                if case .open(let channel) = slot { channel.isOpen } else { true }
            }
            // A task of its own: it serves every caller that asks meanwhile, and outlives the one that began it.
            let task = Task { [connector] in
                let result: Result<any Channel, RPCStatus>
                do throws(RPCStatus) {
                    result = .success(
                        try await connector.connect(to: key.endpoint, purpose: key.purpose, timeout: timeout))
                } catch {
                    result = .failure(error)
                }
                return await self.finish(key, result)
            }
            state.slots[key] = .connecting(task)
            return .connecting(task)
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
            case .connecting(let task): _ = await task.value
            }
        }
    }
}
