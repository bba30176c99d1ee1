internal import DequeModule

/// The Applier as the core sees it, which does not know the state machine's type.
protocol ApplierPort: AnyObject, Sendable {
    /// Opens the machine, and says how far it has applied. `done` is called on the Applier's loop.
    func open(_ start: ApplierStart, _ done: @escaping @Sendable (Result<LogID?, RaftError>) -> Void)
    func apply(_ order: ApplyOrder)
    /// What another member passes on, as a proposal. `done` is called once, on any thread, with the output's bytes.
    ///
    /// - Throws: ``RaftError/Code/corrupt`` for bytes that this machine could not apply.
    func proposal(
        _ request: ForwardRequest, _ done: @escaping @Sendable (Result<[UInt8], RaftError>) -> Void
    ) throws(RaftError) -> Proposal
    /// Whether the machine makes snapshots, and takes them.
    var makesSnapshots: Bool { get }
    /// Takes a view of the state, and lets it be written; the node hears `.snapshotBuilt` or `.snapshotFailed`.
    func build(_ id: SnapshotID)
    /// Ends the build under way, if there is one.
    func abortBuild()
    /// Takes a snapshot's state over; whatever it was told to apply before is void. The node hears
    /// `.snapshotInstalled`, or `.applyFailed`.
    func install(_ manifest: SnapshotManifest)
    /// From now on no build begins, and the one under way ends soon.
    func stopBuilding()
    /// How many sessions there are, and what became of their commands.
    var sessionCounts: SessionCounts { get }
    /// The sessions as they are once everything told before is applied. `done` is called on the Applier's loop.
    func listSessions(_ done: @escaping @Sendable ([SessionSummary]) -> Void)
    /// Proposes the end of sessions that were silent for too long.
    func sweepSessions()
    /// Serves reads once everything through `index` is applied.
    func serve(_ reads: [Ticket], at index: LogIndex)
    /// Ends after what it was told before. `done` is called on the Applier's loop.
    func close(_ done: @escaping @Sendable (RaftError?) -> Void)
    /// Ends at once and closes nothing, as when the process dies.
    func abandon()
}

/// What the machine is opened over.
struct ApplierStart: Sendable {
    var logEnd: LogID
    /// The entry before the first one that the log holds.
    var purged: LogID = .zero
    /// Newest first: those that the log goes on from.
    var snapshots: [SnapshotManifest] = []
    /// In order of index: what the log holds, behind those of the snapshots.
    var configurations: [(id: LogID, configuration: ClusterConfiguration)] = []
    var bootstrap: UInt64?
}

/// A caller's look at the state machine, run where the machine is.
class ReadTicket<Machine: StateMachine>: Ticket, @unchecked Sendable {
    // @unchecked: as its superclass.
    /// To be overridden: looks, and tells the caller. Called by whoever has claimed the ticket.
    func serve(_ machine: borrowing Machine) {}
}

/// A proposer, waiting for its command's output.
final class OutputTicket<Output: Sendable>: ValueTicket<Output>, @unchecked Sendable {
    // @unchecked: as its superclass.
}

/// A caller who waits until everything before its entry is applied.
final class BarrierTicket: ValueTicket<LogIndex>, @unchecked Sendable {
    // @unchecked: as its superclass.
}

/// What an applier is told. Outside of it on purpose: within a generic type, each look at it would look up types.
enum ApplierOrder: Sendable {
    indirect case open(ApplierStart, @Sendable (Result<LogID?, RaftError>) -> Void)
    case apply(ApplyOrder)
    case loaded(Result<EntryBatch, RaftError>, installs: Int)
    case build(SnapshotID)
    indirect case install(SnapshotManifest)
    indirect case restore(SnapshotManifest, Result<any SnapshotReader, RaftError>, installs: Int)
    case serve([Ticket], at: LogIndex)
    case listSessions(@Sendable ([SessionSummary]) -> Void)
    case sweepSessions
    case close(@Sendable (RaftError?) -> Void)
}

// The applier.
// Owns the state machine, and how far it has applied.
// Takes committed runs in order and reads; resumes the callers itself, so a result never passes through the leader.
// Never applies a run before the one before it, and never goes on after the machine has thrown.
// Started by the Supervisor, on the node's loop for an inline machine, else on the apply loop; ends with the node.

actor Applier<Machine: StateMachine>: Activated, ApplierPort {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    private nonisolated let mailbox: Mailbox<ApplierOrder>
    let loop: any Loop
    let node: Mailbox<Message>
    private let reader: LogReader
    private let maximumBytes: Int

    // Unchecked by the runtime: nothing here begins within another, and a machine never sees its Applier.
    @exclusivity(unchecked) var machine: Machine
    private let builder: SnapshotBuilder?
    @exclusivity(unchecked) private var lastApplied: LogIndex = 0
    @exclusivity(unchecked) private var lastAppliedID: LogID = .zero
    /// In force at `lastApplied`.
    private var configuration: (id: LogID, configuration: ClusterConfiguration)?
    private var bootstrap: UInt64?
    /// How many snapshots it was told to take over, and which it still waits for.
    private var installs = 0
    private var isInstalling = false
    @exclusivity(unchecked) private var orders: Deque<ApplyOrder> = []
    @exclusivity(unchecked) private var waitingReads: [(index: LogIndex, tickets: [Ticket])] = []
    private var isLoading = false
    private var failure: RaftError?
    private var isOpen = false
    private var isClosed = false
    @exclusivity(unchecked) private var incoming: [ApplierOrder] = []
    @exclusivity(unchecked) var outputs: [Machine.Output] = []

    let settings: Configuration
    let codec: OutputCodec<Machine.Output>?
    var sessions = SessionTable()
    /// The newest entry that a snapshot brought the sessions of, and whether at the start of this life.
    var sessionsFrom: (index: LogIndex, isStart: Bool) = (0, true)
    /// When a sweep first saw what each session last did.
    var sweeps: [SessionID: (lastActive: LogIndex, since: Instant)] = [:]
    nonisolated let counts = Lock(SessionCounts())

    init(
        machine: sending Machine, loop: any Loop, node: Mailbox<Message>, reader: LogReader, maximumBytes: Int,
        builder: SnapshotBuilder? = nil, settings: Configuration = Configuration(id: 1)
    ) {
        self.settings = settings
        codec = Machine.sessions == .none ? nil : OutputCodec<Machine.Output>.found
        self.builder = Machine.makesSnapshots ? builder : nil
        self.machine = machine
        self.loop = loop
        self.node = node
        self.reader = reader
        self.maximumBytes = maximumBytes
        mailbox = Mailbox(loop: loop)
        unownedExecutor = loop.asUnownedSerialExecutor()
        mailbox.setOwner(self)
    }

    nonisolated func open(_ start: ApplierStart, _ done: @escaping @Sendable (Result<LogID?, RaftError>) -> Void) {
        mailbox.post(.open(start, done))
    }
    nonisolated var makesSnapshots: Bool { Machine.makesSnapshots }
    nonisolated func build(_ id: SnapshotID) { mailbox.post(.build(id)) }
    nonisolated func abortBuild() { builder?.abort() }
    nonisolated func stopBuilding() { builder?.stop() }
    nonisolated func install(_ manifest: SnapshotManifest) { mailbox.post(.install(manifest)) }
    nonisolated func apply(_ order: ApplyOrder) { mailbox.post(.apply(order)) }
    nonisolated var sessionCounts: SessionCounts { counts.withLock { $0 } }
    nonisolated func listSessions(_ done: @escaping @Sendable ([SessionSummary]) -> Void) {
        if !mailbox.post(.listSessions(done)) { done([]) }
    }
    nonisolated func sweepSessions() { mailbox.post(.sweepSessions) }
    nonisolated func serve(_ reads: [Ticket], at index: LogIndex) {
        if !mailbox.post(.serve(reads, at: index)) {
            for ticket in reads { ticket.fail(RaftError(.stopped, "the node has stopped")) }
        }
    }
    nonisolated func close(_ done: @escaping @Sendable (RaftError?) -> Void) { mailbox.post(.close(done)) }
    nonisolated func abandon() { _ = mailbox.close() }

    nonisolated func activate() { onLoop { $0.run() } }

    private func run() {
        var taken: [ApplierOrder] = []
        swap(&taken, &incoming)
        mailbox.takeAll(into: &taken)
        let before = lastApplied
        for order in taken {
            switch order {
            case .open(let start, let done): begin(start, done)
            case .apply(let order):
                if isClosed || failure != nil {
                    settle(order)
                } else if Mutant.isOn("apply-out-of-order") {
                    orders.prepend(order)
                } else {
                    orders.append(order)
                }
            case .loaded(let result, let of): if of == installs { loaded(result) }
            case .build(let id): beginBuild(id)
            case .install(let manifest): beginInstall(manifest)
            case .restore(let manifest, let result, let of): if of == installs { restore(manifest, result) }
            case .serve(let tickets, let index): waitingReads.append((index, tickets))
            case .listSessions(let done): done(sessions.summaries)
            case .sweepSessions: if failure == nil, isOpen, !isClosed { sweep() }
            case .close(let done): end(done)
            }
            applyAll()
            serveReads()
        }
        taken.empty()
        swap(&taken, &incoming)
        if lastApplied > before { node.post(.applied(through: lastApplied)) }
    }

    private func begin(_ start: ApplierStart, _ done: (Result<LogID?, RaftError>) -> Void) {
        do throws(RaftError) {
            let applied = try opened(start)
            isOpen = true
            lastApplied = applied?.index ?? 0
            lastAppliedID = applied ?? .zero
            configuration = start.configurations.last { $0.id.index <= lastApplied }
            bootstrap = start.bootstrap
            done(.success(applied))
        } catch {
            failure = error
            done(.failure(error))
        }
    }

    /// Opens the machine. If it has lost its state, or lacks what was purged, it gets the newest snapshot that can be
    /// read: an older one does as long as the log goes on from it.
    private func opened(_ start: ApplierStart) throws(RaftError) -> LogID? {
        do { try machine.open(logEnd: start.logEnd) } catch {
            throw RaftError(.stateMachine, "the state machine could not be opened: \(error)")
        }
        let applied = machine.lastApplied
        if let applied, applied.index > start.logEnd.index {
            throw RaftError(
                .stateMachine, "the state machine holds entry \(applied), but the log ends at \(start.logEnd)")
        }
        if let applied, applied.index >= start.purged.index {
            try openSessions()
            return applied
        }
        if start.purged == .zero, start.snapshots.isEmpty { return applied }
        var reasons: [String] = []
        if let store = builder?.store {
            for manifest in start.snapshots {
                do {
                    let reader = try store.reader(of: manifest.id)
                    // Before the machine lets go of what it has.
                    try reader.verify()
                    var contents = SnapshotContents(reader)
                    try restore(&contents, through: manifest.last, isStart: true)
                    return manifest.last
                } catch {
                    reasons.append("\(manifest): \(error)")
                    try? store.setAside(manifest.id)
                }
            }
        }
        // The whole log is there: a machine that forgot everything can be given all of it again.
        if start.purged == .zero, applied == nil { return nil }
        let found = reasons.isEmpty ? "there is none" : reasons.joined(separator: "; ")
        throw RaftError(
            .corrupt,
            "the log begins behind entry \(start.purged), and no snapshot can be read that it goes on from: \(found). Nothing was changed but a damaged snapshot's name. Remove this member and add it again with an empty directory and a new id"
        )
    }

    // MARK: Snapshots

    private func beginBuild(_ id: SnapshotID) {
        guard let builder, failure == nil, isOpen, !isClosed, !isInstalling, let configuration else {
            let reason = RaftError(.snapshotFailed, "the state machine has nothing to make a snapshot of now")
            node.post(.snapshotFailed(id, reason))
            return
        }
        do {
            let view = try machine.snapshot()
            builder.build(
                id, of: view, sessions: Mutant.isOn("snapshot-without-sessions") ? SessionTable() : sessions,
                through: lastAppliedID, configuration: configuration.configuration,
                configurationID: configuration.id, bootstrap: bootstrap, node)
        } catch {
            node.post(.snapshotFailed(id, RaftError(.snapshotFailed, "no view of the state could be taken: \(error)")))
        }
    }

    /// The log forgets what it was told to apply before; whoever waits for that is told now (openraft #1761).
    private func beginInstall(_ manifest: SnapshotManifest) {
        guard let builder, failure == nil, !isClosed else { return }
        for order in orders { settle(order) }
        orders.removeAll()
        installs += 1
        isInstalling = true
        isLoading = false
        builder.read(manifest, isInline: Machine.execution == .inline) { [mailbox, installs] result in
            mailbox.post(.restore(manifest, result, installs: installs))
        }
    }

    private func restore(_ manifest: SnapshotManifest, _ result: Result<any SnapshotReader, RaftError>) {
        guard failure == nil, !isClosed else { return }
        do {
            var contents = SnapshotContents(try result.get())
            try restore(&contents, through: manifest.last, isStart: false)
        } catch {
            return fail(RaftError(.stateMachine, "\(manifest) could not be taken over: \(error)"))
        }
        isInstalling = false
        lastApplied = manifest.last.index
        lastAppliedID = manifest.last
        configuration = (manifest.configurationID, manifest.configuration)
        bootstrap = manifest.bootstrap ?? bootstrap
        node.post(.snapshotInstalled(manifest))
    }

    private func applyAll() {
        while failure == nil, !isLoading, !isInstalling, !isClosed, let order = orders.first {
            guard let entries = order.entries else {
                isLoading = true
                reader.read(from: order.first, through: order.through, maximumBytes: maximumBytes) {
                    [mailbox, installs] result in
                    mailbox.post(.loaded(result, installs: installs))
                }
                return
            }
            orders.removeFirst()
            apply(entries, tickets: order.tickets)
        }
    }

    /// Part of the first order, read from the disk.
    private func loaded(_ result: Result<EntryBatch, RaftError>) {
        isLoading = false
        guard failure == nil, !isClosed, let order = orders.popFirst() else { return }
        switch result {
        case .failure(let error):
            settle(order)
            fail(error)
        case .success(let batch):
            let split = order.tickets.firstIndex { $0.index > batch.lastIndex } ?? order.tickets.count
            if batch.lastIndex < order.through {
                orders.prepend(
                    ApplyOrder(
                        first: batch.lastIndex.next, through: order.through, entries: nil,
                        tickets: Array(order.tickets[split...])))
            }
            apply([batch], tickets: Array(order.tickets[..<split]))
        }
    }

    private func apply(_ entries: [EntryBatch], tickets: [(index: LogIndex, ticket: Ticket)]) {
        guard let first = entries.first, first.firstIndex == lastApplied.next else {
            fail(RaftError(.invariantViolated, "entries were to be applied out of order after \(lastApplied), a bug"))
            for (_, ticket) in tickets { ticket.fail(unknown) }
            return
        }
        // For a few, of a type that is not known here, emptying takes longer than a new array.
        if outputs.count < 16 { outputs = [] } else { outputs.removeAll(keepingCapacity: true) }
        var run: SessionRun?
        let through = entries[entries.count - 1].last
        do {
            if entries.contains(where: \.mayHoldSessions) {
                run = try applyWithSessions(entries)
            } else {
                try machine.apply(CommandBatch<Machine.Command>(entries), into: &outputs)
            }
        } catch {
            for (_, ticket) in tickets { ticket.fail(unknown) }
            if Mutant.isOn("apply-after-failure") {
                lastApplied = through.index
                return
            }
            fail(
                RaftError(
                    .stateMachine,
                    "the state machine failed while entries \(first.firstIndex) to \(through.index) were applied: \(error)"
                ))
            return
        }
        lastApplied = through.index
        lastAppliedID = through
        noteConfigurations(entries)
        if let run {
            resume(tickets, entries, run)
        } else if !tickets.isEmpty {
            resume(tickets, entries)
        }
    }

    /// A snapshot carries the configuration that was in force at its last entry.
    private func noteConfigurations(_ entries: [EntryBatch]) {
        for batch in entries {
            guard let newest = batch.configurations.last else { continue }
            if Mutant.isOn("snapshot-without-configuration"), configuration != nil { continue }
            // What cannot be read was refused when it came.
            if let first = batch.configurations.first, first.id.index == 1,
                let configuration = try? ClusterConfiguration(decoding: first.payload)
            {
                bootstrap = configuration.bootstrapMark
            }
            if let configuration = try? ClusterConfiguration(decoding: newest.payload) {
                self.configuration = (newest.id, configuration)
            }
        }
    }

    /// Gives each output to its proposer. Outputs are in the order of the commands; some entries are none.
    private func resume(_ tickets: [(index: LogIndex, ticket: Ticket)], _ entries: [EntryBatch]) {
        var waiting = tickets[...]
        var position = 0
        for batch in entries {
            for at in 0..<batch.count {
                let kind = batch.kind(at: at)
                guard kind == .command || kind == .blank else { continue }
                guard let next = waiting.first else { return }
                let isAwaited = next.index == batch.firstIndex.advanced(by: at)
                guard kind == .command else {
                    if isAwaited {
                        waiting.removeFirst()
                        unsafeDowncast(next.ticket, to: BarrierTicket.self).succeed(next.index)
                    }
                    continue
                }
                if isAwaited {
                    waiting.removeFirst()
                    if position < outputs.count {
                        unsafeDowncast(next.ticket, to: OutputTicket<Machine.Output>.self).succeed(outputs[position])
                    } else {
                        next.ticket.fail(unknown)
                    }
                }
                position += 1
            }
        }
    }

    private func serveReads() {
        guard !waitingReads.isEmpty else { return }
        var later: [(index: LogIndex, tickets: [Ticket])] = []
        for (index, tickets) in waitingReads {
            if let failure {
                for ticket in tickets { ticket.fail(failure) }
            } else if isClosed {
                for ticket in tickets { ticket.fail(RaftError(.stopped, "the node has stopped")) }
            } else if isOpen, index <= lastApplied {
                for ticket in tickets where ticket.claim() {
                    unsafeDowncast(ticket, to: ReadTicket<Machine>.self).serve(machine)
                }
            } else {
                later.append((index, tickets))
            }
        }
        waitingReads = later
    }

    var unknown: RaftError {
        RaftError(
            .outcomeUnknown, "the node stopped before it had applied the command; the others will apply it",
            outcome: .unknown)
    }

    private func settle(_ order: ApplyOrder) {
        for (_, ticket) in order.tickets { ticket.fail(unknown) }
    }

    private func fail(_ error: RaftError) {
        guard failure == nil else { return }
        failure = error
        for order in orders { settle(order) }
        orders.removeAll()
        node.post(.applyFailed(error))
    }

    private func end(_ done: @Sendable (RaftError?) -> Void) {
        guard !isClosed else { return done(nil) }
        isClosed = true
        for order in orders { settle(order) }
        orders.removeAll()
        var reason: RaftError?
        if isOpen, failure == nil {
            do { try machine.close() } catch {
                reason = RaftError(.stateMachine, "the state machine could not be closed: \(error)")
            }
        }
        serveReads()
        for order in mailbox.close() {
            switch order {
            case .apply(let order): settle(order)
            case .serve(let tickets, _):
                for ticket in tickets { ticket.fail(RaftError(.stopped, "the node has stopped")) }
            case .build(let id):
                node.post(.snapshotFailed(id, RaftError(.stopped, "the node has stopped")))
            case .listSessions(let done): done([])
            case .open, .loaded, .install, .restore, .sweepSessions, .close: break
            }
        }
        done(reason)
    }
}
