extension RaftNode {
    // MARK: Writes with conditions

    /// As ``propose(_:)``, with conditions.
    ///
    /// - Parameters:
    ///   - term: only if this node leads in this term: that of ``NodeStatus/currentTerm`` when the caller looked. Nobody
    ///     else can have led, and nothing can have been committed by another leader, since then.
    ///   - timeout: how long the caller waits; nil for as long as it takes.
    /// - Throws: as ``propose(_:)``; ``RaftError/Code/leaderChanged``: nothing happened;
    ///   ``RaftError/Code/deadlineExceeded``: unknown, unless `timeout` is not above zero.
    public func propose(
        _ command: Machine.Command, onlyInTerm term: Term? = nil, within timeout: Duration?
    ) async throws(RaftError) -> Machine.Output {
        let slot = TicketSlot()
        return try await waiting(slot) { done in
            slot.set(self.post(command, WriteOptions(term: term, timeout: timeout), done))
        }
    }

    /// As ``propose(_:onlyInTerm:within:)``, without a task. `completion` is called once, as that of
    /// ``propose(_:completion:)``.
    public func propose(
        _ command: Machine.Command, onlyInTerm term: Term? = nil, within timeout: Duration?,
        completion: @escaping @Sendable (Result<Machine.Output, RaftError>) -> Void
    ) {
        _ = post(command, WriteOptions(term: term, timeout: timeout), completion)
    }

    /// Proposes commands in this order, together: one result for each, in the same order. Others' commands may come
    /// between them, and each is judged by itself: one may be refused, and the next one applied.
    ///
    /// - Parameters:
    ///   - term: as in ``propose(_:onlyInTerm:within:)``: what one leader refuses, it then refuses for all that follow.
    ///   - timeout: for all of them.
    public func propose(
        all commands: [Machine.Command], onlyInTerm term: Term? = nil, within timeout: Duration? = nil
    ) async -> [Result<Machine.Output, RaftError>] {
        let gathering = Gathering<Machine.Output>(commands.count)
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                gathering.begin { continuation.resume(returning: $0) }
                let options = WriteOptions(term: term, timeout: timeout)
                for (position, command) in commands.enumerated() {
                    let ticket = post(command, options) { gathering.note($0, position) }
                    gathering.slots[position].set(ticket)
                }
            }
        } onCancel: {
            for slot in gathering.slots { slot.cancel() }
        }
    }

    /// Proposes a command, and waits for nothing: whether it is applied nobody says.
    ///
    /// - Throws: what is known at once: ``RaftError/Code/overloaded``, ``RaftError/Code/tooLarge``,
    ///   ``RaftError/Code/stopped``. Nothing happened then. That this node does not lead it may only find out later.
    public func submit(_ command: Machine.Command) throws(RaftError) {
        let refusal = Lock<RaftError?>(nil)
        _ = post(command, WriteOptions()) { result in
            if case .failure(let error) = result { refusal.withLock { $0 = error } }
        }
        if let error = refusal.withLock({ $0 }) { throw error }
    }

    /// Puts an entry without a command through the log: what stands before it in the log is applied here when this
    /// returns, also commands whose callers have not been told yet, or never will be.
    ///
    /// A read needs none: a linearizable one sees every command that was acknowledged.
    ///
    /// - Returns: the index of the entry; a read of ``ReadConsistency/atLeast(_:)`` with it waits for the same at
    ///   another node.
    /// - Throws: as ``propose(_:onlyInTerm:within:)``. Nothing can have happened that matters.
    @discardableResult
    public func barrier(within timeout: Duration? = nil) async throws(RaftError) -> LogIndex {
        let slot = TicketSlot()
        return try await waiting(slot) { done in
            let ticket = BarrierTicket(done)
            self.offer(.propose(Proposal(kind: .blank, payload: [], ticket: ticket)), ticket)
            self.deadlines.add(ticket, within: timeout, "there was no result")
            slot.set(ticket)
        }
    }
}

/// On what conditions a command is proposed.
///
/// Not generic: each write would look up its type.
struct WriteOptions: Sendable {
    /// Which command of a session it is; nil for one of none.
    var request: SessionRequest?
    /// The only term in which it is to be taken; nil for any.
    var term: Term?
    /// How long its caller waits; nil for as long as it takes.
    var timeout: Duration?
    /// What is needed to pass it on, made for its `OutputTicket` and its deadline; nil where it must not be.
    var forward: (@Sendable (Ticket, Instant?) -> ForwardCall)?
}

/// The results of commands that were proposed together.
private final class Gathering<Output: Sendable>: Sendable {
    private struct State {
        var results: [Result<Output, RaftError>?]
        var left: Int
        var completion: (@Sendable ([Result<Output, RaftError>]) -> Void)?
    }
    let slots: [TicketSlot]
    private let state: Lock<State>

    init(_ count: Int) {
        slots = (0..<count).map { _ in TicketSlot() }
        state = Lock(State(results: Array(repeating: nil, count: count), left: count))
    }

    /// Called first. With nothing to wait for it is over at once.
    func begin(_ completion: @escaping @Sendable ([Result<Output, RaftError>]) -> Void) {
        if slots.isEmpty { return completion([]) }
        state.withLock { $0.completion = completion }
    }

    func note(_ result: Result<Output, RaftError>, _ position: Int) {
        let (completion, results) = state.withLock { state in
            state.results[position] = result
            state.left -= 1
            return (state.left == 0 ? state.completion : nil, state.results)
        }
        completion?(results.compactMap { $0 })
    }
}
