extension RaftNode {
    // MARK: Sequences

    /// What the node knows of itself: how it is now, and then whenever that may have changed. Who is slow sees the
    /// newest only. Ends with the node, and does not keep it running.
    public var statuses: AsyncStream<NodeStatus> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: NodeStatus.self, bufferingPolicy: .bufferingNewest(1))
        let watcher = StatusSequence { [applier] status in
            var status = status
            status.sessions = applier.sessionCounts
            continuation.yield(status)
        } finish: {
            continuation.finish()
        }
        continuation.onTermination = { _ in watcher.end() }
        port.watch(watcher)
        return stream
    }

    /// What happens to the node from now on: one event for each change, in order. Who is slow loses some, and is told how
    /// many (``NodeEvent/missed(_:)``): 1024 are kept. Ends with the node, and does not keep it running.
    public var events: AsyncStream<NodeEvent> { events(keeping: 1024) }

    func events(keeping count: Int) -> AsyncStream<NodeEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: NodeEvent.self, bufferingPolicy: .bufferingOldest(count))
        let watcher = EventSequence { event in
            if case .dropped = continuation.yield(event) { return false }
            return true
        } finish: { last in
            for event in last { continuation.yield(event) }
            continuation.finish()
        }
        continuation.onTermination = { _ in watcher.end() }
        port.watch(watcher)
        return stream
    }

    /// Says in ``events`` that certificates were read anew: the node itself does not know of them.
    ///
    /// - Parameters:
    ///   - text: what was read, or why it is not used.
    ///   - isUsed: whether it is used from now on.
    public func announceCertificates(_ text: String, isUsed: Bool) { port.tell(.certificates(text, isUsed: isUsed)) }

    // MARK: Leadership

    /// Calls `body` when this node gains leadership and when it loses it: by turns, whatever happens, beginning with a
    /// gain (at once, if it leads already) and ending with a loss when the node ends. For what only one member should
    /// do. That a node has gained leadership does not say that no other has gained it since: what must not happen twice
    /// is a command.
    ///
    /// - Parameter body: called on the node's loop, one call after another; it must not wait there.
    /// - Returns: what ends it; `body` may still be called once after that. Nobody needs to keep it.
    @discardableResult
    public func onLeadershipChange(_ body: @escaping @Sendable (LeadershipChange) -> Void) -> Observation {
        let watcher = LeadershipWatcher { [loop] change in loop.post(Block { body(change) }) }
        port.watch(watcher)
        return Observation(watcher)
    }

    // MARK: Waits

    /// Waits until the node's status is one that fits.
    ///
    /// - Parameters:
    ///   - timeout: how long; nil for as long as the node runs.
    ///   - isDue: called with each status, and must be quick: the node waits meanwhile. It must not call this node.
    /// - Returns: the first status that fits.
    /// - Throws: ``RaftError/Code/deadlineExceeded``, ``RaftError/Code/stopped``, ``RaftError/Code/cancelled``; and the
    ///   ``RaftError`` that `isDue` throws.
    @discardableResult
    public func until(
        within timeout: Duration? = nil, _ isDue: @escaping @Sendable (NodeStatus) throws -> Bool
    ) async throws(RaftError) -> NodeStatus {
        let slot = TicketSlot()
        return try await waiting(slot) { done in
            let ticket = StatusTicket(done)
            port.watch(StatusWait(ticket, isDue))
            slot.set(ticket)
            deadlines.add(ticket, within: timeout, "what was waited for did not come")
        }
    }

    /// Waits until this node knows a leader, itself or another one.
    ///
    /// - Throws: as ``until(within:_:)``.
    @discardableResult
    public func untilLeader(within timeout: Duration? = nil) async throws(RaftError) -> LeaderHint {
        let status = try await until(within: timeout) { $0.leader != nil }
        guard let leader = status.leader else { throw RaftError(.notLeader, "no leader is known") }
        return leader
    }

    /// Waits until this node has applied the entry with this index, and all before it.
    ///
    /// - Throws: as ``until(within:_:)``.
    public func untilApplied(_ index: LogIndex, within timeout: Duration? = nil) async throws(RaftError) {
        try await until(within: timeout) { $0.lastApplied >= index }
    }

    /// Waits until this node knows that the configuration of this entry is committed, or a later one that took its place.
    ///
    /// - Parameter entry: as ``NodeStatus/configurationID`` or ``Membership/currentID`` names it.
    /// - Throws: ``RaftError/Code/membershipChanged`` when it never will be: another leader has put other entries in its
    ///   place. Also as ``until(within:_:)``.
    public func untilCommitted(configuration entry: LogID, within timeout: Duration? = nil) async throws(RaftError) {
        try await until(within: timeout) { status in
            guard status.commitIndex >= entry.index else { return false }
            guard status.configurationID.index > entry.index || status.configurationID == entry else {
                throw RaftError(
                    .membershipChanged,
                    "the configuration of entry \(entry) was never committed; in force is that of \(status.configurationID)"
                )
            }
            return true
        }
    }
}

/// Somebody who is told of changes until this is cancelled, or the node ends.
public final class Observation: Sendable {
    private let watcher: Watcher
    init(_ watcher: Watcher) { self.watcher = watcher }
    /// Ends it.
    public func cancel() { watcher.end() }
}
