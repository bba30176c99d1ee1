internal import Raft

// Clients with sessions: they make a call again until they know what became of it, at any node, also twice at a time and
// after they have the answer. Whatever they do, each command is applied once.

extension Workload {
    private final class SessionClient: @unchecked Sendable {
        // @unchecked: as the scheduler.
        let id: UInt64
        var numbers: SessionNumbers?
        var hint: NodeID?
        /// How many commands it has under way at most.
        let window: Int
        /// What it has an answer to, and may ask for again.
        var answered: [Command] = []
        init(id: UInt64, window: Int) {
            self.id = id
            self.window = window
        }
    }

    /// One command, with all the attempts to have it applied.
    private final class Command: @unchecked Sendable {
        // @unchecked: as the scheduler.
        let position: Int
        let request: SessionRequest
        let command: SimulatedStore.Command
        var attempts = 0
        /// Attempts without an answer.
        var openCount = 0
        /// Some attempt may have had an effect.
        var mayHaveHappened = false
        var output: SimulatedStore.Output?
        var isOver = false
        init(position: Int, request: SessionRequest, command: SimulatedStore.Command) {
            self.position = position
            self.request = request
            self.command = command
        }
    }

    private func draw(_ count: UInt64) -> UInt64 { sessionRandom.next() % count }

    /// A client that has begun to use sessions.
    func addSessionClient() {
        let id = 1000 + draw(1 << 20)
        think(SessionClient(id: id, window: [1, 2, 4, 8][Int(draw(4))]))
    }

    private func pick(_ client: SessionClient) -> SimulatedNode? {
        let up = nodes.filter(\.isUp)
        guard !up.isEmpty else { return nil }
        let hinted = draw(10) < 7 ? up.first { $0.id == client.hint } : nil
        return hinted ?? up[Int(draw(UInt64(up.count)))]
    }

    private func forwarding() -> Forwarding { draw(3) == 0 ? .toLeader() : .never }

    private func pause() -> Int64 {
        // A sweep sees only later that a session is silent, and ends it after as long again.
        let silence = profile.silence
        if silence > 0, draw(6) == 0 { return silence + Int64(draw(UInt64(silence * 5 / 8))) }
        return profile.pause.lowerBound
            + Int64(draw(UInt64(profile.pause.upperBound - profile.pause.lowerBound + 1))) * (draw(40) == 0 ? 50 : 1)
    }

    private func think(_ client: SessionClient) {
        scheduler.schedule(after: pause()) { [self] in
            guard isActive else { return }
            guard client.numbers != nil else { return register(client) }
            if draw(12) == 0, !client.answered.isEmpty {
                // Its answer is there, and yet it comes again: a message that was late, or a client that forgot.
                attempt(client.answered[Int(draw(UInt64(client.answered.count)))], client)
            } else if draw(60) == 0 {
                other(client)
            } else if client.numbers!.openCount < client.window {
                begin(client)
            }
            think(client)
        }
    }

    private func register(_ client: SessionClient) {
        guard let node = pick(client)?.storeNode else { return think(client) }
        let once = Once()
        let goOn = { @Sendable [self] in if once.claim() { think(client) } }
        scheduler.schedule(after: profile.patience, goOn)
        node.sessions.register(forwarding: forwarding()) { result in
            switch result {
            case .success(let session): if client.numbers == nil { client.numbers = SessionNumbers(session) }
            case .failure(let error): client.hint = error.leader?.id
            }
            goOn()
        }
    }

    /// Says that it is there, or closes its session.
    private func other(_ client: SessionClient) {
        guard let node = pick(client)?.storeNode, let numbers = client.numbers else { return }
        if draw(4) == 0, numbers.openCount == 0 {
            node.sessions.close(numbers.session) { _ in }
            forget(client)
        } else {
            node.sessions.keepAlive(numbers.session, lowestUnanswered: numbers.lowestUnanswered) { [self] result in
                if case .failure(let error) = result, error.code == .sessionExpired,
                    client.numbers?.session == numbers.session
                {
                    forget(client)
                }
            }
        }
    }

    private func forget(_ client: SessionClient) {
        client.numbers = nil
        client.answered = []
    }

    private func begin(_ client: SessionClient) {
        let key = draw(2) == 0 ? "hot\(draw(2))" : "cold\(draw(UInt64(profile.keyCount)))"
        let position = calls.count
        let value = "\(position + 1)"
        let (kind, change): (HistoryOperation.Kind, SimulatedStore.Command.Change) =
            switch draw(3) {
            case 0: (.put(value), .put(value))
            case 1: (.append("+\(value)"), .append("+\(value)"))
            default: (.compareAndSwap(expected: nil, new: value), .compareAndSwap(expected: nil, new: value))
            }
        calls.append(
            Call(
                operation: HistoryOperation(
                    client: client.id, key: key, kind: kind, callNanoseconds: scheduler.nanoseconds), life: nil))
        let command = Command(
            position: position, request: client.numbers!.next(),
            command: .init(serial: UInt64(position + 1), key: key, change, padding: Int(draw(20))))
        attempt(command, client)
        if draw(6) == 0 { attempt(command, client) }
    }

    private func attempt(_ command: Command, _ client: SessionClient) {
        guard let node = pick(client)?.storeNode else { return retry(command, client) }
        command.attempts += 1
        command.openCount += 1
        let once = Once()
        scheduler.schedule(after: max(profile.patience / 4, Int64(draw(UInt64(profile.patience))))) { [self] in
            guard once.claim() else { return }
            client.hint = nil
            command.mayHaveHappened = true
            retry(command, client)
        }
        node.propose(command.command, in: command.request, forwarding: forwarding()) { [self] result in
            command.openCount -= 1
            let isWaitedFor = once.claim()
            switch result {
            case .success(let output): answered(command, output, client)
            case .failure(let error):
                client.hint = error.leader?.id
                if error.outcome == .unknown, error.code != .sessionExpired { command.mayHaveHappened = true }
                switch error.code {
                case .sessionExpired:
                    if client.numbers?.session == command.request.session { forget(client) }
                    end(command, client, error)
                case .replyDropped: end(command, client, error)
                default: if isWaitedFor { retry(command, client) }
                }
            }
        }
    }

    private func retry(_ command: Command, _ client: SessionClient) {
        guard !command.isOver else { return }
        guard isActive, command.attempts < 12 else {
            return end(command, client, RaftError(.deadlineExceeded, "the client gave up", outcome: .unknown))
        }
        scheduler.schedule(after: 1_000_000 + Int64(draw(50_000_000))) { [self] in
            if !command.isOver { attempt(command, client) }
        }
    }

    private func answered(_ command: Command, _ output: SimulatedStore.Output, _ client: SessionClient) {
        if checker.applied[output.index]?.serial != command.command.serial {
            checker.fail(
                "I5", "serial \(command.command.serial) was acknowledged at entry \(output.index), which holds another")
        }
        if let first = command.output {
            if first != output {
                checker.fail("I18", "call \(command.command.serial) got \(first), and \(output) when it was made again")
            }
            return
        }
        command.output = output
        acknowledgedThrough = max(acknowledgedThrough, output.index)
        acknowledgedCount += 1
        let isOver = command.isOver
        command.isOver = true
        if isOver, calls[command.position].end == .unknown {
            // It had been given up, and the answer has come all the same.
            calls[command.position].end = .open
            unknownCount -= 1
        }
        if case .compareAndSwap = command.command.change {
            finish(command.position, .swapped(output.isDone))
        } else {
            finish(command.position, .done)
        }
        if !isOver { close(command, client) }
    }

    /// No answer will come: it may have been applied, unless no attempt can have.
    private func end(_ command: Command, _ client: SessionClient, _ error: RaftError) {
        guard !command.isOver else { return }
        command.isOver = true
        let isUnknown = command.mayHaveHappened || command.openCount > 0 || error.code == .replyDropped
        fail(command.position, RaftError(error.code, error.message, outcome: isUnknown ? .unknown : .nothingHappened))
        close(command, client)
    }

    private func close(_ command: Command, _ client: SessionClient) {
        guard client.numbers?.session == command.request.session else { return }
        // Some forget to say that they have the reply, and some have it and ask again.
        if draw(10) > 0 { client.numbers?.answered(command.request.sequence) }
        if command.output != nil {
            client.answered.append(command)
            if client.answered.count > 4 { client.answered.removeFirst() }
        }
    }
}
