internal import DequeModule

/// The Applier as the core sees it, which does not know the state machine's type.
protocol ApplierPort: AnyObject, Sendable {
    /// Opens the machine, and says how far it has applied. `done` is called on the Applier's loop.
    func open(logEnd: LogID, _ done: @escaping @Sendable (Result<LogID?, RaftError>) -> Void)
    func apply(_ order: ApplyOrder)
    /// Serves reads once everything through `index` is applied.
    func serve(_ reads: [Ticket], at index: LogIndex)
    /// Ends after what it was told before. `done` is called on the Applier's loop.
    func close(_ done: @escaping @Sendable (RaftError?) -> Void)
}

/// A caller's look at the state machine, run where the machine is.
class ReadTicket<Machine: StateMachine>: Ticket, @unchecked Sendable {
    // @unchecked: as its superclass.
    /// To be overridden: looks, and tells the caller. Called by whoever has claimed the ticket.
    func serve(_ machine: borrowing Machine) {}
}

/// A proposer, waiting for its command's output.
final class OutputTicket<Output: Sendable>: Ticket, @unchecked Sendable {
    // @unchecked: as its superclass; `completion` is immutable.
    private let completion: @Sendable (Result<Output, RaftError>) -> Void
    init(_ completion: @escaping @Sendable (Result<Output, RaftError>) -> Void) { self.completion = completion }
    override func failed(_ error: RaftError) { completion(.failure(error)) }
    func succeed(_ output: Output) {
        if claim() { completion(.success(output)) }
    }
}

// The applier.
// Owns the state machine, and how far it has applied.
// Takes committed runs in order and reads; resumes the callers itself, so a result never passes through the leader.
// Never applies a run before the one before it, and never goes on after the machine has thrown.
// Started by the Supervisor, on the node's loop for an inline machine, else on the apply loop; ends with the node.

actor Applier<Machine: StateMachine>: Activated, ApplierPort {
    private enum Order: Sendable {
        case open(logEnd: LogID, @Sendable (Result<LogID?, RaftError>) -> Void)
        case apply(ApplyOrder)
        case loaded(Result<EntryBatch, RaftError>)
        case serve([Ticket], at: LogIndex)
        case close(@Sendable (RaftError?) -> Void)
    }

    nonisolated let unownedExecutor: UnownedSerialExecutor
    private nonisolated let mailbox: Mailbox<Order>
    private let loop: any Loop
    private let node: Mailbox<Message>
    private let reader: LogReader
    private let maximumBytes: Int

    private var machine: Machine
    private var lastApplied: LogIndex = 0
    private var orders: Deque<ApplyOrder> = []
    private var waitingReads: [(index: LogIndex, tickets: [Ticket])] = []
    private var isLoading = false
    private var failure: RaftError?
    private var isOpen = false
    private var isClosed = false
    private var incoming: [Order] = []
    private var outputs: [Machine.Output] = []

    init(
        machine: sending Machine, loop: any Loop, node: Mailbox<Message>, reader: LogReader, maximumBytes: Int
    ) {
        self.machine = machine
        self.loop = loop
        self.node = node
        self.reader = reader
        self.maximumBytes = maximumBytes
        mailbox = Mailbox(loop: loop)
        unownedExecutor = loop.asUnownedSerialExecutor()
        mailbox.setOwner(self)
    }

    nonisolated func open(logEnd: LogID, _ done: @escaping @Sendable (Result<LogID?, RaftError>) -> Void) {
        mailbox.post(.open(logEnd: logEnd, done))
    }
    nonisolated func apply(_ order: ApplyOrder) { mailbox.post(.apply(order)) }
    nonisolated func serve(_ reads: [Ticket], at index: LogIndex) {
        if !mailbox.post(.serve(reads, at: index)) {
            for ticket in reads { ticket.fail(RaftError(.stopped, "the node has stopped")) }
        }
    }
    nonisolated func close(_ done: @escaping @Sendable (RaftError?) -> Void) { mailbox.post(.close(done)) }

    nonisolated func activate() { assumeIsolated { $0.run() } }

    private func run() {
        var taken: [Order] = []
        swap(&taken, &incoming)
        mailbox.takeAll(into: &taken)
        let before = lastApplied
        for order in taken {
            switch order {
            case .open(let logEnd, let done): begin(logEnd, done)
            case .apply(let order):
                if isClosed || failure != nil {
                    settle(order)
                } else if Mutant.isOn("apply-out-of-order") {
                    orders.prepend(order)
                } else {
                    orders.append(order)
                }
            case .loaded(let result): loaded(result)
            case .serve(let tickets, let index): waitingReads.append((index, tickets))
            case .close(let done): end(done)
            }
            applyAll()
            serveReads()
        }
        taken.removeAll(keepingCapacity: true)
        swap(&taken, &incoming)
        if lastApplied > before { node.post(.applied(through: lastApplied)) }
    }

    private func begin(_ logEnd: LogID, _ done: (Result<LogID?, RaftError>) -> Void) {
        do {
            try machine.open(logEnd: logEnd)
        } catch {
            let error = RaftError(.stateMachine, "the state machine could not be opened: \(error)")
            failure = error
            return done(.failure(error))
        }
        let applied = machine.lastApplied
        if let applied, applied.index > logEnd.index {
            let error = RaftError(
                .stateMachine, "the state machine holds entry \(applied), but the log ends at \(logEnd)")
            failure = error
            return done(.failure(error))
        }
        isOpen = true
        lastApplied = applied?.index ?? 0
        done(.success(applied))
    }

    private func applyAll() {
        while failure == nil, !isLoading, !isClosed, let order = orders.first {
            guard let entries = order.entries else {
                isLoading = true
                reader.read(from: order.first, through: order.through, maximumBytes: maximumBytes) { [mailbox] result in
                    mailbox.post(.loaded(result))
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
        let batch = CommandBatch<Machine.Command>(entries)
        outputs.removeAll(keepingCapacity: true)
        do {
            try machine.apply(batch, into: &outputs)
        } catch {
            for (_, ticket) in tickets { ticket.fail(unknown) }
            if Mutant.isOn("apply-after-failure") {
                lastApplied = batch.through.index
                return
            }
            fail(
                RaftError(
                    .stateMachine,
                    "the state machine failed while entries \(first.firstIndex) to \(batch.through.index) were applied: \(error)"
                ))
            return
        }
        lastApplied = batch.through.index
        if !tickets.isEmpty { resume(tickets, entries) }
    }

    /// Gives each output to its proposer. Outputs are in the order of the commands; some entries are none.
    private func resume(_ tickets: [(index: LogIndex, ticket: Ticket)], _ entries: [EntryBatch]) {
        var waiting = tickets[...]
        var position = 0
        for batch in entries {
            for at in 0..<batch.count where batch.kind(at: at) == .command {
                guard let next = waiting.first else { return }
                if next.index == batch.firstIndex.advanced(by: at) {
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

    private var unknown: RaftError {
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
            case .open, .loaded, .close: break
            }
        }
        done(reason)
    }
}
