// Sessions of clients: between the log and the state machine, so that every machine has them.

/// A caller who waits for an entry about a session, not for a command's output.
final class SessionTicket: ValueTicket<SessionID>, @unchecked Sendable {
    // @unchecked: as its superclass.
}

extension Applier {
    // MARK: Beginning

    /// The machine has its state, so it must have the sessions that belong to it.
    func openSessions() throws(RaftError) {
        guard codec != nil else { return }
        guard Machine.sessions == .kept else {
            guard machine.lastApplied == nil else {
                throw RaftError(
                    .stateMachine,
                    "\(Machine.self) has files of its own, and they do not hold the clients' sessions: let its `sessions` be .kept and keep them, or .none"
                )
            }
            return
        }
        do { sessions = try SessionTable(try machine.keptSessions()) } catch {
            throw RaftError(error, or: .stateMachine, "the sessions could not be read: ")
        }
        sessionsFrom = (machine.lastApplied?.index ?? 0, true)
        countSessions()
    }

    /// Takes over a snapshot: the sessions from its front, the rest by the machine.
    func restore(_ contents: inout SnapshotContents, through last: LogID, isStart: Bool) throws {
        var table = try contents.takeSessions()
        try machine.restore(&contents, through: last, sessions: table.records)
        table.keepsChanges = Machine.sessions == .kept
        sessions = table
        sessionsFrom = (last.index, isStart)
        countSessions()
    }

    // MARK: Applying

    /// Applies a run with entries of sessions in it.
    func applyWithSessions(_ entries: [EntryBatch]) throws -> SessionRun {
        // A machine that keeps its sessions may never have been opened with a state.
        sessions.keepsChanges = Machine.sessions == .kept
        let run = try SessionRun(entries, &sessions, isSupported: codec != nil)
        var changes: [SessionRecord]?
        try machine.apply(CommandBatch(entries, applying: run.applying), into: &outputs) { outputs in
            if changes == nil {
                record(run, outputs)
                changes = sessions.takeChanges()
            }
            return changes ?? []
        }
        if changes == nil {
            record(run, outputs)
            _ = sessions.takeChanges()
        }
        observe(run)
        return run
    }

    private func record(_ run: SessionRun, _ outputs: [Machine.Output]) {
        guard let codec else { return }
        for step in run.steps {
            guard let request = step.request, case .applied(let place) = step.outcome, place < outputs.count else {
                continue
            }
            let dropped = sessions.record(codec.encode(outputs[place]), of: request.sequence, in: request.session)
            if dropped > 0 { settings.reached(.sessionReplyDropped) }
        }
    }

    /// Gives each caller what became of its entry.
    func resume(_ tickets: [(index: LogIndex, ticket: Ticket)], _ entries: [EntryBatch], _ run: SessionRun) {
        var waiting = tickets[...]
        var steps = run.steps[...]
        var position = 0
        for batch in entries {
            for at in 0..<batch.count {
                guard let next = waiting.first else { return }
                let isAwaited = next.index == batch.firstIndex.advanced(by: at)
                switch batch.kind(at: at) {
                case .configuration: continue
                case .blank:
                    if isAwaited { unsafeDowncast(next.ticket, to: BarrierTicket.self).succeed(next.index) }
                case .command:
                    if isAwaited { settle(next.ticket, output: position) }
                    position += 1
                case .sessionCommand, .session:
                    guard let step = steps.popFirst() else { return }
                    if isAwaited { settle(next.ticket, step) }
                    if case .applied = step.outcome { position += 1 }
                }
                if isAwaited { waiting.removeFirst() }
            }
        }
    }

    private func settle(_ ticket: Ticket, output place: Int) {
        guard place < outputs.count else { return ticket.fail(unknown) }
        unsafeDowncast(ticket, to: OutputTicket<Machine.Output>.self).succeed(outputs[place])
    }

    private func settle(_ ticket: Ticket, _ step: SessionRun.Step) {
        guard let request = step.request else {
            let ticket = unsafeDowncast(ticket, to: SessionTicket.self)
            switch step.outcome {
            case .done(let id): ticket.succeed(id)
            case .refused(.unsupported):
                ticket.fail(
                    SessionRefusal.unsupported.error(
                        SessionRequest(session: SessionID(0), sequence: 0, lowestUnanswered: 0)))
            case .refused, .applied, .repeated:
                ticket.fail(RaftError(.sessionExpired, "there is no such session any more; register another"))
            }
            return
        }
        switch step.outcome {
        case .applied(let place), .repeated(_, .pending, .some(let place)): settle(ticket, output: place)
        case .repeated(_, .kept(let bytes), _):
            guard let codec else { return ticket.fail(unknown) }
            do {
                unsafeDowncast(ticket, to: OutputTicket<Machine.Output>.self).succeed(try codec.decode(bytes))
            } catch {
                ticket.fail(
                    RaftError(
                        .corrupt, "the reply of command \(request.sequence) of session \(request.session): \(error)",
                        outcome: .unknown))
            }
        case .repeated(let id, _, _): ticket.fail(SessionRefusal.dropped(id).error(request))
        case .refused(let refusal): ticket.fail(refusal.error(request))
        case .done: ticket.fail(unknown)
        }
    }

    // MARK: Ending what is silent

    /// Proposes the end of each session that has been silent since long before the last sweep. If this node does not
    /// lead any more, nothing comes of it.
    func sweep() {
        let now = loop.now
        let silent = sessions.summaries
        var seen: [SessionID: (lastActive: LogIndex, since: Instant)] = [:]
        for session in silent {
            let known = sweeps[session.id].flatMap { $0.lastActive == session.lastActive ? $0 : nil }
            let since = known?.since ?? now
            seen[session.id] = (session.lastActive, since)
            guard now - since >= settings.sessionTimeout else { continue }
            let order = SessionOrder.expire(session.id, unheardSince: session.lastActive)
            _ = node.offer(
                .propose(Proposal(kind: .session, payload: order.encoded, ticket: SessionTicket { _ in })))
        }
        sweeps = seen
    }

    // MARK: What others see

    private func countSessions() {
        counts.withLock { [sessions] counts in
            counts.sessions = sessions.count
            counts.replies = sessions.replyCount
            counts.replyBytes = sessions.replyBytes
        }
    }

    private func observe(_ run: SessionRun) {
        countSessions()
        var repeated = 0
        var refused = 0
        for step in run.steps {
            if case .repeated = step.outcome { repeated += 1 }
            if case .refused = step.outcome { refused += 1 }
        }
        counts.withLock { [expired = run.expired.count + run.displacedCount] counts in
            counts.repeated += repeated
            counts.refused += refused
            counts.expired += expired
        }
        guard let probe = settings.probe else { return }
        if !run.expired.isEmpty { probe.reached(.sessionExpired) }
        if run.displacedCount > 0 { probe.reached(.sessionMadeRoom) }
        for step in run.steps { tell(probe, step) }
        for end in run.expired {
            probe.expired(end.session, unheardSince: end.unheardSince, by: end.by, on: settings.id)
        }
        if let last = run.steps.last { probe.sessions(sessions.digest, through: last.id.index, on: settings.id) }
    }

    private func tell(_ probe: any Probe, _ step: SessionRun.Step) {
        guard let request = step.request, let codec else { return }
        var event = SessionEvent(request: request, id: step.id, outcome: .refused, reply: nil)
        switch step.outcome {
        case .applied(let place):
            event.outcome = .applied
            if place < outputs.count { event.reply = codec.encode(outputs[place]) }
        case .repeated(let first, let reply, let place):
            event.outcome = .repeated
            probe.reached(.retryRepeated)
            if first.term != step.id.term { probe.reached(.retryInNewTerm) }
            if first.index <= sessionsFrom.index {
                probe.reached(sessionsFrom.isStart ? .retryAfterRestore : .retryAfterSnapshot)
            }
            if case .kept(let bytes) = reply { event.reply = bytes }
            if let place, place < outputs.count {
                event.reply = codec.encode(outputs[place])
                probe.reached(.retryInSameRun)
            }
        case .refused(.acknowledged): probe.reached(.retryAcknowledged)
        case .refused(.full): probe.reached(.sessionFull)
        case .refused, .done: break
        }
        probe.applied(event, on: settings.id)
    }
}
