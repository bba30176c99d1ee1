public import Logging

/// One member of a Raft cluster, with its state machine: what a program that embeds Raft holds.
///
/// ``propose(_:)`` puts a command through the log of the whole cluster; ``read(_:timeout:_:)`` looks at the state. Dropping the
/// last reference stops the node at once; ``stop()`` passes leadership on first and waits until everything is closed.
///
/// Safe to use from any thread or task.
public final class RaftNode<Machine: StateMachine>: Sendable {
    let settings: Configuration
    let supervisor: Supervisor
    let port: NodePort
    let applier: any ApplierPort
    private let bootstrap: ClusterConfiguration?
    let loop: any Loop
    let deadlines: Deadlines
    /// Kept: each write would look it up.
    private let ticketType = OutputTicket<Machine.Output>.self

    /// Prepares a node; nothing happens before ``start()``.
    ///
    /// - Parameters:
    ///   - configuration: timing and limits; see ``Configuration/validate()``.
    ///   - machine: the replicated state. The node is its only user from now on.
    ///   - store: where the log is kept.
    ///   - transport: how the other members are reached. A transport serves one node.
    ///   - loops: where the node's work happens.
    ///   - bootstrap: on an initial member of a new cluster, its configuration: the same on each of them. On a node
    ///     that was bootstrapped before it must be the same again, or nil. Nil on a node that joins.
    ///   - snapshots: where snapshots are kept, as durable as the log. With nil, or a machine that makes none, the log
    ///     grows for ever.
    ///   - peers: which life of each other member was met. As durable as the log.
    ///   - seed: of the node's random numbers: different on each node.
    ///   - refusesForwarded: why a write that this member passes on for this caller is not taken here; nil to take it.
    ///     Called on any thread, for each such write. Takes all by default: where only the program itself calls nodes.
    /// - Throws: ``RaftError/Code/invalidConfiguration``.
    public init(
        configuration: Configuration, machine: sending Machine, store: any LogStore, transport: any Transport,
        loops: NodeLoops, bootstrap: ClusterConfiguration? = nil, snapshots: (any SnapshotStore)? = nil,
        peers: any PeerMemory = MemoryPeerMemory(),
        seed: UInt64 = .random(in: .min ... .max),
        refusesForwarded: @escaping @Sendable (NodeID, ForwardedCaller?) -> String? = { _, _ in nil },
        logger: Logger = Logger(label: "raft")
    ) throws(RaftError) {
        try configuration.validate()
        if let window = bootstrap?.leaseWindow, let reason = configuration.unfitness(ofLeaseWindow: window) {
            throw RaftError(.invalidConfiguration, reason)
        }
        settings = configuration
        loop = loops.loop
        deadlines = Deadlines(loop: loops.loop)
        self.bootstrap = bootstrap
        let mailbox = Mailbox<Message>(loop: loops.loop, maximumCount: configuration.maximumWaitingCalls)
        let reader = LogReader(store: store, loop: loops.reads)
        let applier = Applier<Machine>(
            machine: machine, loop: Machine.execution == .inline ? loops.loop : loops.apply, node: mailbox,
            reader: reader, maximumBytes: configuration.maximumApplyBytes,
            builder: snapshots.map { SnapshotBuilder(store: $0, builds: loops.builds, reads: loops.reads) },
            settings: configuration)
        self.applier = applier
        supervisor = Supervisor(
            settings: configuration, loops: loops, store: store, transport: transport, mailbox: mailbox,
            applier: applier, reader: reader, peers: peers, snapshots: snapshots, seed: seed, deadlines: deadlines,
            refusesForwarded: refusesForwarded, logger: logger)
        port = supervisor.port
    }

    deinit { port.mailbox.post(.stop(nil)) }

    /// For tasks that call this node very often: they run on its loop, and no thread has to be woken for an answer. What
    /// runs there must not compute for long, and never block.
    public var taskExecutor: LoopTaskExecutor { LoopTaskExecutor(loop) }

    /// Opens the log, begins to listen, and takes part. Returns once the node is at work, not once there is a leader.
    ///
    /// - Throws: whatever kept it from starting; ``NodeStatus/stopReason`` says so afterwards, too.
    public func start() async throws(RaftError) {
        try await waiting { done in self.start(completion: done) }
    }

    /// As ``start()``, without a task. `completion` is called once, on some loop of the node.
    public func start(completion: @escaping @Sendable (Result<Void, RaftError>) -> Void) {
        supervisor.start(bootstrap: bootstrap, completion)
    }

    /// Replicates a command and returns its output once it is committed and applied here.
    ///
    /// - Throws: ``RaftError/Code/notLeader``, ``RaftError/Code/overloaded``, ``RaftError/Code/tooLarge`` and
    ///   ``RaftError/Code/stopped``: nothing happened. ``RaftError/Code/outcomeUnknown`` and
    ///   ``RaftError/Code/cancelled``: look at ``RaftError/outcome``.
    public func propose(_ command: Machine.Command) async throws(RaftError) -> Machine.Output {
        let slot = TicketSlot()
        return try await waiting(slot) { done in slot.set(self.post(command, WriteOptions(), done)) }
    }

    /// As ``propose(_:)``, without a task. `completion` is called once: on the state machine's loop, or, with an error,
    /// on any thread.
    public func propose(
        _ command: Machine.Command, completion: @escaping @Sendable (Result<Machine.Output, RaftError>) -> Void
    ) {
        _ = post(command, WriteOptions(), completion)
    }

    /// The one way of commands to the node.
    func post(
        _ command: Machine.Command, _ options: WriteOptions,
        _ completion: @escaping @Sendable (Result<Machine.Output, RaftError>) -> Void
    ) -> OutputTicket<Machine.Output> {
        let ticket = ticketType.init(completion)
        if let timeout = options.timeout, timeout <= .zero {
            ticket.fail(RaftError(.deadlineExceeded, "the time was over before the command was proposed"))
            return ticket
        }
        var payload: [UInt8] = []
        options.request?.encode(into: &payload)
        command.encode(into: &payload)
        guard payload.count <= settings.maximumCommandBytes else {
            ticket.fail(
                RaftError(
                    .tooLarge,
                    "a command of \(payload.count) bytes is above the limit of \(settings.maximumCommandBytes) (maximumCommandBytes)"
                ))
            return ticket
        }
        let kind: EntryKind = options.request == nil ? .command : .sessionCommand
        let proposal = Proposal(
            kind: kind, payload: payload, term: options.term, ticket: ticket,
            forward: options.forward?(ticket, options.timeout.map { loop.now + $0 }))
        offer(.propose(proposal), ticket)
        deadlines.add(ticket, within: options.timeout, "there was no result", outcome: .unknown)
        return ticket
    }

    func offer(_ message: Message, _ ticket: Ticket) { port.mailbox.offer(message, ticket, settings) }

    /// Looks at the state machine.
    ///
    /// - Parameters:
    ///   - consistency: what the read promises, what that costs, and when it is refused.
    ///   - timeout: how long the read may wait; nil for as long as the node runs and knows a leader.
    /// - Throws: what `body` throws, or a ``RaftError``: ``RaftError/Code/notLeader``, ``RaftError/Code/tooStale``,
    ///   ``RaftError/Code/deadlineExceeded``, ``RaftError/Code/overloaded``, ``RaftError/Code/stopped``,
    ///   ``RaftError/Code/cancelled``.
    public func read<Value: Sendable>(
        _ consistency: ReadConsistency = .linearizable, timeout: Duration? = nil,
        _ body: @escaping @Sendable (borrowing Machine) throws -> Value
    ) async throws -> Value {
        let slot = TicketSlot()
        return try await waiting(slot) {
            (done: @escaping @Sendable (Result<Result<Value, any Error>, RaftError>) -> Void) in
            let ticket = LookTicket(body, completion: done)
            self.post(ticket, consistency, timeout)
            slot.set(ticket)
        }.get()
    }

    /// As ``read(_:timeout:_:)``, without a task. `completion` is called once: where the state machine lives, or, with an
    /// error of the node, on any thread.
    public func read<Value: Sendable>(
        _ consistency: ReadConsistency = .linearizable, timeout: Duration? = nil,
        _ body: @escaping @Sendable (borrowing Machine) throws -> Value,
        completion: @escaping @Sendable (Result<Result<Value, any Error>, RaftError>) -> Void
    ) {
        post(LookTicket(body, completion: completion), consistency, timeout)
    }

    /// As ``read(_:timeout:_:completion:)``, for callers who answer where the state machine lives: `body` is called, or
    /// `failure` with an error of the node. No type of an answer has to be looked up as it runs.
    package func look(
        _ consistency: ReadConsistency, timeout: Duration?, _ body: @escaping @Sendable (borrowing Machine) -> Void,
        failure: @escaping @Sendable (RaftError) -> Void
    ) {
        post(LookTicket(body: body, failure: failure), consistency, timeout)
    }

    private func post(_ ticket: ReadTicket<Machine>, _ consistency: ReadConsistency, _ timeout: Duration?) {
        if consistency == .local {
            applier.serve([ticket], at: .zero)
        } else {
            offer(.read(ticket, consistency), ticket)
        }
        deadlines.add(ticket, within: timeout, "the read was not served")
    }

    /// What the node knows of itself now. After the end it still says why.
    public var status: NodeStatus {
        var status = port.status
        status.sessions = applier.sessionCounts
        return status
    }

    /// Ends the node as the death of its process would: nothing is closed, nobody is told. Only where its loops have
    /// ended, too.
    package func abandon() {
        _ = port.mailbox.close()
        applier.abandon()
    }

    /// Looks at the status where it is, its sessions aside. `look` must not come back to this node.
    @inline(__always)
    package func withStatus<Result>(_ look: (NodeStatus) -> Result) -> Result { port.withStatus(look) }

    /// Looks at the status where it is, unless nothing was written to it since it had this version; then false. For whoever
    /// looks after every event of a simulation. `look` must not come back to this node.
    package func withStatus(after version: inout UInt64, _ look: (NodeStatus) -> Void) -> Bool {
        port.withStatus(after: &version, look)
    }

    /// Begins a cluster with this configuration, of which this node must be a voter. Identical calls on all initial
    /// members are harmless.
    ///
    /// - Throws: ``RaftError/Code/alreadyInitialized``, ``RaftError/Code/invalidConfiguration``,
    ///   ``RaftError/Code/stopped``.
    public func initialize(_ configuration: ClusterConfiguration) async throws(RaftError) {
        try await waiting { done in
            let ticket = CompletionTicket(done)
            self.offer(.initialize(configuration, ticket), ticket)
        }
    }

    /// Builds a snapshot of everything applied here, and returns once it is durable; at once if there is one already.
    /// Reads, writes and applying go on meanwhile. Any node can, whatever its role.
    ///
    /// - Throws: ``RaftError/Code/snapshotFailed``, ``RaftError/Code/stopped``.
    @discardableResult
    public func triggerSnapshot() async throws(RaftError) -> SnapshotManifest {
        try await waiting { done in self.triggerSnapshot(completion: done) }
    }

    /// As ``triggerSnapshot()``, without a task.
    public func triggerSnapshot(completion: @escaping @Sendable (Result<SnapshotManifest, RaftError>) -> Void) {
        let ticket = SnapshotTicket(completion)
        offer(.triggerSnapshot(ticket), ticket)
    }

    /// Lets the leader send a snapshot that includes everything applied to `peer`, or to every other member, and
    /// returns once each has it, or has said that it is past it.
    ///
    /// - Throws: ``RaftError/Code/notLeader``, also when leadership is lost meanwhile;
    ///   ``RaftError/Code/snapshotFailed``, ``RaftError/Code/stopped``, ``RaftError/Code/cancelled``.
    @discardableResult
    public func pushSnapshot(to peer: NodeID? = nil) async throws(RaftError) -> SnapshotManifest {
        let slot = TicketSlot()
        return try await waiting(slot) { done in
            let ticket = SnapshotTicket(done)
            self.offer(.pushSnapshot(to: peer, ticket), ticket)
            slot.set(ticket)
        }
    }

    /// As ``pushSnapshot(to:)``, without a task.
    public func pushSnapshot(
        to peer: NodeID? = nil, completion: @escaping @Sendable (Result<SnapshotManifest, RaftError>) -> Void
    ) {
        let ticket = SnapshotTicket(completion)
        offer(.pushSnapshot(to: peer, ticket), ticket)
    }

    /// Stops the node: passes leadership on if it can within an election timeout, answers every waiting caller, closes
    /// state machine and log. Returns once that is done; more than one call is harmless.
    public func stop() async {
        try? await waiting { (done: @escaping @Sendable (Result<Void, RaftError>) -> Void) in
            self.stop(completion: done)
        }
    }

    /// As ``stop()``, without a task.
    public func stop(completion: @escaping @Sendable (Result<Void, RaftError>) -> Void) {
        let ticket = CompletionTicket(completion)
        if !port.mailbox.post(.stop(ticket)) { supervisor.succeedAtEnd(ticket) }
    }
}

/// A caller's closure over the machine.
private final class LookTicket<Machine: StateMachine>: ReadTicket<Machine>, @unchecked Sendable {
    // @unchecked: as its superclass; only who has claimed the ticket touches the closures, and lets go of them.
    private var body: (@Sendable (borrowing Machine) -> Void)?
    private var failure: (@Sendable (RaftError) -> Void)?

    init(body: @escaping @Sendable (borrowing Machine) -> Void, failure: @escaping @Sendable (RaftError) -> Void) {
        self.body = body
        self.failure = failure
    }

    convenience init<Value: Sendable>(
        _ body: @escaping @Sendable (borrowing Machine) throws -> Value,
        completion: @escaping @Sendable (Result<Result<Value, any Error>, RaftError>) -> Void
    ) {
        self.init { machine in
            do { completion(.success(.success(try body(machine)))) } catch { completion(.success(.failure(error))) }
        } failure: { error in
            completion(.failure(error))
        }
    }

    // Without Optional.take(), which looks up the type of a closure over a generic one each time.
    override func failed(_ error: RaftError) {
        body = nil
        let told = failure
        failure = nil
        told?(error)
    }
    override func serve(_ machine: borrowing Machine) {
        let run = body
        body = nil
        failure = nil
        run?(machine)
    }
}

/// Where a waiting task's ticket is, so that cancelling the task can settle it.
final class TicketSlot: Sendable {
    private let state = Lock<(ticket: Ticket?, isCancelled: Bool)>((nil, false))
    private let outcomeIfCancelled: RaftError.Outcome

    /// - Parameter outcomeIfCancelled: of what the ticket is for; that of a proposal is always unknown.
    init(outcomeIfCancelled: RaftError.Outcome = .nothingHappened) { self.outcomeIfCancelled = outcomeIfCancelled }

    func set(_ ticket: Ticket) {
        let isCancelled = state.withLock { state in
            state.ticket = ticket
            return state.isCancelled
        }
        if isCancelled { cancel(ticket) }
    }

    func cancel() {
        let ticket = state.withLock { state in
            state.isCancelled = true
            return state.ticket
        }
        if let ticket { cancel(ticket) }
    }

    private func cancel(_ ticket: Ticket) {
        let outcome: RaftError.Outcome = ticket is any Proposing ? .unknown : outcomeIfCancelled
        ticket.fail(RaftError(.cancelled, "the calling task was cancelled", outcome: outcome))
    }
}

/// Marks tickets whose command may take effect although nobody waits for it any more.
private protocol Proposing {}
extension OutputTicket: Proposing {}

/// Turns a completion into a suspension: the one place where a caller's task waits for the core.
func waiting<Value: Sendable>(
    _ slot: TicketSlot? = nil,
    _ body: (@escaping @Sendable (Result<Value, RaftError>) -> Void) -> Void
) async throws(RaftError) -> Value {
    let result = await withTaskCancellationHandler {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Result<Value, RaftError>, Never>) in
            body { continuation.resume(returning: $0) }
        }
    } onCancel: {
        slot?.cancel()
    }
    return try result.get()
}
